"""Finds what a profiler wrote, wherever it lies, and reads it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.errors import UserFacingError
from core.profiler.read_framework import framework_files, read_aws_rules, read_framework
from core.profiler.read_system import read_system, system_files
from core.profiler.traces import Profile
from core.progress import CancelToken, Report, ignore_progress

_DEPTH = 5
"""How many folders below the one given are looked into: a bucket's copy has `<job>/profiler-output/system`."""


def read_profile(source: Path | str, report: Report = ignore_progress, cancel: CancelToken | None = None) -> Profile:
    """Read a job's folder, a profiler folder, a copy of AWS's output, or an s3:// prefix of any of them.

    Raises:
        UserFacingError: nothing of a profiler is there, or S3 does not give it.
        Cancelled: through `cancel`.
    """
    with local_copy(source, report, cancel) as path:
        if not path.is_dir():
            raise UserFacingError(
                f"There is no folder {path}.", fix="Choose the folder of a job, or its profiler-output."
            )
        profile = _read_folder(str(source), path, report, cancel)
    # What lay in a copy is gone with it.
    return profile if path.exists() else replace(profile, aws_report=None)


@contextmanager
def local_copy(
    source: Path | str, report: Report = ignore_progress, cancel: CancelToken | None = None
) -> Iterator[Path]:
    """`source` itself, or for an s3:// prefix a copy that lasts as long as the context."""
    if not str(source).startswith("s3://"):
        yield Path(source).expanduser()
        return
    from core.profiler.s3 import download, download_report

    with tempfile.TemporaryDirectory(prefix="sagehound-profiler-", ignore_cleanup_errors=True) as folder:
        if str(source).lower().endswith(".html"):
            yield download_report(str(source), Path(folder))
            return
        download(str(source), Path(folder), report, cancel)
        yield Path(folder)


def find_report(source: Path) -> Path | None:
    """The profiler-report.html that AWS's ProfilerReport left under `source`, which may be that file itself."""
    if source.is_file():
        return source if source.suffix.lower() in (".html", ".htm") else None
    for folder in _folders(source):
        for name in ("profiler-report.html", "profiler-output/profiler-report.html"):
            if (folder / name).is_file():
                return folder / name
    return None


def _read_folder(source: str, folder: Path, report: Report, cancel: CancelToken | None) -> Profile:
    roots = [root for root in _folders(folder) if (root / "system").is_dir() or (root / "framework").is_dir()]
    nodes, system_problems = read_system(system_files(roots), report, cancel)
    events, framework_problems = read_framework(framework_files(roots), report, cancel)
    aws_rules, aws_problems = read_aws_rules(folder)
    aws_report = find_report(folder)
    profile = Profile(source, nodes, events, aws_rules, aws_report)
    if profile.is_empty and aws_report is None:
        found = [*system_problems, *framework_problems]
        raise UserFacingError(
            f"There are no profiler files in {source}.",
            found[0] if found else "It has neither system metrics nor a step trace.",
            "Choose a job that ran with the profiler on.",
        )
    missing = []
    if not nodes:
        missing.append("There are no system metrics, so nothing is said about CPU, memory, disk, network and GPU.")
    if not len(events.start):
        missing.append("There is no step trace, so nothing is said about steps and their phases.")
    problems = (*system_problems, *framework_problems, *aws_problems, *missing)
    return Profile(source, nodes, events, aws_rules, profile.aws_report, problems)


def _folders(top: Path) -> Iterator[Path]:
    """`top` and the folders under it that may hold a profiler's, breadth first; not into what they hold."""
    level = [top]
    for _ in range(_DEPTH):
        yield from level
        level = [
            child
            for folder in level
            for child in _children(folder)
            if child.name not in ("incremental", "pevents", "tensors", "input", "model", "checkpoints", "data")
        ]
    yield from level


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir() and not child.is_symlink())
    except OSError:
        return []
