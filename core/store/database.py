"""One SQLite file that threads and processes share: opening, schema versions, damage and transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from core.errors import StoreError

BUSY_TIMEOUT_S = 30.0
_CHECKED_BYTES = 32 * 2**20  # a full check of a larger file would hold up the start

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE jobs (
        name TEXT PRIMARY KEY, kind TEXT NOT NULL, engine TEXT NOT NULL, tuning_job TEXT,
        status TEXT NOT NULL, secondary_status TEXT NOT NULL DEFAULT '', created REAL NOT NULL, started REAL,
        ended REAL, failure_reason TEXT NOT NULL DEFAULT '', hyperparameters TEXT NOT NULL DEFAULT '{}',
        objective REAL, dataset_version TEXT NOT NULL DEFAULT '', artifact TEXT, progress REAL,
        strategy TEXT NOT NULL DEFAULT '', objective_metric TEXT NOT NULL DEFAULT '',
        maximize INTEGER NOT NULL DEFAULT 0, max_jobs INTEGER NOT NULL DEFAULT 0,
        spec TEXT NOT NULL, pid INTEGER, pid_created REAL, note TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX jobs_of_tuning_job ON jobs (tuning_job, created);
    CREATE TABLE events (
        cursor INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, job TEXT NOT NULL, tuning_job TEXT,
        time REAL NOT NULL, name TEXT NOT NULL DEFAULT '', value REAL, epoch INTEGER, step INTEGER,
        body TEXT NOT NULL DEFAULT ''
    );
    CREATE INDEX events_of_job ON events (job, cursor);
    CREATE INDEX events_of_tuning_job ON events (tuning_job, cursor);
    CREATE TABLE latest_metrics (
        job TEXT NOT NULL, name TEXT NOT NULL, value REAL, PRIMARY KEY (job, name)
    ) WITHOUT ROWID;
    CREATE TABLE rules (
        job TEXT NOT NULL, rule TEXT NOT NULL, time REAL NOT NULL, body TEXT NOT NULL, PRIMARY KEY (job, rule)
    ) WITHOUT ROWID;
    CREATE TABLE datasets (
        path TEXT PRIMARY KEY, version TEXT NOT NULL, manifest TEXT NOT NULL, used REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE speeds (
        what TEXT PRIMARY KEY, seconds REAL NOT NULL, measured INTEGER NOT NULL
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE jobs ADD COLUMN code_version TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE jobs ADD COLUMN notices TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE jobs DROP COLUMN pid_created; ALTER TABLE jobs ADD COLUMN process_started TEXT NOT NULL DEFAULT ''",
)
"""One script per schema version; a released one is never edited, a change is a new script at the end."""


class Database:
    """A connection for all threads of this process, behind a lock; other processes wait their turn.

    A file that is no database, or a damaged one, is moved aside and a new one begun; `notice` says so.

    Raises:
        StoreError: the file cannot be opened or was written by a newer Sagehound.
    """

    def __init__(self, path: Path, migrations: Sequence[str] = MIGRATIONS) -> None:
        self.path, self.notice = path, ""
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock", timeout=BUSY_TIMEOUT_S):
                self._connection = self._open_or_move_aside(migrations)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The database {path} cannot be opened.",
                f"{error}.",
                "Make the folder writable, or set SAGEHOUND_HOME to another one.",
            ) from error

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a SELECT."""
        with self._lock, self._faults():
            rows: list[sqlite3.Row] = self._open.execute(sql, parameters).fetchall()
            return rows

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of what happens in it is kept, or nothing."""
        with self._lock, self._faults():
            connection = self._open
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file; using it afterwards is a `StoreError`."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError("The database was closed.", "Sagehound is ending.")
        return self._connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            text = str(error)
            fix = "Start Sagehound again: it moves a damaged database aside."
            if "locked" in text or "busy" in text:
                fix = "Another program holds it: close that program and try again."
            elif "full" in text or "I/O" in text:
                fix = "Free some space on that disk; what was finished is kept."
            elif "readonly" in text:
                fix = "Make the file and its folder writable."
            raise StoreError(f"The database {self.path} cannot be used.", f"{text}.", fix) from error

    def _open_or_move_aside(self, migrations: Sequence[str]) -> sqlite3.Connection:
        try:
            return self._connect(migrations)
        except sqlite3.OperationalError:
            raise  # locked, full, not writable: the file may well be sound
        except sqlite3.DatabaseError as error:
            aside = self.path.with_name(f"{self.path.stem}.damaged-{int(time.time())}{self.path.suffix}")
            for ending in ("", "-wal", "-shm"):
                source = Path(f"{self.path}{ending}")
                if source.exists():
                    os.replace(source, f"{aside}{ending}")
            self.notice = (
                f"The database of results was damaged ({error}) and was moved aside to {aside.name}. "
                "Sagehound began a new one; the jobs' own folders are untouched."
            )
            return self._connect(migrations)

    def _connect(self, migrations: Sequence[str]) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            # In WAL mode NORMAL loses nothing when a process dies; a power cut may lose the last moments.
            connection.execute("PRAGMA synchronous = NORMAL")
            if self.path.stat().st_size <= _CHECKED_BYTES:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise sqlite3.DatabaseError(found)
            self._migrate(connection, migrations)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(migrations):
            raise StoreError(
                f"The database {self.path} was written by a newer Sagehound.",
                f"Its schema version is {version}, this Sagehound knows {len(migrations)}.",
                "Update Sagehound, or set SAGEHOUND_HOME to another folder.",
            )
        for number in range(version, len(migrations)):
            # executescript commits first, so the script brings its own transaction.
            connection.executescript(f"BEGIN; {migrations[number]}; PRAGMA user_version = {number + 1}; COMMIT;")
