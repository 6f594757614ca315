"""Clock steps: the time of day jumps while a search runs, for all its processes and for those that look at it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from core.jobs.status import JobStatus
from core.paths import ROOT
from tests.reliability.lab import Lab, Tally

STEPS = (-2.0, 2.0, -60.0, 3600.0, -3600.0, 86_400.0, -3e8, 3e8)
VARIABLE = "RELIABILITY_CLOCK"

# Every Python of the home reads this at its start: the clock is off by what a file says at that moment, and so is the
# time of the machine's start, which Linux computes from it.
SITE = f"""
import os, time
_file = os.environ.get("{VARIABLE}")
if _file:
    def _shift():
        try:
            with open(_file) as opened:
                return float(opened.read() or 0)
        except (OSError, ValueError):
            return 0.0
    _time, _time_ns = time.time, time.time_ns
    time.time = lambda: _time() + _shift()
    time.time_ns = lambda: _time_ns() + int(_shift() * 1e9)
    try:
        from psutil import _pslinux
        _boot_time = _pslinux.boot_time
        _pslinux.boot_time = lambda: _boot_time() + _shift()
    except ImportError:
        pass
"""


def run(place: Path, attempts: int, seed: int = 0) -> Tally:
    """Set the clock a few times during `attempts` searches."""
    chance, tally = random.Random(seed), Tally("clock step")
    (place / "site").mkdir(parents=True)
    (place / "site" / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    clock = place / "clock"
    before = dict(os.environ)
    os.environ |= {VARIABLE: str(clock), "PYTHONPATH": os.pathsep.join([str(place / "site"), str(ROOT)])}
    lab = Lab(place / "home", place)
    try:
        for number in range(attempts):
            try:
                tally.add(_attempt(lab, clock, f"clock-{number:03d}", chance))
            except Exception as error:
                tally.add([f"{type(error).__name__}: {error}"])
                lab.close()
                lab.signal_all(signal.SIGKILL)
    finally:
        os.environ.clear()
        os.environ.update(before)
    return tally


def _attempt(lab: Lab, clock: Path, name: str, chance: random.Random) -> list[str]:
    problems: list[str] = []
    clock.write_text("0")
    with lab.opened():
        lab.start(name, sleep="0.2")
        for _ in range(2):
            time.sleep(chance.uniform(0.0, 1.0))
            step = chance.choice(STEPS)
            clock.write_text(str(step))
            said = _look(lab.paths.home, name)
            if "Interrupted" in said or "Traceback" in said:
                problems.append(f"after a step of {step:g} s: {said.strip()[-200:]}")
        job = lab.ended(name)
        if job.status is not JobStatus.COMPLETED or len(lab.finished(name)) != 6:
            problems.append(f"it ended {job.status} {job.secondary_status} with {len(lab.finished(name))} trials")
    return problems


def _look(home: Path, name: str) -> str:
    command = [sys.executable, str(ROOT / "__main__.py"), "show", name]
    environment = {**os.environ, "SAGEHOUND_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr
