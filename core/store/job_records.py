"""From rows of the table of jobs to records: three more queries, however many jobs there are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TypedDict

from core.jobs.records import Job
from core.jobs.status import JobStatus
from core.store.database import Database
from core.store.home_paths import HomePaths
from core.store.rows import FINAL, INTERRUPTED, TrialSummary, from_column, training_job_of, tuning_job_of

_LATEST_METRICS = "SELECT job, name, value FROM latest_metrics WHERE job IN (SELECT value FROM json_each(?))"
_TRIAL_COUNTS = f"""
    SELECT tuning_job, status, count(*) AS trials, sum(CASE WHEN secondary_status = '{INTERRUPTED}' THEN 0
        WHEN status IN {FINAL} THEN 1 ELSE coalesce(progress, 0) END) AS done
    FROM jobs WHERE tuning_job IN (SELECT value FROM json_each(?)) GROUP BY tuning_job, status
"""
# A stopped trial counts only if it could save its model. (Beside a bare min(), SQLite takes the columns of its row.)
_BEST_TRIALS = """
    SELECT trial.tuning_job, trial.name, trial.objective, trial.weakest,
        min(CASE WHEN parent.maximize THEN -trial.objective ELSE trial.objective END)
    FROM jobs AS trial JOIN jobs AS parent ON parent.name = trial.tuning_job
    WHERE trial.tuning_job IN (SELECT value FROM json_each(?)) AND trial.objective IS NOT NULL
        AND (trial.status = 'Completed' OR (trial.status = 'Stopped' AND trial.artifact IS NOT NULL))
    GROUP BY trial.tuning_job
"""


class JobChanges(TypedDict, total=False):
    """What may change in a job's record; what is left out stays."""

    status: JobStatus
    secondary_status: str
    started: float
    ended: float | None
    failure_reason: str
    objective: float | None
    artifact: str | None
    progress: float | None
    weakest: str


def records(database: Database, rows: Sequence[sqlite3.Row], home: HomePaths) -> list[Job]:
    """Return the records of rows of the table of jobs, with latest metrics, counts of trials and best trial."""
    tuning = [row["name"] for row in rows if row["kind"] == "tuning"]
    trials: dict[str, TrialSummary] = {name: TrialSummary() for name in tuning}
    for found in _of_jobs(database, _TRIAL_COUNTS, tuning):
        trials[found["tuning_job"]].add(found)
    for found in _of_jobs(database, _BEST_TRIALS, tuning):
        trials[found["tuning_job"]].best = (found["name"], found["objective"])
        trials[found["tuning_job"]].best_weakest = found["weakest"]
    training = [row["name"] for row in rows if row["kind"] != "tuning"]
    best = [summary.best[0] for summary in trials.values() if summary.best]
    metrics: dict[str, dict[str, float]] = {name: {} for name in (*training, *best)}
    for job, metric, value in _of_jobs(database, _LATEST_METRICS, list(metrics)):
        metrics[job][metric] = from_column(value)
    for summary in trials.values():
        summary.best_metrics = metrics[summary.best[0]] if summary.best else {}
    return [
        training_job_of(row, metrics[row["name"]], home)
        if row["kind"] != "tuning"
        else tuning_job_of(row, trials[row["name"]])
        for row in rows
    ]


def _of_jobs(database: Database, sql: str, names: Sequence[str]) -> list[sqlite3.Row]:
    """Return what a query says of the jobs named; as one JSON parameter, for SQLite bounds their number."""
    return database.read(sql, (json.dumps(names),)) if names else []
