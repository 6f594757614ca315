"""Locks that several processes of Sagehound share. The system frees a dead process's lock; no one waits without end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import EngineError
from core.translation import tr
from training_scripts.watchdog import in_words


@contextmanager
def lock_of(file: Path, timeout_s: float, what: str) -> Iterator[None]:
    """Hold the lock of a file or folder; `what` is done under it, as a clause: "The model cannot be unpacked".

    Raises:
        EngineError: another process holds it longer than `timeout_s` seconds.
    """
    lock = FileLock(f"{file}.lock", timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout:
        raise EngineError(
            f"{what}.",
            tr("Another process of Sagehound has been at it for {timeout_s}.").format(timeout_s=in_words(timeout_s)),
            tr("Try again; if it stays like this, close Sagehound's other windows and commands."),
        ) from None
    try:
        yield
    finally:
        lock.release()
