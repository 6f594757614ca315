"""The report of a tuning job: one first page over its trials, all of them in a table, and the best one in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.dataset.manifest import Manifest
from core.errors import UserFacingError
from core.jobs.accuracy import interval_words, percent
from core.jobs.records import RuleOutcome, TrainingJob, TuningJob
from core.jobs.status import RuleStatus
from core.profiler.findings import issues
from core.profiler.results import Verdict as RuleVerdict
from core.profiler.traces import PHASES, Floats
from core.profiler.wording import PHASE_WORDS, seconds
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.report.charts import PHASE_COLOURS
from core.report.document import (
    Block,
    Chart,
    Document,
    Facts,
    Figures,
    Findings,
    Line,
    LineChart,
    Section,
    ShareBar,
    Table,
    Text,
    Verdict,
    quantity,
)
from core.report.first_page import KEY, curves, facts, result_text, verdict
from core.report.formats import Contents
from core.report.reported_run import ReadRun, Run, bare_run, read_run
from core.report.sections import TITLE, chapters, footer
from core.report.story import Story, read_story
from core.translation import tr
from core.tuning.certainty import certainty

_MOST_CHARTS = 4
_WIDE_RANGE = 30.0
"""From this ratio of largest to smallest on, a hyperparameter is drawn by its logarithm."""


@dataclass(frozen=True, slots=True)
class _Trial:
    number: int
    job: TrainingJob
    run: ReadRun | None
    outcomes: tuple[RuleOutcome, ...]


def tuning_contents(
    job: TuningJob,
    trials: Sequence[TrainingJob],
    folder_of: Callable[[str], Path | None],
    outcomes: Sequence[RuleOutcome] = (),
    manifest: Manifest | None = None,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> Contents:
    """Return the report over `trials`; `folder_of` says where a trial's files are, None if nowhere here.

    `manifest` is the dataset's, where it is still known.

    Raises:
        UserFacingError: no trial has left a profile, results or outcomes of rules.
        Cancelled: through `cancel`.
    """
    read = list(_read(trials, folder_of, outcomes, on_progress, cancel))
    runs = {trial.job.name: trial.run for trial in read if trial.run is not None}
    if not runs:
        raise UserFacingError(
            tr("No trial of {name} has left anything on this machine.").format(name=job.name),
            fix=tr("Wait for one, or fetch its output first."),
        )
    known = sorted((trial for trial in read if trial.run is not None), key=_has_profile, reverse=True)
    best = next((trial for trial in known if trial.job.name == job.best_trial), None)
    shown = best or known[0]
    assert shown.run is not None
    word = tr("The best trial") if best is not None else "A trial"
    story = _with_dataset(shown.run.story, read_story(folder_of(job.name), None, manifest))
    heading = Section(
        "trial", f"{word}: {shown.job.name}", (Text(tr("What follows is about this one trial:"), "muted"),)
    )
    sections = (
        _first_page(job, read, shown.run, story, is_best=best is not None),
        Section("trials", tr("All trials"), (*_hyperparameter_charts(job, read), _table(job, read), *_time(read))),
        heading,
        *chapters(shown.run.analysis, shown.outcomes),
    )
    facts_shown = (str(job.status), f"{len(trials)} trials", *((job.strategy,) if job.strategy else ()))
    return Contents(Document(TITLE, job.name, sections, footer(), facts_shown), tuple(runs.values()))


def _read(
    trials: Sequence[TrainingJob],
    folder_of: Callable[[str], Path | None],
    outcomes: Sequence[RuleOutcome],
    on_progress: OnProgress,
    cancel: CancelToken | None,
) -> Iterator[_Trial]:
    for number, trial in enumerate(trials, 1):
        if cancel is not None:
            cancel.raise_if_cancelled()
        on_progress(Progress(number - 1, len(trials), tr("Reading the trials' profiles"), "trials"))
        own = tuple(outcome for outcome in outcomes if outcome.job == trial.name)
        yield _Trial(number, trial, _run(trial, folder_of(trial.name), own), own)


def _run(trial: TrainingJob, folder: Path | None, outcomes: Sequence[RuleOutcome]) -> ReadRun | None:
    if folder is not None:
        try:
            read = read_run(Run(folder, trial, outcomes), folder)
        except UserFacingError:
            read = None
        if isinstance(read, ReadRun):
            return read
    return bare_run(trial.name, outcomes, trial) if outcomes else None


def _has_profile(trial: _Trial) -> bool:
    return trial.run is not None and not trial.run.profile.is_empty


def _with_dataset(story: Story, of_job: Story) -> Story:
    """Return a trial's story with the dataset that only the tuning job's own folder knows."""
    if sum(of_job.pictures.values()) <= sum(story.pictures.values()):
        return story
    return replace(story, pictures=of_job.pictures, classes=of_job.classes or story.classes)


def _first_page(job: TuningJob, trials: Sequence[_Trial], run: ReadRun, story: Story, *, is_best: bool) -> Section:
    own = verdict(run.analysis, story, run.job, run.outcomes)
    if is_best and story.result is not None:
        result = story.result
        came = tr(
            "The best of {trials} trials is right on {right:,} of {count:,} {split} pictures, {result_text}."
        ).format(
            trials=len(trials),
            right=result.right,
            count=result.count,
            split=result.split,
            result_text=result_text(result),
        )
    else:
        best = "—" if job.best_objective is None else f"{job.best_objective:.4g}"
        came = tr("The best {objective_metric} of {trials} trials is {best}.").format(
            objective_metric=job.objective_metric or "objective", trials=len(trials), best=best
        )
    fired = Counter(outcome.rule for trial in trials for outcome in issues(trial.outcomes))
    todo = own.sentences[1]
    if fired and not issues(run.outcomes):
        in_trials = sum(bool(issues(trial.outcomes)) for trial in trials)
        rule, count = fired.most_common(1)[0]
        todo = tr("Rules found issues in {in_trials} of {trials} trials, most often {rule} ({count}).").format(
            in_trials=in_trials, trials=len(trials), rule=rule, count=count
        )
    # What is healthy in the best trial is not said beside what rules found in others.
    findings = tuple(f for f in run.analysis.findings if not fired or f.severity != "info")
    blocks: list[Block] = [
        Verdict((came, todo), "plain" if fired and own.tone == "good" else own.tone),
        Figures(tuple(_figures(job, trials, story))),
        *_objective_chart(job, trials),
        *list(curves(story))[:1],
        Facts(tuple(facts(run.analysis, story))),
    ]
    if (sure := certainty(job, [trial.job for trial in trials])) is not None:
        blocks.insert(2, Text(sure.text))
    unread = sum(not _has_profile(trial) for trial in trials)
    if unread:
        blocks.append(
            Text(
                tr("{unread} of {trials} trials have no profiler files here; the rest is shown.").format(
                    unread=unread, trials=len(trials)
                ),
                "warning",
            )
        )
    if findings:
        blocks.append(Findings(findings))
    return Section(KEY, tr("In short"), tuple(blocks))


def _figures(job: TuningJob, trials: Sequence[_Trial], story: Story) -> Iterator[tuple[str, str, str]]:
    durations = [lasted for trial in trials if (lasted := _lasted(trial.job)) is not None]
    yield "Trials", f"{len(trials)}", f"{len(durations)} ended"
    yield tr("Best objective"), _objective(job.best_objective), job.objective_metric
    if story.result is not None:
        result = story.result
        yield f"Accuracy, {result.split}", percent(result.accuracy), interval_words(result.interval)
    whole = "—" if job.started is None or job.ended is None else seconds(job.ended - job.started)
    yield tr("Tuning job"), whole, "duration"
    yield "A trial", seconds(float(np.median(durations))) if durations else "—", tr("median duration")


def _objective_chart(job: TuningJob, trials: Sequence[_Trial]) -> Iterator[Chart]:
    known = [(trial.number, value) for trial in trials if (value := _finite(trial.job.objective)) is not None]
    if len(known) < 2:
        return
    x = np.array([number for number, _ in known], dtype=np.float64)
    y = np.array([value for _, value in known], dtype=np.float64)
    best = np.maximum.accumulate(y) if job.maximize else np.minimum.accumulate(y)
    lines = (Line("trial", 0, x, y, points=True), Line(tr("best so far"), 2, x, best))
    yield LineChart(job.objective_metric or "Objective", lines, "trial", "1", from_zero=False)


def _hyperparameter_charts(job: TuningJob, trials: Sequence[_Trial]) -> Iterator[Chart]:
    """Yield the objective over each hyperparameter that was searched and is a number."""
    names = sorted({name for trial in trials for name in trial.job.hyperparameters})
    charts = 0
    for name in names:
        points = [
            (x, y)
            for trial in trials
            if (y := _finite(trial.job.objective)) is not None
            and (x := _as_number(trial.job.hyperparameters.get(name))) is not None
        ]
        if len({x for x, _ in points}) < 2 or name == "seed":
            continue
        values: Floats = np.array(points, dtype=np.float64)
        across, label = values[:, 0], name
        if across.min() > 0 and across.max() / across.min() > _WIDE_RANGE:
            across, label = np.asarray(np.log10(across)), tr("{name}, power of ten").format(name=name)
        title = f"{job.objective_metric or 'Objective'} by {name}"
        yield LineChart(title, (Line("trial", 0, across, values[:, 1], points=True),), label, "1", from_zero=False)
        charts += 1
        if charts == _MOST_CHARTS:
            return


def _table(job: TuningJob, trials: Sequence[_Trial]) -> Table:
    rows = tuple(_row(trial, trial.job.name == job.best_trial) for trial in trials)
    columns = ("Trial", "Status", "Objective", "Duration", "Steps", tr("Median step"), "Loading", "CPU", "Issues")
    return Table(columns, rows, frozenset(range(2, 9)), (3, 1.2, 1, 1, 0.8, 1.1, 0.9, 0.8, 0.7))


def _row(trial: _Trial, best: bool) -> tuple[str, ...]:
    lasted = _lasted(trial.job)
    name = f"{trial.job.name} (best)" if best else trial.job.name
    head = (name, str(trial.job.status), _objective(trial.job.objective), "—" if lasted is None else seconds(lasted))
    if trial.run is None:
        return (*head, "—", "—", "—", "—", "—")
    analysis = trial.run.analysis
    steps = analysis.steps[0] if analysis.steps else None
    total = sum(analysis.shares.values())
    busy = analysis.cpu_pressure.get("CPU of the job", analysis.cpu_pressure.get("CPU"))
    found = sum(rule.verdict is RuleVerdict.ISSUE for rule in analysis.rules)
    found += sum(outcome.status == RuleStatus.ISSUES_FOUND for outcome in trial.outcomes)
    return (
        *head,
        f"{steps.count:,}" if steps else "—",
        quantity(steps.p50, "s") if steps else "—",
        f"{analysis.shares.get('data_loading', 0.0) / total:.0%}" if total else "—",
        "—" if busy is None else quantity(busy, "%"),
        str(found),
    )


def _time(trials: Sequence[_Trial]) -> Iterator[Chart]:
    """Yield where the time of all trials together went."""
    spent: dict[str, float] = {}
    for trial in trials:
        for phase, value in trial.run.analysis.shares.items() if trial.run is not None else ():
            spent[phase] = spent.get(phase, 0.0) + value
    total = sum(spent.values())
    if total:
        parts = tuple(
            (PHASE_WORDS[phase], PHASE_COLOURS[phase], spent[phase], f"{spent[phase] / total:.0%}")
            for phase in (*PHASES, "other", "untraced")
            if spent.get(phase)
        )
        yield ShareBar(tr("The training loops of all trials"), parts)


def _lasted(job: TrainingJob) -> float | None:
    return None if job.started is None or job.ended is None else job.ended - job.started


def _objective(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _as_number(text: str | None) -> float | None:
    try:
        return _finite(float(text)) if text is not None else None
    except ValueError:
        return None
