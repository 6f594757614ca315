"""Run a process to its end: one that stands still is ended, and started once more."""

from __future__ import annotations

import contextlib
import math
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO

from core.progress import CancelToken
from core.python import child_environment
from core.translation import tr
from training_scripts.processes import NO_PROCESS, identify
from training_scripts.watchdog import SILENCE_S, Watchdog

_TRIES = 2
_POLL_S = 0.1


class StoodStill(Exception):
    """A process stood still twice, or computed without end; says so behind "it"."""


def run_to_end(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    cancel: CancelToken | None = None,
    *,
    silence_s: float = SILENCE_S,
    longest_s: float = math.inf,
) -> subprocess.CompletedProcess[str]:
    """Return how a process ended and what it said.

    Args:
        command: the process.
        environment: its variables; those of this process but for secrets where None.
        cancel: ends it.
        silence_s: how long it may neither say nor compute anything.
        longest_s: how long it may compute without a word.

    Raises:
        StoodStill: it had to be ended, twice if it did nothing.
        Cancelled: through `cancel`.
    """
    variables = child_environment() if environment is None else dict(environment)
    for _ in range(_TRIES):
        with _text_file() as out, _text_file() as err:
            process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=variables)
            watchdog = Watchdog(identify(process.pid) or NO_PROCESS, silence_s, wordless_s=longest_s)
            if not (finding := _follow(process, watchdog, cancel or CancelToken())):
                for stream in (out, err):
                    stream.seek(0)
                return subprocess.CompletedProcess(list(command), process.returncode, out.read(), err.read())
    raise StoodStill(tr("{what}, for the second time").format(what=finding))


def _text_file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


def _follow(process: subprocess.Popen[bytes], watchdog: Watchdog, cancel: CancelToken) -> str:
    """Follow a process to its end; returns why it had to be ended, "" where it was not."""
    try:
        while process.poll() is None:
            cancel.raise_if_cancelled()
            if finding := watchdog.finding:
                return finding
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_S)
        return ""
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
