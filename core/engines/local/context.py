"""What the parts of a supervisor share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.engines.local.job_runtime import Runtime
from core.jobs.contract import (
    JobFolder,
    environment,
    hyperparameter_arguments,
    inherited_environment,
    write_configuration,
)
from core.jobs.specs import Spec, TrainingSpec
from core.paths import AppPaths
from core.store import Store
from training_scripts.processes import ProcessIdentity
from training_scripts.watchdog import Heartbeat

if TYPE_CHECKING:
    from core.engines.local.script_launcher import ScriptLauncher, ScriptProcess


class Stopped(Exception):
    """The job was asked to stop."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class CannotGoOn(Exception):
    """Something outside the job keeps it from continuing, a full disk or pictures that are gone; it may be resumed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Interrupted(BaseException):
    """The system asked the supervisor to end; nothing else may catch it."""


def helper_file(folder: JobFolder) -> Path:
    """Return where the identity of the process stands that prepares a job."""
    return folder.root / "helper.json"


@dataclass(frozen=True, slots=True)
class JobContext:
    """One job: its spec and folder, where things are, and how scripts are run."""

    spec: Spec
    folder: JobFolder
    paths: AppPaths
    store: Store
    runtime: Runtime
    launcher: ScriptLauncher
    heartbeat: Heartbeat
    gpus: int = 0

    @property
    def name(self) -> str:
        """Return the job's name."""
        return self.spec.name

    @property
    def training(self) -> TrainingSpec:
        """Return what every trial has in common; a training job's own spec."""
        return self.spec.training

    def raise_if_stopped(self) -> None:
        """Raise `Stopped` if someone asked for that."""
        if self.folder.stop_request.exists():
            raise Stopped(self.folder.stop_request.read_text(encoding="utf-8").strip())

    def keep_helper(self, process: ProcessIdentity | None) -> None:
        """Write down which process prepares the job, for those who clear up after a supervisor; None: it has ended."""
        if process is None:
            helper_file(self.folder).unlink(missing_ok=True)
        else:
            helper_file(self.folder).write_text(json.dumps(asdict(process)), encoding="utf-8")

    def launch(
        self,
        script: Path,
        name: str,
        folder: JobFolder,
        hyperparameters: Mapping[str, str],
        channels: Mapping[str, str],
        cores: int,
        extra: Mapping[str, str] | None = None,
        fresh: bool = False,
        variables: Mapping[str, str] | None = None,
        in_worker: bool = False,
    ) -> ScriptProcess:
        """Start a script under the container contract, in `folder`, its output appended to the folder's log.

        What an earlier run of it left as its failure goes.

        `extra` are arguments of the local engine's own, which no container would give, and `variables` more of the
        script's variables; `fresh`: see `ScriptLauncher.start`; `in_worker`: it is our train.py over frozen features,
        and may run in a process that did other trials.
        """
        from core.debugger.job_rules import job_variables  # what follows jobs needs no rules

        folder.create().failure.unlink(missing_ok=True)
        write_configuration(folder, hyperparameters, channels)
        variables = {
            **(variables or {}),
            **inherited_environment(),
            **environment(name, folder, script, hyperparameters, channels, cores, self.gpus),
            **job_variables(self.training.debugger),
            "SAGEHOUND_WEIGHTS_DIR": str(self.paths.weights),
        }
        arguments = hyperparameter_arguments({**hyperparameters, **(extra or {})})
        if in_worker:
            return self.launcher.start_trial(script, arguments, variables, folder.root, folder.log)
        return self.launcher.start(script, arguments, variables, folder.root, folder.log, fresh)
