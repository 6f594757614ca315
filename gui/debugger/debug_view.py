"""What the Debugger tab shows of one training job, gathered off the UI thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.debugger.aws_output import FOLDER as RULE_OUTPUT
from core.debugger.evaluate_rules import evaluate, open_trial
from core.debugger.histograms import Histograms, histograms, tensor_groups
from core.debugger.outcomes import in_order, issue_counts, job_outcomes, trial_names
from core.engine import Engine
from core.errors import UserFacingError
from core.jobs.records import RuleOutcome, TrainingJob, TuningJob
from core.progress import CancelToken, OnProgress
from core.translation import tr


@dataclass(frozen=True, slots=True)
class JobTrials:
    """The training jobs behind a job, and how many rules found an issue in each."""

    names: tuple[str, ...]
    issues: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DebugView:
    """One training job: `source` is where its tensors and its profile are, "" if nowhere yet.

    `groups` are the tensors that are saved, by kind, and `saved` the training steps they are of; None and empty where
    that was not looked at.
    `aws_report` is the file or s3:// address of the report that AWS's own profiler wrote, "" if there is none.
    """

    name: str
    source: str
    outcomes: tuple[RuleOutcome, ...]
    groups: Mapping[str, Sequence[str]] | None = None
    job: TrainingJob | None = None
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    aws_report: str = ""
    saved: tuple[int, ...] = ()

    @property
    def running(self) -> bool:
        """Whether more is to come."""
        return self.job is not None and not self.job.status.is_final


def load_trials(engine: Engine, name: str) -> JobTrials:
    """Return the trials of a job, the best one first, then those with issues."""
    names, issues = trial_names(engine, name), issue_counts(engine, name)
    return JobTrials(tuple(sorted(names, key=lambda trial: (trial != names[0], -issues.get(trial, 0)))), issues)


def load_job(engine: Engine, name: str, with_tensors: bool) -> DebugView:
    """Return a training job of the engine. `with_tensors`: also which tensors it saved, which takes longer."""
    folder = engine.job_folder(name)
    record = engine.job(name)
    job = None if isinstance(record, TuningJob) else record
    source = "" if folder is None else str(folder)
    groups, saved = (None, ()) if not with_tensors else _tensors(source) if source else ({}, ())
    hyperparameters = {} if job is None else job.hyperparameters
    outcomes = tuple(job_outcomes(engine, name))
    if job is not None and job.watched:  # its settings are in the user's script, not on the Tuning page
        outcomes = tuple(replace(outcome, setting="") for outcome in outcomes)
    report = "" if folder is None else _aws_report(str(folder / RULE_OUTPUT))
    return DebugView(name, source, outcomes, groups, job, hyperparameters, report, saved)


def load_earlier(source: str, on_progress: OnProgress, cancel: CancelToken) -> DebugView:
    """Return an earlier job somewhere else: its tensors are evaluated now, with the default rules.

    One without tensors may still have a profile, which is shown on its own.
    """
    name = source.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    try:
        outcomes = evaluate(source, on_progress=on_progress, cancel=cancel)
    except UserFacingError:
        if not _has_profile(source, on_progress, cancel):
            raise
        return DebugView(name, source, (), {}, aws_report=_aws_report(source))
    jobs = sorted({outcome.job for outcome in outcomes})
    if len(jobs) > 1:
        raise UserFacingError(
            tr("There are {jobs} jobs in {source}.").format(jobs=len(jobs), source=source),
            f"{', '.join(jobs)}.",
            tr("Choose one of them."),
        )
    groups, saved = _tensors(source)
    return DebugView(name, source, tuple(in_order(outcomes)), groups, aws_report=_aws_report(source), saved=saved)


def evaluate_again(
    view: DebugView, rule: str, parameters: Mapping[str, str], on_progress: OnProgress, cancel: CancelToken
) -> RuleOutcome:
    """Return what a rule says of the saved tensors with other parameters; what the job kept stays.

    Raises:
        UserFacingError: nothing is saved, or it cannot be read.
    """
    found = evaluate(view.source, changes={rule: parameters}, job=view.name, on_progress=on_progress, cancel=cancel)
    return found[0]


def report_file(view: DebugView, folder: Path) -> Path:
    """Return AWS's report of a job as a file on this computer: one in S3 is fetched into `folder`.

    Raises:
        UserFacingError: it cannot be fetched.
    """
    from core.report import export_aws_report

    if not view.aws_report.startswith("s3://"):
        return Path(view.aws_report)
    return export_aws_report(view.aws_report, folder / f"{view.name}-aws-report.html")


def read_histograms(source: str, tensor: str, on_progress: OnProgress, cancel: CancelToken) -> Histograms:
    """Return the histograms of one tensor of a job."""
    return histograms(open_trial(source), tensor, on_progress, cancel)


def _aws_report(source: str) -> str:
    from core.profiler import find_report

    if not source.startswith("s3://"):
        found = find_report(Path(source).expanduser())
        return "" if found is None else str(found)
    from core.profiler.s3_download import find_reports

    try:
        return next(iter(find_reports(source)), "")
    except UserFacingError:
        return ""


def _tensors(source: str) -> tuple[Mapping[str, Sequence[str]], tuple[int, ...]]:
    """Return the saved tensors by kind, and the training steps that they are of."""
    try:
        trial = open_trial(source)
        return tensor_groups(trial), tuple(sorted({trial.training_step(step) for step in trial.steps()}))
    except UserFacingError:
        return {}, ()


def _has_profile(source: str, on_progress: OnProgress, cancel: CancelToken) -> bool:
    from core.profiler import analyse, find_report

    if not source.startswith("s3://") and find_report(Path(source)) is not None:
        return True
    try:
        analyse(source, on_progress=on_progress, cancel=cancel)
    except UserFacingError:
        return False
    return True
