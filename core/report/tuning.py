"""The report of a tuning job: all its trials, and the best one in full."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.errors import UserFacingError
from core.jobs.records import RuleOutcome, TrainingJob, TuningJob
from core.jobs.status import RuleStatus
from core.profiler.analysis import analyse
from core.profiler.findings import PHASE_WORDS, seconds
from core.profiler.results import ProfilerAnalysis, Verdict
from core.profiler.traces import PHASES
from core.progress import CancelToken, Progress, Report, ignore_progress
from core.report.charts import PHASE_COLOURS
from core.report.document import Block, Document, Figures, Line, LineChart, Section, ShareBar, Table, Text, quantity
from core.report.sections import footer, job_sections


@dataclass(frozen=True, slots=True)
class _Trial:
    job: TrainingJob
    analysis: ProfilerAnalysis | None
    outcomes: tuple[RuleOutcome, ...]


def tuning_document(
    job: TuningJob,
    trials: Sequence[TrainingJob],
    folder_of: Callable[[str], Path | None],
    outcomes: Sequence[RuleOutcome] = (),
    report: Report = ignore_progress,
    cancel: CancelToken | None = None,
) -> Document:
    """The report over `trials`; `folder_of` says where a trial's files lie, None if nowhere here.

    Raises:
        UserFacingError: no trial has a profile.
        Cancelled: through `cancel`.
    """
    read = list(_read(trials, folder_of, outcomes, report, cancel))
    known = [trial for trial in read if trial.analysis is not None]
    if not known:
        raise UserFacingError(
            f"No trial of {job.name} has profiler files on this machine.",
            fix="Run it with the profiler on, or fetch its output first.",
        )
    chosen = next((trial for trial in known if trial.job.name == job.best_trial), known[0])
    assert chosen.analysis is not None
    overview = (_overview(job, read), _trials(job, read), *_time(known))
    blocks = tuple(block for section in overview for block in section)
    own_sections = job_sections(chosen.analysis, chosen.outcomes)
    word = "The best trial" if chosen.job.name == job.best_trial else "A trial"
    heading = Section(
        "trial", f"{word}: {chosen.job.name}", (Text("Everything below is about this one trial.", "muted"),)
    )
    facts = (str(job.status), f"{len(trials)} trials", *((job.strategy,) if job.strategy else ()))
    sections = (
        Section("findings", f"What matters most in {word.lower()}", own_sections[0].blocks),
        Section("tuning", "The tuning job", blocks),
        heading,
        *own_sections[1:],
    )
    return Document("Profiler report", job.name, sections, footer(), facts)


def _read(
    trials: Sequence[TrainingJob],
    folder_of: Callable[[str], Path | None],
    outcomes: Sequence[RuleOutcome],
    report: Report,
    cancel: CancelToken | None,
) -> Iterator[_Trial]:
    for number, trial in enumerate(trials):
        if cancel is not None:
            cancel.raise_if_cancelled()
        report(Progress(number, len(trials), "Reading the trials' profiles", "trials"))
        own = tuple(outcome for outcome in outcomes if outcome.job == trial.name)
        yield _Trial(trial, _profile(trial, folder_of(trial.name), own), own)


def _profile(trial: TrainingJob, folder: Path | None, outcomes: Sequence[RuleOutcome]) -> ProfilerAnalysis | None:
    if folder is None:
        return None
    try:
        return analyse(folder, job=trial, outcomes=outcomes)
    except UserFacingError:
        return None


def _overview(job: TuningJob, trials: Sequence[_Trial]) -> tuple[Block, ...]:
    durations = [lasted for trial in trials if (lasted := _lasted(trial.job)) is not None]
    items = [
        ("Trials", f"{len(trials)}", f"{len(durations)} ended"),
        ("Best objective", _objective(job.best_objective), job.objective_metric),
        (
            "Tuning job",
            "—" if job.started is None or job.ended is None else seconds(job.ended - job.started),
            "duration",
        ),
        ("A trial", seconds(float(np.median(durations))) if durations else "—", "median duration"),
        ("All trials", seconds(sum(durations)) if durations else "—", "added up"),
    ]
    unread = sum(trial.analysis is None for trial in trials)
    missing = f"{unread} of {len(trials)} trials have no profiler files here; the rest is shown."
    return (Figures(tuple(items)), *((Text(missing, "warning"),) if unread else ()))


def _trials(job: TuningJob, trials: Sequence[_Trial]) -> tuple[Block, ...]:
    numbered = [(number, trial.job.objective) for number, trial in enumerate(trials, 1)]
    known = [(number, value) for number, value in numbered if value is not None and np.isfinite(value)]
    blocks: list[Block] = []
    if len(known) > 1:
        x = np.array([number for number, _ in known], dtype=np.float64)
        y = np.array([value for _, value in known], dtype=np.float64)
        best = np.maximum.accumulate(y) if job.maximize else np.minimum.accumulate(y)
        lines = (Line("trial", 5, x, y), Line("best so far", 2, x, best))
        blocks.append(LineChart(job.objective_metric or "Objective", lines, "trial", "1"))
    rows = tuple(_row(trial, trial.job.name == job.best_trial) for trial in trials)
    columns = ("Trial", "Status", "Objective", "Duration", "Steps", "Median step", "Loading", "CPU", "Issues")
    return (*blocks, Table(columns, rows, frozenset(range(2, 9)), (3, 1.2, 1, 1, 0.8, 1.1, 0.9, 0.8, 0.7)))


def _row(trial: _Trial, best: bool) -> tuple[str, ...]:
    lasted, analysis = _lasted(trial.job), trial.analysis
    name = f"{trial.job.name} (best)" if best else trial.job.name
    head = (name, str(trial.job.status), _objective(trial.job.objective), "—" if lasted is None else seconds(lasted))
    if analysis is None:
        return (*head, "—", "—", "—", "—", "—")
    steps = analysis.steps[0] if analysis.steps else None
    total = sum(analysis.shares.values())
    issues = sum(rule.verdict is Verdict.ISSUE for rule in analysis.rules)
    issues += sum(outcome.status == RuleStatus.ISSUES_FOUND for outcome in trial.outcomes)
    return (
        *head,
        f"{steps.count:,}" if steps else "—",
        quantity(steps.p50, "s") if steps else "—",
        f"{analysis.shares.get('data_loading', 0.0) / total:.0%}" if total else "—",
        quantity(analysis.cpu_pressure["CPU"], "%") if "CPU" in analysis.cpu_pressure else "—",
        str(issues),
    )


def _time(trials: Sequence[_Trial]) -> tuple[tuple[Block, ...], ...]:
    """Where the time of all trials together went."""
    spent: dict[str, float] = {}
    for trial in trials:
        assert trial.analysis is not None
        for phase, value in trial.analysis.shares.items():
            spent[phase] = spent.get(phase, 0.0) + value
    total = sum(spent.values())
    if not total:
        return ()
    parts = tuple(
        (PHASE_WORDS[phase], PHASE_COLOURS[phase], spent[phase], f"{spent[phase] / total:.0%}")
        for phase in (*PHASES, "other")
        if spent.get(phase)
    )
    return ((ShareBar("The training loops of all trials", parts),),)


def _lasted(job: TrainingJob) -> float | None:
    return None if job.started is None or job.ended is None else job.ended - job.started


def _objective(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"
