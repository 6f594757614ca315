"""The handle of a watcher process, for whoever runs jobs on this machine."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import IO

from core.debugger.defaults import job_settings
from core.jobs.specs import DebuggerConfig
from core.paths import ROOT
from core.python import script_command

SCRIPT = ROOT / "training_scripts" / "debugger" / "watch.py"
_logger = logging.getLogger(__name__)


class RuleWatcher:
    """One process that evaluates the rules of many jobs, one after the other or at once.

    It writes `sagehound-rule {json}` lines, with the job's name in each, to `log`, which `new_lines` reads. It ends
    with `close` or with this process, whatever happens. Nothing here raises: without it jobs run as well.
    """

    def __init__(self, config: DebuggerConfig, log: Path) -> None:
        self._settings = asdict(job_settings(config))
        self._log = log
        self._offset = log.stat().st_size if log.exists() else 0
        self._process = self._start() if config.enabled else None

    def watch(self, job: str, output: Path) -> None:
        """Watch a job from now on; `output` is its SM_OUTPUT_DIR."""
        self._tell({"watch": str(output), "job": job, "settings": self._settings})

    def ended(self, output: Path) -> None:
        """The job has ended, well or not: evaluate what is left and say the last word."""
        self._tell({"ended": str(output)})

    def new_lines(self) -> list[str]:
        """The whole lines written since the last call."""
        try:
            with open(self._log, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode("utf-8", "replace").splitlines()

    def close(self, timeout_s: float = 10.0) -> list[str]:
        """Let it finish, at most `timeout_s` seconds, and end it; returns its last lines."""
        self._end(timeout_s)
        return self.new_lines()

    def _end(self, timeout_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            self._stdin(process).close()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> subprocess.Popen[bytes] | None:
        try:
            with open(self._log, "ab") as log:
                return subprocess.Popen(script_command(SCRIPT), stdin=subprocess.PIPE, stdout=log, stderr=log)
        except OSError as error:
            _logger.warning("the rules are not evaluated: %s", error)
            return None

    def _tell(self, told: dict[str, object]) -> None:
        if self._process is None:
            return
        try:
            stdin = self._stdin(self._process)
            stdin.write(json.dumps(told).encode() + b"\n")
            stdin.flush()
        except OSError as error:
            _logger.warning("the rules are no longer evaluated: %s", error)
            self._end(0.0)

    @staticmethod
    def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
        assert process.stdin is not None
        return process.stdin
