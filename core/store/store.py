"""What must survive a restart, as frozen records in and out: jobs, metrics, events, rule outcomes, datasets, speeds.

Many processes use one store at a time: supervisors write, the window and the command line read. Every call is one
transaction. A job's final status never changes, except by `reopen`.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from core.errors import JobNotFound, SpecError
from core.jobs.records import Job, MetricEvent, RuleOutcome, TrainingJob
from core.jobs.specs import Spec, spec_from_json, spec_to_json
from core.labels.events import LabelEvent
from core.store.database import CHECKED_BYTES, Database
from core.store.event_log import EventLog
from core.store.held_out import HeldOutFolders
from core.store.home_paths import HomePaths
from core.store.job_records import JobChanges, records
from core.store.label_events import append_events, datasets_with, read_events
from core.store.label_journal import LabelJournal
from core.store.rows import (
    FINAL,
    RECORD,
    add_events,
    add_status_event,
    to_column,
)
from core.translation import tr
from training_scripts.processes import ProcessIdentity

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that was used: its folder, the version and the manifest's file last used, and when (Unix seconds)."""

    path: str
    version: str
    manifest: str
    used: float


class Store(EventLog):
    """The database of results.

    Raises:
        StoreError: by any method, when the file cannot be used.
    """

    def __init__(self, path: Path, checked_bytes: int = CHECKED_BYTES) -> None:
        self._db = Database(path, checked_bytes=checked_bytes)
        self.home_paths = HomePaths(path.parent)
        self.held_out = HeldOutFolders(self._db)
        self._journal = LabelJournal(path.parent / "labels", self._db)
        self._recovered = ""

    @property
    def notice(self) -> str:
        """Return sentences for the user: a damaged database was moved aside, jobs were recovered, the disk is full."""
        return " ".join(filter(None, (self._db.notice, self._recovered)))

    def say_recovered(self, sentence: str) -> None:
        """Add to the notice what became of jobs that the database did not know."""
        self._recovered = sentence
        _logger.warning("%s", sentence)

    @property
    def is_empty(self) -> bool:
        """Whether it knows of no job at all."""
        return not self._db.read("SELECT 1 FROM jobs LIMIT 1")

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    # Jobs

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all other processes from writing, for what is decided by what the store says and then written there."""
        with self._db.write(flushed=True):
            yield

    def add_job(self, job: Job, spec: Spec, process: ProcessIdentity | None = None) -> None:
        """Record a new job or trial with the spec it runs by, and the process that answers for it, if there is one.

        Raises:
            SpecError: the name is taken.
        """
        row: dict[str, Any] = {
            "name": job.name,
            "kind": job.kind,
            "engine": job.engine,
            "status": str(job.status),
            "secondary_status": job.secondary_status,
            "created": job.created,
            "started": job.started,
            "dataset_version": job.dataset_version,
            "progress": job.progress,
            "note": job.note,
            "title": job.title,
            "pinned": job.pinned,
            "code_version": job.code_version,
            "spec": json.dumps(spec_to_json(self.home_paths.kept_spec(spec))),
            "pid": process and process.pid,
            "process_started": process.started if process else "",
        }
        if isinstance(job, TrainingJob):
            row |= {"tuning_job": job.tuning_job, "hyperparameters": json.dumps(dict(job.hyperparameters))}
        else:
            row |= {"strategy": job.strategy, "objective_metric": job.objective_metric}
            row |= {"maximize": job.maximize, "max_jobs": job.max_jobs}
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        try:
            with self._db.write(flushed=True) as connection:
                connection.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", tuple(row.values()))
                add_status_event(connection, job.name)
        except sqlite3.IntegrityError:
            raise SpecError(
                tr("There is a job called {name} already.").format(name=job.name),
                fix=tr("Choose another name."),
                field="name",
            ) from None

    def update_job(
        self,
        name: str,
        events: Iterable[MetricEvent | RuleOutcome] = (),
        reopen: bool = False,
        **changes: Unpack[JobChanges],
    ) -> bool:
        """Record changes and what was scraped with them, at once; returns False where the job is final already.

        A final status is on the disk when this returns: what it tells of must be there before (`durable.flush`).

        Raises:
            JobNotFound: there is none of that name.
        """
        if (artifact := changes.get("artifact")) is not None:
            changes["artifact"] = self.home_paths.kept(artifact)
        final = (status := changes.get("status")) is not None and status.is_final
        with self._db.write(flushed=final or reopen) as connection:
            row = connection.execute("SELECT status FROM jobs WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise _not_found(name)
            add_events(connection, events)
            if row["status"] in FINAL and not reopen:
                return False
            if changes:
                assignments = ", ".join(f"{column} = ?" for column in changes)
                connection.execute(
                    f"UPDATE jobs SET {assignments} WHERE name = ?", (*map(to_column, changes.values()), name)
                )
                add_status_event(connection, name)
        return True

    def record(self, events: Iterable[MetricEvent | RuleOutcome]) -> None:
        """Record metric values and rule outcomes."""
        with self._db.write() as connection:
            add_events(connection, events)

    def job(self, name: str) -> Job:
        """Describe one job or trial.

        Raises:
            JobNotFound: there is none of that name.
        """
        rows = self._db.read(f"SELECT {RECORD} FROM jobs WHERE name = ?", (name,))
        if not rows:
            raise _not_found(name)
        return self._records(rows)[0]

    def jobs(self, engine: str | None = None) -> list[Job]:
        """Return tuning jobs and single training jobs (no trials), newest first."""
        return self._records(
            self._db.read(
                f"SELECT {RECORD} FROM jobs WHERE tuning_job IS NULL AND (?1 IS NULL OR engine = ?1)"
                " ORDER BY created DESC, rowid DESC",
                (engine,),
            )
        )

    def trials(self, tuning_job: str) -> list[TrainingJob]:
        """Return the trials of a tuning job, in the order they were started."""
        rows = self._db.read(f"SELECT {RECORD} FROM jobs WHERE tuning_job = ? ORDER BY created, rowid", (tuning_job,))
        return [record for record in self._records(rows) if isinstance(record, TrainingJob)]

    def parent(self, name: str) -> str | None:
        """Return the tuning job of a trial; None for a job of its own.

        Raises:
            JobNotFound: there is none of that name.
        """
        parent: str | None = self._column(name, "tuning_job")
        return parent

    def models(self, engine: str) -> list[tuple[str, str]]:
        """Return the training jobs of an engine that left a model, with its archive: those that nothing works on."""
        marks = ", ".join("?" * len(FINAL))
        sql = (
            "SELECT name, artifact FROM jobs WHERE engine = ? AND artifact IS NOT NULL"
            " AND coalesce((SELECT status FROM jobs AS parent WHERE parent.name = jobs.tuning_job), status)"
            f" IN ({marks})"
        )
        return [(row["name"], self.home_paths.found(row["artifact"])) for row in self._db.read(sql, (engine, *FINAL))]

    def unfinished(self, engine: str) -> list[str]:
        """Return the names of the jobs and trials of an engine that are in no final state."""
        marks = ", ".join("?" * len(FINAL))
        sql = f"SELECT name FROM jobs WHERE engine = ? AND tuning_job IS NULL AND status NOT IN ({marks})"
        return [row["name"] for row in self._db.read(sql, (engine, *FINAL))]

    def spec(self, name: str) -> Spec:
        """Return the spec a job or trial runs by.

        Raises:
            JobNotFound: there is none of that name.
        """
        return self.home_paths.found_spec(spec_from_json(json.loads(self._column(name, "spec"))))

    def engine_of(self, name: str) -> str:
        """Return the name of the engine that runs a job or trial.

        Raises:
            JobNotFound: there is none of that name.
        """
        return str(self._column(name, "engine"))

    def delete_job(self, name: str) -> None:
        """Forget a job, its trials and all that happened to them."""
        with self._db.write(flushed=True) as connection:
            names = "SELECT name FROM jobs WHERE name = ?1 OR tuning_job = ?1"
            for table in ("events", "latest_metrics", "rules"):
                connection.execute(f"DELETE FROM {table} WHERE job IN ({names})", (name,))
            connection.execute("DELETE FROM jobs WHERE name = ?1 OR tuning_job = ?1", (name,))

    def set_process(self, name: str, process: ProcessIdentity) -> None:
        """Record which process answers for a job."""
        with self._db.write() as connection:
            connection.execute(
                "UPDATE jobs SET pid = ?, process_started = ? WHERE name = ?", (process.pid, process.started, name)
            )

    def hand_over(self, name: str, to: ProcessIdentity, *owners: ProcessIdentity | None) -> bool:
        """Make `to` the process that answers for an unfinished job; returns whether it was one of `owners` until now.

        However many try at once, to one of them the job is handed over.
        """
        with self._db.write():
            if self.process(name) not in owners or self._column(name, "status") in FINAL:
                return False
            self.set_process(name, to)
            return True

    def process(self, name: str) -> ProcessIdentity | None:
        """Return the process that answers for a job; None where none was recorded.

        Raises:
            JobNotFound: there is none of that name.
        """
        pid = self._column(name, "pid")
        return None if pid is None else ProcessIdentity(pid, self._column(name, "process_started"))

    def set_note(self, name: str, text: str) -> None:
        """Keep the user's note on a job or trial; those who watch the events hear of it.

        Raises:
            JobNotFound: there is none of that name.
        """
        with self._db.write(flushed=True) as connection:
            changed = connection.execute("UPDATE jobs SET note = ? WHERE name = ? AND note != ?", (text, name, text))
            if changed.rowcount:
                add_status_event(connection, name)
            elif not connection.execute("SELECT 1 FROM jobs WHERE name = ?", (name,)).fetchone():
                raise _not_found(name)

    def set_title(self, name: str, title: str) -> None:
        """Keep what the user calls a job, "" for its own name; it is an event like any other.

        Raises:
            JobNotFound: there is none of that name.
        """
        self._set_column(name, "title", title)

    def set_pinned(self, name: str, pinned: bool) -> None:
        """Keep a job at the head of the list, or no longer.

        Raises:
            JobNotFound: there is none of that name.
        """
        self._set_column(name, "pinned", int(pinned))

    def _set_column(self, name: str, column: str, value: str | int) -> None:
        with self._db.write(flushed=True) as connection:
            found = connection.execute(f"UPDATE jobs SET {column} = ? WHERE name = ?", (value, name))
            if not found.rowcount:
                raise _not_found(name)
            add_status_event(connection, name)

    def add_notice(self, name: str, sentence: str) -> None:
        """Add a sentence to a job's notices, once; a job that is gone has none."""
        line = " ".join(sentence.split())
        with self._db.write() as connection:
            changed = connection.execute(
                "UPDATE jobs SET notices = notices || ?2 || char(10)"
                " WHERE name = ?1 AND instr(char(10) || notices, char(10) || ?2 || char(10)) = 0",
                (name, line),
            )
            if changed.rowcount:
                add_status_event(connection, name)

    # Datasets and speeds

    def remember_dataset(self, version: str, path: str, manifest: str) -> None:
        """Put a dataset first among the recent ones."""
        with self._db.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO datasets (path, version, manifest, used) VALUES (?, ?, ?, ?)",
                (path, version, manifest, time.time()),
            )

    def recent_datasets(self, limit: int = 20) -> list[Dataset]:
        """Return the datasets used last, latest first."""
        rows = self._db.read("SELECT * FROM datasets ORDER BY used DESC LIMIT ?", (limit,))
        return [Dataset(row["path"], row["version"], row["manifest"], row["used"]) for row in rows]

    def forget_dataset(self, path: str) -> None:
        """Drop a dataset from the recent ones; its files stay."""
        with self._db.write() as connection:
            connection.execute("DELETE FROM datasets WHERE path = ?", (path,))

    def label_events(self, dataset: str, since: int = 0) -> list[LabelEvent]:
        """Return the label events of a dataset (its folder) after a number, oldest first."""
        self._journal.restore(dataset)
        return read_events(self._db, dataset, since)

    @contextmanager
    def changing_labels(self, dataset: str) -> Iterator[None]:
        """Keep all other processes from writing, as `transaction`; what is added to the labels is kept twice."""
        with self._journal.following(dataset), self.transaction():
            yield

    def add_label_events(self, dataset: str, events: Sequence[LabelEvent]) -> None:
        """Append one action's events, all or none; see `core.store.label_events`. Within `changing_labels`."""
        append_events(self._db, dataset, events)

    def datasets_labelled(self, sha256s: Set[str]) -> Mapping[str, tuple[int, int]]:
        """Return the datasets with label events of these pictures: of how many of them, and of how many pictures."""
        self._journal.restore_all()
        return datasets_with(self._db, sha256s)

    def labelled_datasets(self) -> set[str]:
        """Return the folders of all datasets that have label events."""
        self._journal.restore_all()
        return {str(row["dataset"]) for row in self._db.read("SELECT DISTINCT dataset FROM label_events")}

    def record_speed(self, what: str, seconds: float) -> None:
        """Blend a measured duration into the running average of `what`, newer ones weighing more."""
        with self._db.write() as connection:
            connection.execute(
                "INSERT INTO speeds VALUES (?1, ?2, 1) ON CONFLICT (what) DO UPDATE SET"
                " seconds = seconds + (?2 - seconds) / min(measured + 1, 5), measured = measured + 1",
                (what, seconds),
            )

    def speeds(self) -> Mapping[str, float]:
        """Return the measured durations in seconds, by what was measured (see core/tuning/forecast.py)."""
        return {row["what"]: row["seconds"] for row in self._db.read("SELECT what, seconds FROM speeds")}

    def _records(self, rows: Sequence[sqlite3.Row]) -> list[Job]:
        return records(self._db, rows, self.home_paths)

    def _column(self, name: str, column: str) -> Any:
        rows = self._db.read(f"SELECT {column} FROM jobs WHERE name = ?", (name,))
        if not rows:
            raise _not_found(name)
        return rows[0][0]


def _not_found(name: str) -> JobNotFound:
    return JobNotFound(
        tr("There is no job called {name}.").format(name=name), fix=tr("List the jobs to see their names.")
    )
