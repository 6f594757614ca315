"""One SQLite file that threads and processes share: opening, schema versions, damage, full disks and transactions."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from core.errors import NoRoom, StoreError, reason_of
from core.store.holders import end_stuck_holders
from core.translation import tr
from training_scripts.durable import flush, is_no_room

BUSY_TIMEOUT_S = 30.0
STUCK_S = 10.0
"""So long a process that others have waited for may do nothing with the database before it is ended."""
_logger = logging.getLogger(__name__)
R = TypeVar("R")
_RETRY_S = 2.0
CHECKED_BYTES = 32 * 2**20
"""A full check of a larger file would hold up the start."""

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
    # Places inside the home are relative to it, so that a home that was moved or restored finds its models.
    "UPDATE jobs SET artifact = 'jobs/' || name || '/model.tar.gz'"
    " WHERE replace(artifact, '\\', '/') LIKE '%/jobs/' || name || '/model.tar.gz' AND artifact NOT LIKE '%://%'",
    # Append-only. An action is kept once, however often it is written: (action, position) is its identity.
    """
    CREATE TABLE label_events (
        number INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT NOT NULL, action TEXT NOT NULL,
        position INTEGER NOT NULL, kind TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
        sha256 TEXT NOT NULL, path TEXT NOT NULL, source TEXT NOT NULL, time REAL NOT NULL, UNIQUE (action, position)
    );
    CREATE INDEX label_events_of_dataset ON label_events (dataset, number);
    """,
    "ALTER TABLE jobs ADD COLUMN title TEXT NOT NULL DEFAULT '';"
    " ALTER TABLE jobs ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE held_out (folder TEXT PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE looks (folder TEXT NOT NULL, model TEXT NOT NULL, time REAL NOT NULL);
    """,
    "CREATE TABLE held_out_pictures (folder TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (folder, sha256))"
    " WITHOUT ROWID",
    "ALTER TABLE jobs ADD COLUMN weakest TEXT NOT NULL DEFAULT ''",
)
"""One script per schema version; a released one is never edited, a change is a new script at the end."""


