"""What happened to jobs, read after a cursor: metrics, changes of status, and the outcomes of rules."""

from __future__ import annotations

import time
from dataclasses import replace

from core.jobs.records import EventBatch, MetricEvent, RuleOutcome
from core.jobs.status import RuleStatus
from core.store.database import Database
from core.store.rows import EVENT, FINAL, add_events, event_of, outcome_of
from core.translation import tr

MAX_EVENTS = 20_000


class EventLog:
    """The part of the store that views and reports follow. What is recorded stays, but for an epoch done again."""

    _db: Database

    def events(self, since: int = 0, job: str | None = None, limit: int = MAX_EVENTS) -> EventBatch:
        """Return what was recorded after the cursor `since`, of all jobs or of one with its trials."""
        if job is None:
            rows = self._db.read(f"SELECT {EVENT} FROM events WHERE cursor > ? ORDER BY cursor LIMIT ?", (since, limit))
        else:
            rows = self._db.read(
                f"SELECT {EVENT} FROM events WHERE cursor > ?1 AND (job = ?2 OR tuning_job = ?2)"
                " ORDER BY cursor LIMIT ?3",
                (since, job, limit),
            )
        return EventBatch(tuple(map(event_of, rows)), rows[-1]["cursor"] if rows else since)

    def latest_cursor(self) -> int:
        """Return the cursor of the last event there is; 0 when there is none."""
        return int(self._db.read("SELECT coalesce(max(cursor), 0) AS latest FROM events")[0]["latest"])

    def metrics(self, job: str, name: str | None = None) -> list[MetricEvent]:
        """Return all values of a training job's metrics, or of one of them, in the order they came."""
        rows = self._db.read(
            f"SELECT {EVENT} FROM events WHERE job = ?1 AND kind = 'metric' AND (?2 IS NULL OR name = ?2)"
            " ORDER BY cursor",
            (job, name),
        )
        return [event for event in map(event_of, rows) if isinstance(event, MetricEvent)]

    def remove_metrics(self, job: str, epoch: int) -> None:
        """Remove the values of a training job's metrics from an epoch on, and those of test: they come again."""
        with self._db.write() as connection:
            connection.execute(
                "DELETE FROM events WHERE job = ? AND kind = 'metric'"
                " AND (epoch >= ? OR epoch IS NULL AND name LIKE 'test:%')",
                (job, epoch),
            )
            connection.execute(
                "DELETE FROM latest_metrics WHERE job = ?1 AND name LIKE 'test:%'"
                " AND name NOT IN (SELECT name FROM events WHERE job = ?1 AND kind = 'metric')",
                (job,),
            )

    def remove_metrics_since(self, job: str, moment: float) -> None:
        """Remove the values of a training job's metrics from a moment on (Unix seconds): they come again."""
        with self._db.write() as connection:
            connection.execute("DELETE FROM events WHERE job = ? AND kind = 'metric' AND time >= ?", (job, moment))

    def outcomes(self, job: str) -> list[RuleOutcome]:
        """Return the latest outcome of each rule of a training job, by name."""
        rows = self._db.read("SELECT body FROM rules WHERE job = ? ORDER BY rule", (job,))
        return [outcome_of(row["body"]) for row in rows]

    def end_rules(self, job: str, spared: str = "") -> None:
        """Say of a training job's rules that no one evaluates any more that it is so: they would never end.

        Rules whose names end with `spared` are left alone, for they may end after the job.
        """
        details = tr("The process that evaluates the rules ended before it had seen the whole training.")
        open_ = [outcome for outcome in self.outcomes(job) if outcome.status is RuleStatus.IN_PROGRESS]
        ended = [
            replace(outcome, status=RuleStatus.ERROR, time=time.time(), details=details)
            for outcome in open_
            if not (spared and outcome.rule.endswith(spared))
        ]
        if ended:
            with self._db.write() as connection:
                add_events(connection, ended)

    def issues(self) -> list[tuple[str, str]]:
        """Return the (training job, rule) pairs whose latest outcome is that an issue was found."""
        sql = "SELECT job, rule FROM rules WHERE json_extract(body, '$.status') = 'IssuesFound'"
        return [(row["job"], row["rule"]) for row in self._db.read(sql)]

    def evaluating(self, engine: str, rules: str) -> list[str]:
        """Return single training jobs that have ended, but some rule named like `rules` (% for anything) has not."""
        marks = ", ".join("?" * len(FINAL))
        sql = (
            "SELECT DISTINCT jobs.name FROM jobs JOIN rules ON rules.job = jobs.name AND rules.rule LIKE ?"
            " WHERE jobs.engine = ? AND jobs.kind = 'training' AND jobs.tuning_job IS NULL"
            f" AND jobs.status IN ({marks})"
            " AND json_extract(rules.body, '$.status') IN ('InProgress', 'Stopping')"
        )
        return [row["name"] for row in self._db.read(sql, (rules, engine, *FINAL))]
