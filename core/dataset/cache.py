"""The scan cache: what probing each file found, kept by path, size and modification time in one SQLite file.

It only saves time. Whatever goes wrong with it (damaged, locked, disk full) makes a scan slower, never wrong or fatal.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from core.dataset.probe import Probe

_log = logging.getLogger(__name__)
_VERSION = 1  # raise it when probing changes its mind about files
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
  root TEXT, path TEXT, size INTEGER, mtime_ns INTEGER,
  width INTEGER, height INTEGER, format TEXT, sha256 TEXT, fault TEXT, reason TEXT,
  PRIMARY KEY (root, path)
) WITHOUT ROWID
"""

Key = tuple[str, int, int]
"""(relative path, size in bytes, mtime_ns)."""


class ScanCache:
    """Probes of earlier scans, in `file`; None keeps nothing."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def load(self, root: Path) -> dict[Key, Probe]:
        """All that is known of the files under `root`."""
        if self._file is None or not self._file.exists():
            return {}
        try:
            with closing(self._connect()) as database:
                rows = database.execute(
                    "SELECT path, size, mtime_ns, width, height, format, sha256, fault, reason"
                    " FROM files WHERE root = ?",
                    (str(root),),
                )
                return {(row[0], row[1], row[2]): Probe(*row[3:]) for row in rows}
        except (sqlite3.Error, OSError, UnicodeError) as error:
            self._discard(error)
            return {}

    def update(self, root: Path, new: Mapping[Key, Probe], gone: Iterable[str]) -> None:
        """Remember `new` and forget the paths `gone`."""
        forgotten = [(str(root), path) for path in gone]
        if self._file is None or not (new or forgotten):
            return
        rows = [
            (str(root), *key, p.width, p.height, p.format, p.sha256, p.fault, p.reason)
            for key, p in new.items()
            if p.lasting
        ]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as database, database:
                database.executemany("DELETE FROM files WHERE root = ? AND path = ?", forgotten)
                database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            self._discard(error)

    def _connect(self) -> sqlite3.Connection:
        assert self._file is not None
        database = sqlite3.connect(self._file, timeout=5)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                with database:
                    database.execute("DROP TABLE IF EXISTS files")
                    database.execute(_SCHEMA)
                    database.execute(f"PRAGMA user_version = {_VERSION}")
        except BaseException:
            database.close()
            raise
        return database

    def _discard(self, error: Exception) -> None:
        """Start afresh after damage; a cache that is only busy is left alone."""
        _log.warning("The scan cache %s cannot be used: %s", self._file, error)
        busy = isinstance(error, sqlite3.OperationalError)
        if self._file is not None and isinstance(error, sqlite3.DatabaseError) and not busy:
            try:
                self._file.unlink(missing_ok=True)
            except OSError as failure:
                _log.warning("Nor can it be removed: %s", failure)