class Database:
    """A connection for all threads of this process, behind a lock; other processes wait their turn.

    A process that stands still in the middle of its turn is ended by those that have waited for it.

    A file that is not a database, or damaged, is moved aside and a new one begun; `notice` says so. On a full disk
    SQLite cannot open a file even to read it: then it is read as it is on the disk, and writing raises `NoRoom` until
    there is room.

    Raises:
        StoreError: the file cannot be opened or was written by a newer Sagehound.
    """

    def __init__(
        self,
        path: Path,
        migrations: Sequence[str] = MIGRATIONS,
        busy_s: float = BUSY_TIMEOUT_S,
        stuck_s: float = STUCK_S,
        checked_bytes: int = CHECKED_BYTES,
    ) -> None:
        """Open it; a file of up to `checked_bytes` is checked whole."""
        self.path, self.notice = path, ""
        self._busy_s, self._stuck_s, self._checked_bytes = busy_s, stuck_s, checked_bytes
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._migrations = migrations
        self._flush_due = False
        self._frozen_since: float | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = self._patiently(self._open_alone)
        except (OSError, sqlite3.Error) as error:
            if self._freeze(error):
                return
            raise StoreError(
                tr("The database {path} cannot be opened.").format(path=path),
                f"{reason_of(error)}.",
                tr("Make the folder writable, or set SAGEHOUND_HOME to another one."),
            ) from error

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of a SELECT."""
        with self._lock, self._faults():
            connection = self._open
            return self._patiently(lambda: connection.execute(sql, parameters).fetchall())

    @contextmanager
    def write(self, flushed: bool = False) -> Iterator[sqlite3.Connection]:
        """Make a transaction: all of what happens in it is kept, or nothing.

        What others hear of is `flushed`: at the end of the block it is on the disk, and no power cut takes it back.
        """
        with self._lock, self._faults():
            connection = self._open
            if self._frozen_since is not None:
                raise self._no_room()
            self._flush_due |= flushed
            if connection.in_transaction:
                yield connection
                return
            self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._flush_due = False
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if self._flush_due:
                self._flush_due = False
                self._flush_log()

    def close(self) -> None:
        """Close the file; using it afterwards is a `StoreError`."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(tr("The database was closed."), tr("Sagehound is ending."))
        if self._frozen_since is not None and time.monotonic() - self._frozen_since > _RETRY_S:
            self._thaw()
        return self._connection

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            text = str(error)
            if _is_full(error):
                raise self._no_room() from error
            fix = tr("Start Sagehound again: it moves a damaged database aside.")
            if "locked" in text or "busy" in text:
                fix = tr("Another program holds it: close that program and try again.")
            elif "I/O" in text:
                fix = tr("Look after that disk; what was finished is kept.")
            elif "readonly" in text:
                fix = tr("Make the file and its folder writable.")
            elif type(error) is sqlite3.DatabaseError:  # malformed, or no database at all
                with suppress(OSError):
                    self._suspect.touch()
            raise StoreError(
                tr("The database {path} cannot be used.").format(path=self.path), f"{text}.", fix
            ) from error

    @property
    def _suspect(self) -> Path:
        """Return a mark that the next start is to check the whole file, whatever its size."""
        return self.path.with_name(f"{self.path.name}.suspect")

    def _no_room(self) -> NoRoom:
        what = tr("The disk is full, so nothing can be recorded in {path}.").format(path=self.path)
        return NoRoom(what, fix=tr("Free some space; what was finished is kept."))

    def _flush_log(self) -> None:
        # Never the database's own file: closing it here would end SQLite's locks on it.
        try:
            flush([Path(f"{self.path}-wal")])
        except OSError as error:
            if is_no_room(error):
                raise self._no_room() from error
            raise StoreError(
                tr("The database {path} cannot be used.").format(path=self.path),
                f"{reason_of(error)}.",
                tr("Look after that disk."),
            ) from error

    def _freeze(self, error: Exception) -> bool:
        """Read the file as it is on a full disk; returns whether that can be done."""
        log = Path(f"{self.path}-wal")
        if not _is_full(error) or not self.path.is_file() or (log.exists() and log.stat().st_size):
            return False
        place = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        if connection.execute("PRAGMA user_version").fetchone()[0] != len(self._migrations):
            connection.close()
            return False
        self._connection, self._frozen_since = connection, time.monotonic()
        self.notice = tr("The disk of {parent} is full: jobs can be looked at, nothing can be recorded.").format(
            parent=self.path.parent
        )
        _logger.warning("%s", self.notice)
        return True

    def _thaw(self) -> None:
        """Go back to reading and writing, if there is room by now."""
        self._frozen_since = time.monotonic()
        try:
            connection = self._connect()
        except (sqlite3.Error, OSError):
            return
        if self._connection is not None:
            self._connection.close()
        self._connection, self._frozen_since, self.notice = connection, None, ""

    def _patiently(self, work: Callable[[], R]) -> R:
        """Do what may have to wait for another process; once more where that one stood still and was ended."""
        try:
            return work()
        except (Timeout, sqlite3.OperationalError) as error:
            held = isinstance(error, Timeout) or "locked" in str(error)
            files = [Path(f"{self.path}{ending}") for ending in ("", "-shm", ".lock")]
            if not held or not end_stuck_holders(files, self._stuck_s):
                raise
        return work()

    def _open_alone(self) -> sqlite3.Connection:
        with FileLock(f"{self.path}.lock", timeout=self._busy_s):
            return self._open_or_move_aside()

    def _open_or_move_aside(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.OperationalError:
            raise  # locked, full, not writable: the file may well be sound
        except sqlite3.DatabaseError as error:
            aside = self.path.with_name(f"{self.path.stem}.damaged-{int(time.time())}{self.path.suffix}")
            for ending in ("", "-wal", "-shm"):
                source = Path(f"{self.path}{ending}")
                if source.exists():
                    os.replace(source, f"{aside}{ending}")
            self.notice = tr(
                "The database of results was damaged ({error}) and was moved aside to {name}. "
                "Sagehound began a new one; the jobs' own folders are untouched."
            ).format(error=error, name=aside.name)
            _logger.warning("%s", self.notice)
            self._suspect.unlink(missing_ok=True)
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            # In WAL mode NORMAL loses nothing when a process dies; a power cut may lose what was not `flushed`.
            connection.execute("PRAGMA synchronous = NORMAL")
            if self.path.stat().st_size <= self._checked_bytes or self._suspect.exists():
                found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise sqlite3.DatabaseError(found)
                self._suspect.unlink(missing_ok=True)
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        known = len(self._migrations)
        if version > known:
            raise StoreError(
                tr("The database {path} was written by a newer Sagehound.").format(path=self.path),
                tr("Its schema version is {version}, this Sagehound knows {known}.").format(
                    version=version, known=known
                ),
                tr("Update Sagehound, or set SAGEHOUND_HOME to another folder."),
            )
        for number in range(version, known):
            # executescript commits first, so the script brings its own transaction.
            connection.executescript(f"BEGIN; {self._migrations[number]}; PRAGMA user_version = {number + 1}; COMMIT;")
        if version < known:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # into the file itself, on the disk
            flush([self.path.parent, self.path.parent.parent])


def _is_full(error: Exception) -> bool:
    """Whether SQLite failed for want of room; it calls that an I/O error where it needs shared memory."""
    return is_no_room(error) or getattr(error, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
