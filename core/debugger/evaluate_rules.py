"""Evaluates rules on any saved trial: a folder or s3://…, ours or AWS's, finished or not; with AWS's own verdicts."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from pathlib import Path

from core.debugger.aws_output import aws_outcomes
from core.debugger.foreign_curves import recorded_runs, write_trial
from core.debugger.job_rules import curve_rules, default_rules
from core.debugger.saved_jobs import saved_jobs, trial_storages
from core.errors import Cancelled, UserFacingError
from core.jobs.records import RuleOutcome
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.store.rows import outcome_from_json
from core.translation import tr
from training_scripts.debugger.job_settings import read_info
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.runner import Evaluation


def open_trial(source: str | Path) -> Trial:
    """Return the saved trial in a folder or at an s3:// address, or the nearest one below it.

    Raises:
        UserFacingError: there is none, or S3 cannot be read.
    """
    for storage in trial_storages(source):
        return Trial(storage)
    raise _no_tensors(source)


def evaluate(
    source: str | Path,
    rules: Mapping[str, Mapping[str, str]] | None = None,
    *,
    changes: Mapping[str, Mapping[str, str]] | None = None,
    job: str = "",
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> list[RuleOutcome]:
    """Return the outcome of each rule on what is saved now; the default set for this training unless `rules` are given.

    `source` may be anything at or above what a job saved, at any depth; of several jobs each is evaluated. Where there
    are neither tensors nor verdicts, curves that other tools recorded are (foreign_curves.py). A trial that
    is not finished, or that will never be, is evaluated up to its last saved step. Unless `rules` are given, what AWS's
    own rules wrote beside the tensors comes after ours, or alone where there are no tensors. `changes` names the rules
    to be evaluated alone, with parameters that replace those of the set.

    Raises:
        UserFacingError: there is neither a trial nor output of AWS's rules.
        Cancelled: through `cancel`.
    """
    found: list[RuleOutcome] = []
    trials = 0
    for saved in saved_jobs(source):
        name = job or saved.name
        for storage in saved.trials:
            trial = Trial(copy(storage))  # with the trial goes what a storage keeps: there may be a thousand of them
            chosen = rules if rules is not None else default_rules(_hyperparameters(trial))
            if changes is not None:
                chosen = {rule: {**chosen.get(rule, {}), **values} for rule, values in changes.items()}
            found += _evaluate(trial, chosen, name, on_progress, cancel)
            trials += 1
        for place in saved.verdicts if rules is None and changes is None else ():
            found += aws_outcomes(place, name)
    if not found and not trials:
        found = _evaluate_curves(source, rules, changes, job, on_progress, cancel)
    if not found:
        raise _no_tensors(source)
    return found


def _evaluate_curves(
    source: str | Path,
    rules: Mapping[str, Mapping[str, str]] | None,
    changes: Mapping[str, Mapping[str, str]] | None,
    job: str,
    on_progress: OnProgress,
    cancel: CancelToken | None,
) -> list[RuleOutcome]:
    """Evaluate the rules that need a curve alone on what another tool recorded."""
    if str(source).startswith("s3://"):
        return []
    found: list[RuleOutcome] = []
    for run in recorded_runs(source):
        with tempfile.TemporaryDirectory(prefix="sagehound-") as folder:
            write_trial(run, Path(folder))
            trial, chosen = Trial.open(Path(folder)), dict(rules or curve_rules())
            if changes is not None:
                chosen = {rule: {**chosen.get(rule, {}), **values} for rule, values in changes.items()}
            outcomes = _evaluate(trial, chosen, job or run.name, on_progress, cancel)
            found += [replace(outcome, unreadable=(*outcome.unreadable, *run.unreadable)) for outcome in outcomes]
    return found


def _evaluate(
    trial: Trial,
    chosen: Mapping[str, Mapping[str, str]],
    job: str,
    on_progress: OnProgress,
    cancel: CancelToken | None,
) -> list[RuleOutcome]:
    evaluation = Evaluation(trial, chosen, {}, job)
    steps = trial.steps()
    for done, step in enumerate(steps):
        if cancel is not None and cancel.cancelled:
            raise Cancelled
        on_progress(Progress(done, len(steps), tr("Evaluating rules"), "steps"))
        evaluation.evaluate(step)
    evaluation.finish()
    return [outcome_from_json(run.outcome(evaluation.job)) for run in evaluation.runs]


def _hyperparameters(trial: Trial) -> Mapping[str, str]:
    """Return those of a trial of ours; of others we only know that pictures went through a network."""
    return read_info(Path(trial.path)).get("hyperparameters", {}) if not trial.path.startswith("s3://") else {}


def _no_tensors(source: str | Path) -> UserFacingError:
    return UserFacingError(
        tr("There are no saved tensors in {source}.").format(source=source),
        tr(
            "A trial has folders named index and events; neither they nor AWS's rule-output are "
            "there or below, nor curves of a loss (TensorBoard, MLflow, W&B, CSV, JSON lines)."
        ),
        tr(
            "Choose the folder or prefix of a job that saved tensors, that has AWS's rule-output, or "
            "a file with curves."
        ),
    )
