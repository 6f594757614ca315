"""A crash of the window is written down as it happens, and said at the next start."""

from __future__ import annotations

import faulthandler
from pathlib import Path

import psutil

from core.translation import tr


class CrashRecord:
    """One file per running window, into which Python writes the stacks of all threads when the process crashes."""

    def __init__(self, logs: Path, pid: int) -> None:
        """Write to `logs`, which exists, under the process number `pid`."""
        self._logs = logs
        self._path = logs / f"window-{pid}.crash"
        self._former = _collect(logs, pid)
        self._file = self._path.open("wb", buffering=0)
        faulthandler.enable(self._file)

    @property
    def notice(self) -> str:
        """Return a sentence on an earlier crash that was not said yet; else empty."""
        if self._former is None:
            return ""
        return tr(
            "Sagehound crashed the last time. Running jobs were not touched; the details are in {former}."
        ).format(former=self._former)

    def close(self) -> None:
        """End the record: the window has closed by itself."""
        faulthandler.disable()
        self._file.close()
        self._path.unlink(missing_ok=True)


def _collect(logs: Path, pid: int) -> Path | None:
    """Keep the newest crash of windows that are gone; returns its file, or None where there was none.

    A record without a word belongs to a window that was killed from outside, or whose machine lost its power.
    """
    kept: Path | None = None
    for record in sorted(logs.glob("window-*.crash"), key=lambda path: path.stat().st_mtime):
        number = record.stem.removeprefix("window-")
        if not number.isdigit() or (int(number) != pid and psutil.pid_exists(int(number))):
            continue
        if record.stat().st_size:
            kept = record.replace(logs / "last-crash.txt")
        else:
            record.unlink(missing_ok=True)
    return kept
