"""A crash of the window is written down as it happens, and said at the next start."""

from __future__ import annotations

import faulthandler
from pathlib import Path

from core.translation import tr
from training_scripts.processes import ProcessIdentity, identify


class CrashRecord:
    """One file per running window, into which Python writes the stacks of all threads when the process crashes."""

    def __init__(self, logs: Path, pid: int) -> None:
        """Write to `logs`, which exists, under the process number `pid`."""
        self._logs = logs
        self._path = logs / _name_of(identify(pid) or ProcessIdentity(pid, ""))
        self._former = _collect(logs)
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


def _name_of(window: ProcessIdentity) -> str:
    """Return the name of a window's record: a number alone would go to another process some day."""
    return f"window-{window.pid}.{window.started.replace(' ', '_')}.crash"


def _lives(record: Path) -> bool:
    number = record.name.removeprefix("window-").partition(".")[0]
    window = identify(int(number)) if number.isdigit() else None
    return window is not None and _name_of(window) == record.name


def _collect(logs: Path) -> Path | None:
    """Keep the newest crash of windows that are gone; returns its file, or None where there was none.

    A record without a word belongs to a window that was killed from outside, or whose machine lost its power.
    """
    kept: Path | None = None
    for record in sorted(logs.glob("window-*.crash"), key=lambda path: path.stat().st_mtime):
        if _lives(record):
            continue
        if record.stat().st_size:
            kept = record.replace(logs / "last-crash.txt")
        else:
            record.unlink(missing_ok=True)
    return kept
