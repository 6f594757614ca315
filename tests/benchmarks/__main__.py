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
import time
from pathlib import Path

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
    sections, status = [], 0
    for name in names or list(found):
        began = time.monotonic()
        print(f"== {name}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"tests.benchmarks.bench_{name}"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
        print(done.stdout, flush=True)
        if done.returncode:
            print(f"{name} ended with status {done.returncode}.", file=sys.stderr)
            status = 1
            continue
        title = name.replace("_", " ").capitalize()
        sections.append(
            f"## {title}\n\n`python -m tests.benchmarks {name}`, {time.monotonic() - began:.0f} s\n\n{done.stdout}"
        )
    if not names and not status:
        REPORT.write_text("\n".join([_heading(), *sections]), encoding="utf-8", newline="\n")
        print(f"Written: {REPORT.relative_to(ROOT)}", file=sys.stderr)
    return status


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
