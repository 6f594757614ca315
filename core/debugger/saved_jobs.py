"""Finds saved tensors and AWS's verdicts below whatever people point at: a job, a download, a bucket's copy of many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.debugger.aws_output import FOLDER, REPORTS
from core.jobs.folder_search import folders_below
from training_scripts.debugger.storage import INDEX_FILE, FolderStorage, Storage

_PLACES = ("", "output/tensors", "tensors", "debug-output")
"""Where tensors are below what people mostly point at: the trial itself, our job folder, its output, AWS's prefix."""
_INSIDES = ("index", "events", "collections", "incremental", "pevents")
"""Folders of a trial or a profile, with a folder for each step or hour: nothing else is in them."""
_OF_EVERY_JOB = ("output", "tensors", "debug-output", "profiler-output", REPORTS, "")
_OF_A_REPORT = re.compile(r"ProfilerReport(-\d+)?")
_IN_A_TRIAL = re.compile(rf"(.*?)/?index/\d+/{INDEX_FILE.pattern}")


@dataclass(frozen=True, slots=True)
class SavedJob:
    """What one job left: the roots of its saved trials, and the folders or prefixes with AWS's verdicts."""

    name: str
    trials: tuple[Storage, ...] = ()
    verdicts: tuple[str, ...] = ()


def saved_jobs(source: str | Path) -> list[SavedJob]:
    """Return the jobs below a folder, at any depth, or below an s3:// address; the nearest first.

    Raises:
        UserFacingError: S3 cannot be read.
    """
    text = str(source).replace("\\", "/").rstrip("/")
    trials, verdicts = _in_s3(text) if text.startswith("s3://") else _in_folders(Path(text).expanduser())
    jobs: dict[str, tuple[list[Storage], list[str]]] = {}
    for storage in trials:
        jobs.setdefault(_job_of(storage.root), ([], []))[0].append(storage)
    for place in verdicts:
        jobs.setdefault(_job_of(place), ([], []))[1].append(place)
    names = _names(text, list(jobs))
    return [
        SavedJob(name, tuple(storages), tuple(places))
        for name, (storages, places) in zip(names, jobs.values(), strict=True)
    ]


def trial_storages(source: str | Path) -> Sequence[Storage]:
    """Return the trials below a folder or an s3:// address, the nearest first.

    Raises:
        UserFacingError: S3 cannot be read.
    """
    return [storage for job in saved_jobs(source) for storage in job.trials]


def _in_folders(top: Path) -> tuple[list[Storage], list[str]]:
    trials: list[Storage] = []
    verdicts: list[str] = []
    for folder in folders_below(top, _INSIDES):
        if (folder / "index").is_dir() and _holds_a_trial(FolderStorage(folder)):
            trials.append(FolderStorage(folder))  # another: a storage lists no complete folder twice
        path = folder.as_posix()
        # The top may be a part of rule-output, as somebody fetched it alone.
        wanted = folder.name in (FOLDER, REPORTS) or (folder == top and FOLDER in folder.parts)
        if wanted and not any(path.startswith(f"{above}/") for above in verdicts):
            verdicts.append(path)
    return trials, verdicts


def _in_s3(root: str) -> tuple[list[Storage], list[str]]:
    from core.debugger.s3_storage import S3Storage

    for place in _PLACES:
        storage = S3Storage(f"{root}/{place}".rstrip("/"))
        if _holds_a_trial(storage):
            outside = root.removesuffix(place).rstrip("/")
            return [storage], [outside if FOLDER in outside.split("/") else f"{outside}/{FOLDER}"]
    names = list(S3Storage(root).files(".json"))
    trials = {matched[1]: None for name in names if (matched := _IN_A_TRIAL.fullmatch(name))}
    verdicts: dict[str, None] = {}
    for name in names:
        parts = f"{root}/{name}".split("/")[:-1]
        for at, part in enumerate(parts):
            if part in (FOLDER, REPORTS):
                verdicts["/".join(parts[: at + 1])] = None
                break
    found = [S3Storage(f"{root}/{below}".rstrip("/")) for below in trials]
    return list(found), [place if len(place) > len(root) else root for place in verdicts]


def _holds_a_trial(storage: Storage) -> bool:
    return any(INDEX_FILE.fullmatch(name.rsplit("/", 1)[-1]) for name in storage.index_files())


def _job_of(place: str) -> str:
    """Return the folder of the job that a trial's or verdict's folder belongs to."""
    parts = place.split("/")
    if FOLDER in parts[1:]:
        parts = parts[: parts.index(FOLDER, 1)]
    while len(parts) > 1 and (parts[-1] in _OF_EVERY_JOB or _OF_A_REPORT.fullmatch(parts[-1])):
        parts.pop()
    return "/".join(parts)


def _names(source: str, jobs: Sequence[str]) -> Iterable[str]:
    """Return the jobs' own names; where two have the same, the way to them from what was pointed at."""
    short = [job.rsplit("/", 1)[-1] or job for job in jobs]
    if len(set(short)) == len(short):
        return short
    return [job.removeprefix(f"{source}/") if job.startswith(f"{source}/") else job for job in jobs]
