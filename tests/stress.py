"""Run tests many times under load and list whatever failed: `python -m tests.stress [--runs N] [--load N] [PATH ...]`.

A test that fails once in ten runs is a fault of the test or of the program. Exit status 1 if anything ever failed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from core.paths import ROOT

_LINE = re.compile(r"^(?:FAILED|ERROR) (\S+)")
_CRASH = re.compile(r"worker '?\w+'? crashed while running '([^']+)'")
_LONGEST_S = 3600


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep this many processes busy meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: sum(range(10**6))"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def run_once(paths: list[str]) -> tuple[list[str], int]:
    """Run the tests once; returns what failed or crashed, and pytest's exit status (negative: killed by a signal)."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider"]
    command.append("--hypothesis-profile=random")
    try:
        done = subprocess.run([*command, *paths], cwd=ROOT, capture_output=True, text=True, timeout=_LONGEST_S)
    except subprocess.TimeoutExpired:
        return [f"(the run took longer than {_LONGEST_S} s)"], 1
    failed = [found[1] for line in done.stdout.splitlines() if (found := _LINE.match(line) or _CRASH.search(line))]
    if done.returncode not in (0, 1) and not failed:
        failed = [f"(pytest ended with {done.returncode}: {done.stdout.strip().splitlines()[-1:]})"]
    return failed, done.returncode


def main() -> int:
    """Return 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("paths", nargs="*", default=["tests"])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--load", type=int, default=2 * (os.cpu_count() or 1), help="processes that compute meanwhile")
    options = parser.parse_args()
    failures: Counter[str] = Counter()
    with load(options.load):
        for number in range(1, options.runs + 1):
            start = time.monotonic()
            failed, status = run_once(options.paths)
            failures.update(failed)
            print(f"run {number}: {len(failed)} failed, status {status}, {time.monotonic() - start:.0f} s", flush=True)
            for test in failed:  # a run may take long: what failed is said at once
                print(f"  {test}", flush=True)
    for test, times in failures.most_common():
        print(f"{times} of {options.runs}  {test}")
    print(f"{options.runs} runs, {options.load} busy processes beside them, {len(failures)} tests ever failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
