"""Log files read as they grow, whole lines only."""

from __future__ import annotations

import os
from pathlib import Path

from core.jobs.records import LogChunk

MAX_CHUNK = 2**20


def read_lines(log: Path, offset: int = 0, ended: bool = False) -> LogChunk:
    """Return whole lines of a log from a byte offset on, at most 1 MiB of them.

    A last line without its end is left for the next call, unless the log has `ended` or the line alone fills a chunk.
    """
    try:
        with log.open("rb") as file:
            file.seek(offset)
            data = file.read(MAX_CHUNK)
            at_end = file.tell() == os.fstat(file.fileno()).st_size
    except OSError:
        return LogChunk((), offset)
    whole = data.rfind(b"\n") + 1
    if (not whole and len(data) == MAX_CHUNK) or (ended and at_end):
        whole = len(data)
    lines = data[:whole].decode("utf-8", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    # A progress bar overwrites its line by carriage returns: what counts is what it showed last.
    return LogChunk(tuple(line.rstrip("\r").rpartition("\r")[2] for line in lines), offset + whole)


def log_size(log: Path) -> int:
    """Return how long a log is, in bytes; 0 where there is none yet."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


class LogTail:
    """Reads a growing log from where it stopped."""

    def __init__(self, log: Path, offset: int = 0) -> None:
        self._log, self._offset = log, offset

    @property
    def offset(self) -> int:
        """Return how much of the log has been read, in bytes."""
        return self._offset

    def new_lines(self, ended: bool = False) -> tuple[str, ...]:
        """Return the lines since the last call; with `ended` the unfinished last one too."""
        chunk = read_lines(self._log, self._offset, ended)
        self._offset = chunk.next_offset
        return chunk.lines
