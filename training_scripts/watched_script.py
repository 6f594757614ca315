"""A script in a process of its own that is watched: one that stands still is ended, and started once more. No torch.

On SageMaker nothing of ours is beside a job, and what hangs is paid for until its longest run time: the program that a
container starts there is this one, which runs the script that does the work.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from training_scripts.job import JobError, JobFolders, StopRequest, report_failure
from training_scripts.metrics import write_whole_lines
from training_scripts.packed.lines import AGAIN, notice
from training_scripts.processes import NO_PROCESS, identify
from training_scripts.tail import Tail
from training_scripts.watchdog import OTHERS_S, SILENCE_S, WORDLESS_S, Watchdog, end_with_descendants

_TICK_S = 0.05
_ENDS_WITHIN_S = 30.0
_FEATURES = "The computing of the frozen features"
_SCRIPTS = {
    "train.py": ("The training", math.inf),
    "features.py": (_FEATURES, WORDLESS_S),
    "feature_part.py": (_FEATURES, WORDLESS_S),
}
"""What a script does, and how long it may compute without a word."""
_ALONE = ("feature_part.py",)
"""Scripts that wait for no other machine of their job."""


class WatchedScript:
    """Runs a script to its end; what it says is passed on to this process's log.

    Args:
        what: what it does, as a sentence about it begins.
        command: starts it.
        log: where it writes what it says.
        stop: the request to stop, which is passed on to it.
        silence_s: how long it may neither say nor compute anything.
        wordless_s: how long it may compute without a word.
        tries: how often it is started at most.
    """

    def __init__(
        self,
        what: str,
        command: Sequence[str],
        log: Path,
        stop: StopRequest,
        silence_s: float = SILENCE_S,
        wordless_s: float = math.inf,
        tries: int = 2,
    ) -> None:
        self._what, self._command, self._log, self._stop = what, list(command), log, stop
        self._limits, self._tries = (silence_s, wordless_s), tries

    def run(self) -> int:
        """Return its exit status.

        Raises:
            JobError: it stood still as often as it was started, or a signal ended it; says so.
        """
        finding = ""
        for left in reversed(range(self._tries)):
            code, finding = self._run_once()
            if not finding:
                if code < 0 and not self._stop.requested:
                    raise JobError(f"{self._what} was ended by the signal {signal.Signals(-code).name}.")
                return code
            if self._stop.requested:
                break
            if left:
                print(notice(f"{self._what} {finding}; {AGAIN}"), flush=True)
        again = ", for the second time" if self._tries > 1 and not self._stop.requested else ""
        raise JobError(f"{self._what} {finding}{again}.")

    def _run_once(self) -> tuple[int, str]:
        """Return its exit status, and why it had to be ended, "" where it was not."""
        self._log.write_bytes(b"")
        tail = Tail(self._log)
        with self._log.open("ab") as output:
            process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        identity = identify(process.pid) or NO_PROCESS
        watchdog = Watchdog(identity, self._limits[0], self._log, self._limits[1])
        asked = False
        try:
            while (code := process.poll()) is None:
                time.sleep(_TICK_S)
                _pass_on(tail.new_lines())
                if self._stop.requested and not asked:
                    asked = True
                    process.terminate()
                if finding := watchdog.finding:
                    return -1, finding
        finally:
            if process.poll() is None:
                end_with_descendants(identity)
                process.kill()
                with suppress(subprocess.TimeoutExpired):  # what hangs in the system itself does not end at all
                    process.wait(_ENDS_WITHIN_S)
            _pass_on(tail.new_lines(ended=True))
        return code, ""


def run_job(
    script: str, arguments: Sequence[str], silence_s: float = SILENCE_S, environ: Mapping[str, str] = os.environ
) -> int:
    """Run `train.py`, `features.py` or `feature_part.py` of this folder as a job; returns the exit status."""
    write_whole_lines()
    folders, stop = JobFolders.from_environment(environ), StopRequest().listen()
    what, wordless_s = _SCRIPTS[script]
    command = [sys.executable, str(Path(__file__).resolve().parent / script), *arguments]
    tries, silence_s = patience(environ, silence_s, alone=script in _ALONE)
    try:
        with tempfile.TemporaryDirectory(prefix="sagehound-") as folder:
            return WatchedScript(what, command, Path(folder) / "log", stop, silence_s, wordless_s, tries).run()
    except BaseException as error:
        return report_failure(error, folders)


def patience(environ: Mapping[str, str], silence_s: float, alone: bool = False) -> tuple[int, float]:
    """Return how often a job's script is started at most, and how long it may do nothing.

    A training on several machines is started on each of them by SageMaker alone, so there it is only ended; and one
    that waits for another is not yet one that stands still. `alone`: the script waits for no other machine.
    """
    if not alone and len(json.loads(environ.get("SM_HOSTS", "[]"))) > 1:
        return 1, OTHERS_S + silence_s
    return 2, silence_s


def _pass_on(lines: list[str]) -> None:
    if lines:
        print(*lines, sep="\n", flush=True)
