"""The handle of a watcher process, for what runs jobs on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from training_scripts.debugger.job_settings import DONE_LINE, Settings
from training_scripts.processes import ProcessIdentity, identify
from training_scripts.watchdog import SILENCE_S, Watchdog

SCRIPT = Path(__file__).resolve().with_name("evaluate_beside.py")
_BEATS = 10
"""How often in its longest silence the process says that it lives."""
_TICK_S = 0.05


class RuleWatcher:
    """One process that evaluates the rules of many jobs, one after the other or at once.

    It writes `sagehound-rule {json}` lines, with the job's name in each, to `log`, which `new_lines` reads. That is to
    be called often, for it also looks after the process: one that died or stands still is replaced once, and begins
    with the jobs that are left. It ends with `close` or with this process, whatever happens. Nothing here raises or
    waits: without it jobs run as well.

    Args:
        settings: which rules, and how.
        log: where the process writes.
        silence_s: how long it may give no sign of life.
        on_trouble: gets a sentence when the process had to be replaced, or was given up.
        command: what starts the process.
        variables: its environment; this process's own where None.
    """

    def __init__(
        self,
        settings: Settings,
        log: Path,
        silence_s: float = SILENCE_S,
        on_trouble: Callable[[str], None] = lambda sentence: None,
        command: Sequence[str] = (sys.executable, str(SCRIPT)),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._settings, self._command, self._variables = asdict(settings), command, variables
        self._log, self._silence_s, self._on_trouble = log, silence_s, on_trouble
        self._enabled = settings.enabled
        self._offset = log.stat().st_size if log.exists() else 0
        self._jobs: dict[str, str] = {}
        self._ended: set[str] = set()
        self._unsent = b""
        self._replaced = False
        self._process: subprocess.Popen[bytes] | None = None
        if settings.enabled:
            self._start()

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Return the jobs whose rules have not been evaluated to the end."""
        return tuple(self._jobs.values())

    @property
    def backlog(self) -> int:
        """Return how many jobs have ended whose rules are still being evaluated; 0 where nothing evaluates them."""
        return 0 if self._process is None else len(self._ended & self._jobs.keys())

    def watch(self, job: str, output: Path) -> None:
        """Watch a job; `output` is its SM_OUTPUT_DIR."""
        if self._enabled and str(output) not in self._jobs:
            self._jobs[str(output)] = job
            self._tell_to_watch(str(output))

    def ended(self, job: str, output: Path) -> None:
        """Evaluate what is left, or all of it, of a job that has ended, well or not, and say the last word."""
        if not self._enabled:
            return
        self._ended.add(str(output))
        if str(output) in self._jobs:
            self._tell({"ended": str(output)})
        else:
            self._jobs[str(output)] = job
            self._tell_to_watch(str(output))

    def new_lines(self) -> list[str]:
        """Return the whole lines written since the last call, and see to it that the process continues its work."""
        self._look_after()
        return self._read()

    def close(self, timeout_s: float = 30.0) -> list[str]:
        """Let it finish, at most `timeout_s` seconds, and end it; returns its last lines."""
        self._end(timeout_s)
        return self._read()

    def _read(self) -> list[str]:
        try:
            with open(self._log, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = []
        for line in whole.decode("utf-8", "replace").splitlines():
            if line.startswith(DONE_LINE):
                self._jobs.pop(line.removeprefix(DONE_LINE), None)
            elif line:
                lines.append(line)
        return lines

    def _look_after(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is not None:
            self._replace("ended, perhaps for want of memory")
        elif finding := self._watchdog.finding:
            self._replace(finding)
        else:
            self._send()

    def _replace(self, why: str) -> None:
        self._end(0.0)
        process = "The process that evaluates the Debugger rules"
        if self._replaced:
            self._on_trouble(f"{process} {why}, for the second time: the rules are no longer evaluated.")
            return
        self._replaced = True
        self._on_trouble(f"{process} {why}; it was started again.")
        self._start()
        for output in self._jobs:
            self._tell_to_watch(output)

    def _start(self) -> None:
        command = [*self._command, "--beat", str(self._silence_s / _BEATS)]
        try:
            with open(self._log, "ab") as log:
                # Unbuffered, and without waiting: one that stands still does not read.
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=log, stderr=log, bufsize=0, env=self._variables
                )
        except OSError as error:
            self._on_trouble(f"The Debugger rules are not evaluated: {error.strerror or error}.")
            return
        if os.name == "posix" and self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
        identity = identify(self._process.pid) or ProcessIdentity(self._process.pid, "")
        self._watchdog = Watchdog(identity, self._silence_s, self._log)

    def _tell_to_watch(self, output: str) -> None:
        message: dict[str, object] = {"watch": output, "job": self._jobs[output], "settings": self._settings}
        self._tell({**message, "has_ended": True} if output in self._ended else message)

    def _tell(self, message: dict[str, object]) -> None:
        if self._process is not None:
            self._unsent += json.dumps(message).encode() + b"\n"
            self._send()

    def _send(self) -> None:
        """Write as much as the process takes."""
        if not self._unsent or self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):  # it has ended, which `_look_after` notices
            self._unsent = self._unsent[self._process.stdin.write(self._unsent) or 0 :]

    def _end(self, timeout_s: float) -> None:
        process, deadline = self._process, time.monotonic() + timeout_s
        if process is None:
            return
        while self._unsent and process.poll() is None and time.monotonic() < deadline:
            self._send()
            time.sleep(_TICK_S if self._unsent else 0)
        self._process, self._unsent = None, b""
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
