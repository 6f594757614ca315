"""The scan cache: what probing each file found, kept by path, size and modification time in one SQLite file.

Beside it, by content, the pictures that a training could not decode although their structure is whole: they are marked
in every scan from then on. Whatever goes wrong with the file (damaged, locked, disk full) makes a scan slower and the
next training find those pictures again, never a scan wrong or fatal.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from core.dataset.probe import Probe
from training_scripts.pictures.channels import reads_many_channels
from training_scripts.pictures.formats import FORMATS

_log = logging.getLogger(__name__)
# Raise the number when probing changes its mind about files. What is read depends on packages too.
_VERSION = zlib.crc32(repr((3, [found.name for found in FORMATS], reads_many_channels())).encode()) >> 1
_SCHEMA = (
    """CREATE TABLE files (
  root TEXT, path TEXT, size INTEGER, mtime_ns INTEGER,
  width INTEGER, height INTEGER, format TEXT, sha256 TEXT, fault TEXT, reason TEXT, low REAL, high REAL,
  PRIMARY KEY (root, path)
) WITHOUT ROWID""",
    "CREATE TABLE undecodable (sha256 TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID",
)

Key = tuple[str, int, int]
"""(relative path, size in bytes, mtime_ns)."""


class ScanCache:
    """Probes of earlier scans, in `file`; None keeps nothing. Those of another `version` are forgotten."""

    def __init__(self, file: Path | None, version: int = _VERSION) -> None:
        self._file = file
        self._version = version

    def load(self, root: Path) -> dict[Key, Probe]:
        """Return all that is known of the files under `root`."""
        if self._file is None or not self._file.exists():
            return {}
        try:
            with closing(self._connect()) as database:
                rows = database.execute(
                    "SELECT path, size, mtime_ns, width, height, format, sha256, fault, reason, low, high"
                    " FROM files WHERE root = ?",
                    (str(root),),
                )
                return {(row[0], row[1], row[2]): _probe(row[3:]) for row in rows}
        except (sqlite3.Error, OSError, UnicodeError) as error:
            self._discard(error)
            return {}

    def update(self, root: Path, new: Mapping[Key, Probe], gone: Iterable[str]) -> None:
        """Remember `new` and forget the paths `gone`."""
        forgotten = [(str(root), path) for path in gone]
        if self._file is None or not (new or forgotten):
            return
        rows = [
            (str(root), *key, p.width, p.height, p.format, p.sha256, p.fault, p.reason, *(p.levels or (None, None)))
            for key, p in new.items()
            if p.lasting
        ]
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as database, database:
                database.executemany("DELETE FROM files WHERE root = ? AND path = ?", forgotten)
                database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        except (sqlite3.Error, OSError, UnicodeError) as error:
            self._discard(error)

    def undecodable(self) -> dict[str, str]:
        """Return why pictures that were marked could not be decoded, by their content's SHA-256."""
        if self._file is None or not self._file.exists():
            return {}
        try:
            with closing(self._connect()) as database:
                return dict(database.execute("SELECT sha256, reason FROM undecodable"))
        except (sqlite3.Error, OSError) as error:
            self._discard(error)
            return {}

    def mark(self, reasons: Mapping[str, str]) -> None:
        """Mark pictures (by SHA-256) that cannot be decoded, and why."""
        if self._file is None or not reasons:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as database, database:
                database.executemany("INSERT OR REPLACE INTO undecodable VALUES (?, ?)", reasons.items())
        except (sqlite3.Error, OSError) as error:
            self._discard(error)

    def _connect(self) -> sqlite3.Connection:
        assert self._file is not None
        database = sqlite3.connect(self._file, timeout=5)
        try:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != self._version:
                with database:
                    for table in ("files", "undecodable"):
                        database.execute(f"DROP TABLE IF EXISTS {table}")
                    for statement in _SCHEMA:
                        database.execute(statement)
                    database.execute(f"PRAGMA user_version = {self._version}")
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


def _probe(row: tuple[Any, ...]) -> Probe:
    width, height, format_, sha256, fault, reason, low, high = row
    return Probe(width, height, format_, sha256, fault, reason, None if low is None else (low, high))
