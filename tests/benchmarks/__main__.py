"""Run the benchmarks and write docs/BENCHMARKS.md: `python -m tests.benchmarks [NAME …]`.

Each `bench_<name>.py` prints Markdown from its `main()`; it runs in a process of its own, so that none inherits
another's imports, caches or memory.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.pictures import VARIABLE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REPORT = ROOT / "docs" / "BENCHMARKS.md"
_VERSIONS = ("torch", "torchvision", "openvino", "PySide6-Essentials", "pyqtgraph", "optuna", "numpy", "pillow")


def main(names: list[str]) -> int:
    """Run all benchmarks, or those named; the report is only written when all ran."""
    found = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    unknown = set(names) - set(found)
    if unknown:
        print(f"No benchmark is called {', '.join(sorted(unknown))}. There are: {', '.join(found)}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-data-") as data:
        environment = {VARIABLE: data} | os.environ  # a folder that was named already is kept
        sections = [_section(name, environment) for name in names or list(found)]
    if not names and all(sections):
        REPORT.write_text("\n".join([_heading(), *sections]), encoding="utf-8", newline="\n")
        print(f"Written: {REPORT.relative_to(ROOT)}", file=sys.stderr)
    return 0 if all(sections) else 1


def _section(name: str, environment: dict[str, str]) -> str:
    """Run one benchmark; returns its part of the report, "" when it failed."""
    began, load = time.monotonic(), _load()
    print(f"== {name}{load}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", f"tests.benchmarks.bench_{name}"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False
    )
    print(done.stdout, flush=True)
    if done.returncode:
        print(f"{name} ended with status {done.returncode}.", file=sys.stderr)
        return ""
    title, seconds = name.replace("_", " ").capitalize(), time.monotonic() - began
    return f"## {title}\n\n`python -m tests.benchmarks {name}`, {seconds:.0f} s{load}\n\n{done.stdout}"


def _load() -> str:
    """What else the machine was doing, where the system can say it."""
    return f", load average {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""


def _heading() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _VERSIONS)
    return (
        "# Benchmarks\n\n"
        "Made by `make bench`. Medians, with the smallest and largest of the runs in brackets; a ratio is taken run by "
        "run\nagainst the rival named, in the same process run.\n\n"
        f"Machine: {platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; {versions}. {time.strftime('%Y-%m-%d')}.\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
