"""What rules said of a job: from the engine's events, and from the files that the watcher keeps current."""

from __future__ import annotations

from pathlib import Path

from core.debugger.aws_output import FOLDER, aws_outcomes, with_verdicts
from core.debugger.causes import by_cause, rank, with_consequences
from core.engine import Engine
from core.jobs.records import RuleOutcome, TuningJob
from core.jobs.status import RuleStatus
from core.store.rows import outcome_from_json
from training_scripts.outside import UNUSABLE, read_json

ORDER = (
    RuleStatus.ISSUES_FOUND,
    RuleStatus.ERROR,
    RuleStatus.IN_PROGRESS,
    RuleStatus.STOPPING,
    RuleStatus.NO_ISSUES_FOUND,
    RuleStatus.STOPPED,
)
"""Statuses as they are listed: what needs attention first."""


def job_outcomes(engine: Engine, name: str) -> list[RuleOutcome]:
    """Return the latest outcome of each rule of a training job, those that need attention first."""
    latest = {outcome.rule: outcome for outcome in _told(engine, name) if outcome.job == name}
    folder = engine.job_folder(name)
    for outcome in read_outcomes(folder):
        known = latest.get(outcome.rule)
        if known is None or known.time <= outcome.time:
            latest[outcome.rule] = outcome
    for outcome in aws_outcomes(folder / FOLDER, name) if folder is not None else ():
        known = latest.get(outcome.rule)
        latest[outcome.rule] = outcome if known is None else with_verdicts(known, outcome)
    return in_order(list(latest.values()))


def issue_counts(engine: Engine, tuning_job: str) -> dict[str, int]:
    """Return how many rules found an issue, by trial."""
    latest = {(outcome.job, outcome.rule): outcome.status for outcome in _told(engine, tuning_job)}
    counts: dict[str, int] = {}
    for (job, _), status in latest.items():
        counts[job] = counts.get(job, 0) + (status is RuleStatus.ISSUES_FOUND)
    return counts


def read_outcomes(folder: Path | None) -> list[RuleOutcome]:
    """Return the outcomes that are in a job's folder; files that cannot be read are left out."""
    found = []
    for place in ("output/rules", "rules"):
        for file in sorted((folder / place).glob("*.json")) if folder is not None else ():
            try:
                found.append(outcome_from_json(read_json(file)))
            except UNUSABLE:
                continue
    return found


def in_order(outcomes: list[RuleOutcome]) -> list[RuleOutcome]:
    """Return issues first, causes before what follows from them; the others by status, those that saw nothing last."""

    def place(outcome: RuleOutcome) -> tuple[int, int, str]:
        within = rank(outcome) if outcome.status is RuleStatus.ISSUES_FOUND else int(not outcome.evaluated)
        return ORDER.index(outcome.status), within, outcome.rule

    return with_consequences(sorted(by_cause(outcomes), key=place))


def trial_names(engine: Engine, name: str) -> list[str]:
    """Return the training jobs behind a job: its trials, the best one first, or itself."""
    job = engine.job(name)
    if not isinstance(job, TuningJob):
        return [name]
    names = [trial.name for trial in engine.trials(name)]
    return sorted(names, key=lambda trial: trial != job.best_trial)


def _told(engine: Engine, name: str) -> list[RuleOutcome]:
    seen: list[RuleOutcome] = []
    cursor = 0
    while (batch := engine.events(cursor, name)).events:
        cursor = batch.cursor
        seen += [event for event in batch.events if isinstance(event, RuleOutcome)]
    return seen
