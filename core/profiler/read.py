"""Finds what a profiler wrote, wherever it is, and reads it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.errors import UserFacingError
from core.jobs.folder_search import folders_below
from core.profiler.read_framework import framework_files, read_aws_rules, read_framework
from core.profiler.read_kineto import kineto_files, read_kineto
from core.profiler.read_system import read_system, system_files
from core.profiler.traces import Profile
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr

_INSIDES = ("incremental", "pevents", "events", "index")
"""Folders of a profile or of saved tensors: they hold many folders and no profile."""
_LISTED = 5


class NoProfile(UserFacingError):
    """Nothing of a profiler is in a folder that may well hold other things of a job."""


def read_profile(
    source: Path | str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> Profile:
    """Read a job's folder, a profiler folder, a copy of AWS's output, or an s3:// prefix of any of them.

    Raises:
        NoProfile: nothing of a profiler is in the folder.
        UserFacingError: there is neither folder nor trace, there are several profiles, or S3 does not give them.
        Cancelled: through `cancel`.
    """
    with local_copy(source, on_progress, cancel) as path:
        if path.is_file():
            if path.name.lower().endswith((".json", ".json.gz")):
                return _read_traces(str(source), [path], on_progress, cancel)
            raise UserFacingError(
                tr("{name} is not a profiler report.").format(name=path.name),
                fix=tr("Choose a profiler-report.html, a trace of torch.profiler, or the folder of a job."),
            )
        if not path.is_dir():
            raise UserFacingError(
                tr("There is no folder {path}.").format(path=path),
                fix=tr("Choose the folder of a job, or its profiler-output."),
            )
        profile = _read_folder(str(source), path, on_progress, cancel)
    # What lay in a copy is gone with it.
    return profile if path.exists() else replace(profile, aws_report=None)


@contextmanager
def local_copy(
    source: Path | str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> Iterator[Path]:
    """Return `source` itself, or for an s3:// prefix a copy that lasts as long as the context."""
    if not str(source).startswith("s3://"):
        yield Path(source).expanduser()
        return
    from core.profiler.s3_download import download, download_report

    with tempfile.TemporaryDirectory(prefix="sagehound-profiler-", ignore_cleanup_errors=True) as folder:
        if str(source).lower().endswith(".html"):
            yield download_report(str(source), Path(folder))
            return
        download(str(source), Path(folder), on_progress, cancel)
        yield Path(folder)


def _read_traces(source: str, files: Sequence[Path], on_progress: OnProgress, cancel: CancelToken | None) -> Profile:
    events, activity, problems = read_kineto(files, on_progress, cancel)
    return Profile(source, (), events, problems=tuple(problems), activity=activity)


def profile_roots(top: Path) -> list[Path]:
    """Return the folders at and below `top` that hold a profile's `system` or `framework`, the nearest first."""
    return [folder for folder in folders_below(top, _INSIDES) if system_files([folder]) or framework_files([folder])]


def find_report(source: Path) -> Path | None:
    """Return the profiler-report.html that AWS's ProfilerReport left under `source`, which may be that file itself."""
    if source.is_file():
        return source if source.suffix.lower() in (".html", ".htm") else None
    for folder in folders_below(source, _INSIDES):
        for name in ("profiler-report.html", "profiler-output/profiler-report.html"):
            if (folder / name).is_file():
                return folder / name
    return None


def _read_folder(source: str, folder: Path, on_progress: OnProgress, cancel: CancelToken | None) -> Profile:
    roots = profile_roots(folder)
    if not roots and (traces := kineto_files(folder)):
        return _read_traces(source, traces, on_progress, cancel)
    if len(roots) > 1:
        named = [str(root.relative_to(folder)) for root in roots[:_LISTED]]
        more = f" and {len(roots) - _LISTED} more" if len(roots) > _LISTED else ""
        raise UserFacingError(
            tr("There are {roots} profiles in {source}.").format(roots=len(roots), source=source),
            tr("They lie in {named}{more}.").format(named=", ".join(named), more=more),
            tr("Choose one."),
        )
    nodes, system_problems = read_system(system_files(roots), on_progress, cancel)
    events, framework_problems = read_framework(framework_files(roots), on_progress, cancel)
    aws_rules, aws_problems = read_aws_rules(folder)
    aws_report = find_report(folder)
    profile = Profile(source, nodes, events, aws_rules, aws_report)
    if profile.is_empty and aws_report is None:
        found = [*system_problems, *framework_problems]
        raise NoProfile(
            tr("There are no profiler files in {source}.").format(source=source),
            found[0] if found else tr("It has neither system metrics nor a step trace."),
            tr("Choose a job that ran with the profiler on."),
        )
    missing = []
    if not nodes:
        missing.append(tr("There are no system metrics, so nothing is said about CPU, memory, disk, network and GPU."))
    if not len(events.start):
        missing.append(tr("There is no step trace, so nothing is said about steps and their phases."))
    problems = (*system_problems, *framework_problems, *aws_problems, *missing)
    return Profile(source, nodes, events, aws_rules, profile.aws_report, problems)
