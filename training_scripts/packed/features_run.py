"""The frozen features of a packed search, computed by features.py in a process that is watched."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from training_scripts.job import JobError, StopRequest, hyperparameter_arguments
from training_scripts.packed.lines import notice
from training_scripts.packed.tail import Tail
from training_scripts.processes import NO_PROCESS, identify
from training_scripts.watchdog import SILENCE_S, WORDLESS_S, Watchdog

FEATURES = Path(__file__).resolve().parent.parent / "features.py"
_TICK_S = 0.05
_PROCESS = "The process that computes the frozen features"
_FAILED = "The frozen features could not be computed."


class FeaturesRun:
    """Runs features.py to its end; what it says is passed on to the job's log.

    Args:
        choice: the hyperparameters that decide on the features.
        folder: where the channel is written.
        output: SM_OUTPUT_DIR, where it says why it failed.
        stop: the request to stop, which ends it.
        silence_s: how long it may neither say nor compute anything.
        script: what computes them.
    """

    def __init__(
        self,
        choice: Mapping[str, str],
        folder: Path,
        output: Path,
        stop: StopRequest,
        silence_s: float = SILENCE_S,
        script: Path = FEATURES,
    ) -> None:
        self._folder, self._output, self._stop, self._silence_s = folder, output, stop, silence_s
        self._command = [sys.executable, str(script), *hyperparameter_arguments(choice), "--output", str(folder)]

    def run(self) -> Path:
        """Return the channel's folder. What stands still is ended, and started once more.

        Raises:
            JobError: they could not be computed; says why.
        """
        code, finding = self._run_once()
        if finding:
            print(notice(f"{_PROCESS} {finding}; it was ended and started again."), flush=True)
            code, finding = self._run_once()
        if finding:
            raise JobError(f"{_FAILED} {_PROCESS} {finding}, for the second time.")
        if code or not (self._folder / "features.json").is_file():
            failure = self._output / "failure"
            said = failure.read_text(encoding="utf-8").partition("\n\n")[0] if failure.is_file() else ""
            raise JobError(f"{_FAILED} {said}".strip())
        return self._folder

    def _run_once(self) -> tuple[int, str]:
        """Return its exit status, and why it had to be ended, "" where it was not."""
        log = self._folder.with_suffix(".log")
        log.write_bytes(b"")
        tail = Tail(log)
        with log.open("ab") as output:
            process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        watchdog = Watchdog(identify(process.pid) or NO_PROCESS, self._silence_s, log, WORDLESS_S)
        try:
            while (code := process.poll()) is None:
                time.sleep(_TICK_S)
                _pass_on(tail.new_lines())
                if self._stop.requested:
                    process.terminate()
                if finding := watchdog.finding:
                    return -1, finding
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            _pass_on(tail.new_lines(ended=True))
        return code, ""


def _pass_on(lines: list[str]) -> None:
    if lines:
        print(*lines, sep="\n", flush=True)
