"""Writes profiler reports to files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.dataset.manifest import Manifest
from core.errors import UsageError, UserFacingError
from core.jobs.records import RuleOutcome, TrainingJob, TuningJob
from core.paths import give_away
from core.profiler.read import find_report, local_copy
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.report.comparison_report import comparison_document
from core.report.findings_report import findings_document
from core.report.formats import FINDINGS, Contents, Format, format_of
from core.report.reported_run import ReadRun, Run, bare_run, read_run
from core.report.sections import job_document
from core.report.tuning_report import tuning_contents
from core.translation import tr
from training_scripts.durable import flush, replacing


def export(
    run: Run,
    destination: Path,
    *,
    parameters: Mapping[str, str | float] | None = None,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Write the report of a run to `destination`, in the format that its name asks for; returns it.

    A profiler-report.html of AWS's is saved as it is, also where it is all that is there.

    Raises:
        UserFacingError: there is no profile, it cannot be fetched, or the file cannot be written.
        UsageError: no format has such a name, or a parameter does not exist.
        Cancelled: through `cancel`; the destination is as it was.
    """
    format_of(destination)
    with local_copy(run.source, on_progress, cancel) as path:
        read = read_run(run, path, parameters, on_progress, cancel)
        if isinstance(read, Path):
            return _copy(read, destination)
    if cancel is not None:
        cancel.raise_if_cancelled()
    return write(Contents(job_document(read), (read,)), destination, on_progress)


def export_comparison(
    first: Run,
    second: Run,
    destination: Path,
    *,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Write one report that compares two runs. See `export`."""
    format_of(destination)
    read: list[ReadRun] = []
    for run in (first, second):
        with local_copy(run.source, on_progress, cancel) as path:
            found = read_run(run, path, None, on_progress, cancel)
        if isinstance(found, Path):
            raise UserFacingError(
                tr("{source} cannot be compared.").format(source=run.source),
                tr("Only AWS's own report is there, not the profile it was made from."),
            )
        read.append(found)
    return write(Contents(comparison_document(*read), tuple(read)), destination, on_progress)


def export_aws_report(source: Path | str, destination: Path) -> Path:
    """Save the report that AWS's own ProfilerReport left at `source`, as it is; returns `destination`.

    Raises:
        UserFacingError: there is none, S3 cannot be read, or the file cannot be written.
        UsageError: the destination is not an .html file.
    """
    if destination.suffix.lower() != ".html":
        raise UsageError(
            tr("AWS's report cannot be saved as {name}.").format(name=destination.name),
            fix=tr("Choose a name that ends in .html."),
        )
    address = str(source)
    if address.startswith("s3://") and not address.lower().endswith(".html"):
        from core.profiler.s3_download import find_reports

        address = next(iter(find_reports(address)), "")
    with local_copy(address if str(source).startswith("s3://") else source) as path:
        existing = find_report(path) if address else None
        if existing is None:
            raise UserFacingError(
                tr("There is no report of AWS's under {source}.").format(source=source),
                tr("Its ProfilerReport did not run, or is not done yet."),
                tr("Wait until its rule has ended, or export Sagehound's own report."),
            )
        return _copy(existing, destination)


def export_tuning(
    job: TuningJob,
    trials: Sequence[TrainingJob],
    folder_of: Callable[[str], Path | None],
    destination: Path,
    *,
    outcomes: Sequence[RuleOutcome] = (),
    manifest: Manifest | None = None,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> Path:
    """Write the report over a tuning job's trials; `folder_of` is an engine's `job_folder`. See `export`."""
    format_of(destination)
    return write(
        tuning_contents(job, trials, folder_of, outcomes, manifest, on_progress, cancel), destination, on_progress
    )


def export_findings(outcomes: Sequence[RuleOutcome], destination: Path) -> Path:
    """Write all that rules said of any number of jobs, as .html, .pdf, .json or .csv.

    Raises:
        UsageError: the name asks for something else.
        UserFacingError: the file cannot be written.
    """
    suffix = destination.suffix.lower()
    if suffix not in (".html", ".htm", ".pdf", ".json", ".csv"):
        raise UsageError(
            tr("Findings cannot be written as {name}.").format(name=destination.name),
            fix=tr("Choose a name that ends in .html, .pdf, .json or .csv."),
        )
    form = FINDINGS if suffix == ".csv" else format_of(destination)
    runs = tuple(
        bare_run(job, [outcome for outcome in outcomes if outcome.job == job])
        for job in dict.fromkeys(outcome.job for outcome in outcomes)
    )
    return write(Contents(findings_document(runs), runs), destination, form=form)


def write(
    contents: Contents, destination: Path, on_progress: OnProgress = ignore_progress, form: Format | None = None
) -> Path:
    """Write in the format that the name asks for; the destination is whole or untouched. To a server it is sent.

    Raises:
        UserFacingError: the file cannot be written.
    """
    form = form or format_of(destination)
    on_progress(Progress(0, None, tr("Writing the report"), "items"))
    if form.server:
        form.write(contents, destination)
        return destination
    try:
        with (_replacing_folder if form.folder else replacing)(destination) as partial:
            form.write(contents, partial)
        give_away(destination)
    except OSError as error:
        raise _unwritable(destination, error) from error
    return destination


@contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of `path`, which must not be there, when the block ends well."""
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield partial
        flush(partial.rglob("*"))
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy(existing: Path, destination: Path) -> Path:
    if existing.suffix.lower() not in (".html", ".htm"):
        raise UserFacingError(
            tr("{name} is not a profiler report.").format(name=existing.name),
            fix=tr("Choose a profiler-report.html, or the folder of a job."),
        )
    if destination.suffix.lower() != ".html":
        raise UserFacingError(
            tr("AWS's report cannot be turned into a PDF here."),
            tr("Only its HTML is there, not the profile it was made from."),
            tr("Save it as .html and print that, or give the folder with system and framework metrics."),
        )
    if existing.resolve() != destination.resolve():
        try:
            with replacing(destination) as partial:
                shutil.copyfile(existing, partial)
            give_away(destination)
        except OSError as error:
            raise _unwritable(destination, error) from error
    return destination


def _unwritable(destination: Path, error: OSError) -> UserFacingError:
    return UserFacingError(
        tr("The report {destination} could not be written.").format(destination=destination),
        f"{error.strerror or error}.",
        tr("Choose another place."),
    )
