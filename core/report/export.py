"""Writes profiler reports to files."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.errors import UsageError, UserFacingError
from core.jobs.records import RuleOutcome, TrainingJob, TuningJob
from core.profiler.analysis import analyse_profile
from core.profiler.read import find_report, local_copy, read_profile
from core.profiler.results import ProfilerAnalysis
from core.progress import CancelToken, Progress, Report, ignore_progress
from core.report.document import Document
from core.report.html import render_html
from core.report.sections import job_document
from core.report.tuning import tuning_document

SUFFIXES = (".html", ".pdf")


def export(
    source: Path | str,
    destination: Path,
    *,
    job: TrainingJob | None = None,
    outcomes: Sequence[RuleOutcome] = (),
    parameters: Mapping[str, str | float] | None = None,
    report: Report = ignore_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Write the report of the profile at `source` to `destination`, HTML or PDF by its suffix; returns it.

    `source` is a job's folder, AWS's profiler output, an s3:// prefix of either, or a profiler-report.html of AWS's,
    which is saved as it is (also where it is all that is there).

    Raises:
        UserFacingError: there is no profile, it cannot be fetched, or the file cannot be written.
        UsageError: neither .html nor .pdf, or a parameter that does not exist.
        Cancelled: through `cancel`; the destination is as it was.
    """
    _check(destination)
    with local_copy(source, report, cancel) as path:
        if path.is_file():
            return _copy(path, destination)
        profile = replace(read_profile(path, report, cancel), source=str(source))
        if profile.is_empty and (existing := find_report(path)) is not None:
            return _copy(existing, destination)
        report(Progress(0, None, "Analysing the profile", "items"))
        analysis = analyse_profile(profile, job=job, outcomes=outcomes, parameters=parameters)
    if cancel is not None:
        cancel.raise_if_cancelled()
    return write(job_document(analysis, job, outcomes), destination, report)


def export_aws_report(source: Path | str, destination: Path) -> Path:
    """Save the report that AWS's own ProfilerReport left at `source`, as it is; returns `destination`.

    Raises:
        UserFacingError: there is none, S3 cannot be read, or the file cannot be written.
        UsageError: the destination is no .html file.
    """
    if destination.suffix.lower() != ".html":
        raise UsageError(
            f"AWS's report cannot be saved as {destination.name}.", fix="Choose a name that ends in .html."
        )
    address = str(source)
    if address.startswith("s3://") and not address.lower().endswith(".html"):
        from core.profiler.s3 import find_reports

        address = next(iter(find_reports(address)), "")
    with local_copy(address if str(source).startswith("s3://") else source) as path:
        existing = find_report(path) if address else None
        if existing is None:
            raise UserFacingError(
                f"There is no report of AWS's under {source}.",
                "Its ProfilerReport did not run, or is not done yet.",
                "Wait until its rule has ended, or export Sagehound's own report.",
            )
        return _copy(existing, destination)


def export_analysis(
    analysis: ProfilerAnalysis,
    destination: Path,
    *,
    job: TrainingJob | None = None,
    outcomes: Sequence[RuleOutcome] = (),
) -> Path:
    """Write the report of an analysis that is already there, as `export` does."""
    _check(destination)
    return write(job_document(analysis, job, outcomes), destination)


def export_tuning(
    job: TuningJob,
    trials: Sequence[TrainingJob],
    folder_of: Callable[[str], Path | None],
    destination: Path,
    *,
    outcomes: Sequence[RuleOutcome] = (),
    report: Report = ignore_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Write the report over a tuning job's trials; `folder_of` is an engine's `job_folder`. See `export`."""
    _check(destination)
    return write(tuning_document(job, trials, folder_of, outcomes, report, cancel), destination, report)


def write(document: Document, destination: Path, report: Report = ignore_progress) -> Path:
    """Write a document, HTML or PDF by the suffix; the destination is whole or untouched.

    Raises:
        UserFacingError: the file cannot be written.
    """
    report(Progress(0, None, "Writing the report", "items"))
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}.tmp")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        if destination.suffix.lower() == ".pdf":
            from core.report.pdf import write_pdf

            write_pdf(document, temporary)
        else:
            temporary.write_text(render_html(document), encoding="utf-8", newline="\n")
        os.replace(temporary, destination)
    except OSError as error:
        raise _unwritable(destination, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return destination


def _check(destination: Path) -> None:
    if destination.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"A report cannot be written as {destination.name}.", fix="Choose a name that ends in .html or .pdf."
        )


def _copy(existing: Path, destination: Path) -> Path:
    if existing.suffix.lower() not in (".html", ".htm"):
        raise UserFacingError(
            f"{existing.name} is no profiler report.", fix="Choose a profiler-report.html, or the folder of a job."
        )
    if destination.suffix.lower() != ".html":
        raise UserFacingError(
            "AWS's report cannot be turned into a PDF here.",
            "Only its HTML is there, not the profile it was made from.",
            "Save it as .html and print that, or give the folder with system and framework metrics.",
        )
    if existing.resolve() != destination.resolve():
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(existing, destination)
        except OSError as error:
            raise _unwritable(destination, error) from error
    return destination


def _unwritable(destination: Path, error: OSError) -> UserFacingError:
    return UserFacingError(
        f"The report {destination} could not be written.",
        f"{error.strerror or error}.",
        "Choose another place.",
    )
