"""Run what a training job's request asks for, in an /opt/ml-shaped private folder.

The container is this environment's Python. The toolkit's part (unpack `sagemaker_submit_directory` into code/, start
`sagemaker_program` with the hyperparameters as arguments) is written after sagemaker-training 5.1: string values
arrive as they are, the `sagemaker_*` and `_tuning_*` ones are stripped, requirements.txt is not installed here.
Nothing is mounted: the SM_* variables name the private folder, so this runs wherever Python does, but a script with
/opt/ml written into it would not find its files.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.jobs.contract import (
    JobFolder,
    environment,
    hyperparameter_arguments,
    inherited_environment,
    write_configuration,
)
from tests.cloud.storage import Storage, unpack

STOP_GRACE_SECONDS = 20.0
_OWN_PREFIXES = ("sagemaker_", "_tuning_")


class Container:
    """One run of a training script."""

    def __init__(self, name: str, root: Path, storage: Storage) -> None:
        self.folder = JobFolder(root).create()
        self._name = name
        self._storage = storage
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def run(self, request: Mapping[str, Any], channels: Mapping[str, str], on_line: Callable[[str], None]) -> int:
        """Run the script to its end; returns its exit status (negative: the signal that ended it)."""
        hyperparameters = {key: _unquote(value) for key, value in request.get("HyperParameters", {}).items()}
        code = self.folder.root / "code"
        code.mkdir()
        unpack(self._storage.read(hyperparameters["sagemaker_submit_directory"]), code)
        script = code / hyperparameters["sagemaker_program"]
        own = {key: value for key, value in hyperparameters.items() if not key.startswith(_OWN_PREFIXES)}
        write_configuration(self.folder, hyperparameters, channels)
        variables = inherited_environment() | environment(self._name, self.folder, script, own, channels, cores=1)
        variables |= {"SM_CURRENT_INSTANCE_TYPE": request["ResourceConfig"].get("InstanceType", "")}
        variables |= request.get("Environment", {})
        with self._lock:
            if self._stopped.is_set():
                return -signal.SIGTERM
            self._process = subprocess.Popen(
                [sys.executable, str(script), *hyperparameter_arguments(own)],
                cwd=code,
                env=variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=os.name == "posix",
            )
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                on_line(line.rstrip("\n"))
        return self._process.wait()

    def stop(self) -> None:
        """SIGTERM now, SIGKILL after the grace period."""
        with self._lock:
            self._stopped.set()
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, with what it started."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _unquote(value: str) -> str:
    # The SDK's v2-style launchers JSON-encode strings; the toolkit decodes what it can.
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
