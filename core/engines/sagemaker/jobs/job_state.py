"""What is kept on this machine about each job on SageMaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core.engines.sagemaker.connection.json_files import read_json, write_json
from core.locks import lock_of
from core.translation import tr

FILE = "cloud.json"


@dataclass(frozen=True, slots=True)
class CloudJobState:
    """What this machine knows of a job on SageMaker besides the store's record; kept in its folder.

    `workspace` is where it runs, `account` the AWS account's number; empty in the notes of earlier versions.
    `mark` is the tag by which AWS's jobs of this name are recognised; `answered`: AWS has answered that it created what
    was asked for first. `features_job` computes the frozen features that the job waits for, under `features_key`.
    `features_first` is the first of the jobs that compute them by many machines, "" where one machine does;
    `features_machines` and `features_type` are what the present one runs on, `features_before_seconds` the billed
    seconds of all machines of those before it, `features_before_training_seconds` those that they ran.
    `launched`: the job itself was created. `packed`: it is a search that is one training job, or a trial of such a one.
    `rule_output` is the s3:// prefix that AWS's own Debugger, where it is
    attached, writes the job's folders under. `differences` are sentences about what AWS recorded otherwise than asked.
    `features_started` is in Unix seconds, 0 until that job runs on a machine.
    """

    region: str = ""
    account: str = ""
    workspace: Mapping[str, str] = field(default_factory=dict)
    mark: str = ""
    answered: bool = True
    features_job: str = ""
    features_key: str = ""
    features_first: str = ""
    features_machines: int = 1
    features_type: str = ""
    features_before_seconds: int = 0
    features_before_training_seconds: int = 0
    launched: bool = False
    packed: bool = False
    adopted: bool = False
    stopping: bool = False
    stop_passed_on: bool = False
    checkpoints: str = ""
    rule_output: str = ""
    instance_type: str = ""
    instance_count: int = 1
    spot: bool = False
    training_seconds: int = 0
    billable_seconds: int = 0
    features_started: float = 0.0
    features_training_seconds: int = 0
    features_billable_seconds: int = 0
    cap_usd: float | None = None
    differences: Sequence[str] = ()

    @property
    def is_created(self) -> bool:
        """Whether AWS is known to have the job, or the one that computes its features."""
        return self.launched or (bool(self.features_job) and self.answered)

    def save(self, folder: Path) -> None:
        """Write the notes, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, asdict(self))

    @classmethod
    def change(cls, folder: Path, **changes: Any) -> CloudJobState:
        """Change some of a job's notes, while others may change other parts; returns all of them."""
        folder.mkdir(parents=True, exist_ok=True)
        with lock_of(
            folder / f".{FILE}", 30, tr("What AWS said of the job {name} cannot be noted").format(name=folder.name)
        ):
            state = replace(cls.load(folder), **changes)
            state.save(folder)
        return state

    @classmethod
    def load(cls, folder: Path) -> CloudJobState:
        """Return the notes of a job; empty ones if there are none."""
        data = read_json(folder / FILE)
        data.setdefault("workspace", data.get("place", {}))  # its name in earlier versions
        return cls(**{key: value for key, value in data.items() if key in cls.__dataclass_fields__})
