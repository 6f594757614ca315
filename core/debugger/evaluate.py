"""Evaluates rules on any saved trial: a folder or s3://…, ours or AWS's, finished or not; with AWS's own verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from core.debugger.aws_output import FOLDER, aws_outcomes
from core.debugger.defaults import default_rules
from core.errors import Cancelled, UserFacingError
from core.jobs.records import RuleOutcome
from core.progress import CancelToken, Progress, Report, ignore_progress
from core.store.rows import outcome_from_json
from training_scripts.debugger.reader import FolderStorage, Storage, Trial
from training_scripts.debugger.runner import Evaluation
from training_scripts.debugger.settings import read_info

_PLACES = ("", "output/tensors", "tensors", "debug-output")
"""Where tensors lie below what people point at: the trial itself, our job folder, its output, AWS's job prefix."""


def open_trial(source: str | Path) -> Trial:
    """The saved trial at a folder or an s3:// address, or in the usual place below it.

    Raises:
        UserFacingError: there is none, or S3 cannot be read.
    """
    for storage in _storages(source):
        if storage.index_files():
            return Trial(storage)
    raise UserFacingError(
        f"There are no saved tensors in {source}.",
        "A trial has folders named index and events, or lies in debug-output or output/tensors.",
        "Choose the folder or prefix of a job that saved tensors, or that has AWS's rule-output.",
    )


def evaluate(
    source: str | Path,
    rules: Mapping[str, Mapping[str, str]] | None = None,
    *,
    job: str = "",
    report: Report = ignore_progress,
    cancel: CancelToken | None = None,
) -> list[RuleOutcome]:
    """The outcome of each rule on what is saved now; the default set for this training unless `rules` are given.

    A trial that is not finished, or that will never be, is evaluated up to its last saved step. Unless `rules` are
    given, what AWS's own rules wrote beside the tensors comes after ours, or alone where there are no tensors.

    Raises:
        UserFacingError: there is neither a trial nor output of AWS's rules.
        Cancelled: through `cancel`.
    """
    said = aws_outcomes(source, job or _job_name(source)) if rules is None else []
    try:
        trial = open_trial(source)
    except UserFacingError:
        if said:
            return said
        raise
    return _evaluate(trial, rules, job or _job_name(source), report, cancel) + said


def _evaluate(
    trial: Trial,
    rules: Mapping[str, Mapping[str, str]] | None,
    job: str,
    report: Report,
    cancel: CancelToken | None,
) -> list[RuleOutcome]:
    chosen = rules if rules is not None else default_rules(_hyperparameters(trial))
    evaluation = Evaluation(trial, chosen, {}, job)
    steps = trial.steps()
    for done, step in enumerate(steps):
        if cancel is not None and cancel.cancelled:
            raise Cancelled
        report(Progress(done, len(steps), "Evaluating rules", "steps"))
        evaluation.evaluate(step)
    evaluation.finish()
    return [outcome_from_json(run.outcome(evaluation.job)) for run in evaluation.runs]


def _storages(source: str | Path) -> Sequence[Storage]:
    text = str(source)
    if text.startswith("s3://"):
        from core.debugger.s3 import S3Storage

        root = text.rstrip("/")
        return [S3Storage(f"{root}/{place}".rstrip("/")) for place in _PLACES]
    return [FolderStorage(Path(text).expanduser() / place) for place in _PLACES]


def _hyperparameters(trial: Trial) -> Mapping[str, str]:
    """Those of a trial of ours; of others we only know that pictures went through a network."""
    return read_info(Path(trial.path)).get("hyperparameters", {}) if not trial.path.startswith("s3://") else {}


def _job_name(source: str | Path) -> str:
    """The folder above all those that every job has."""
    parts = [part for part in str(source).replace("\\", "/").split("/") if part]
    if FOLDER in parts[1:]:
        parts = parts[: parts.index(FOLDER)]
    named = [part for part in parts if part not in ("output", "tensors", "debug-output")]
    return named[-1] if named else str(source)
