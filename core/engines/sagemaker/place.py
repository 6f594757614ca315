"""Where jobs run and their files lie, and what is kept on this machine about each of them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.engines.sagemaker.layout import join

FILE = "cloud.json"


@dataclass(frozen=True, slots=True)
class Place:
    """The bucket, the prefix in it, the execution role (name or ARN), and the image ("": AWS's for PyTorch)."""

    bucket: str
    role: str
    prefix: str = "sagehound"
    image: str = ""

    def uri(self, *parts: str) -> str:
        """The s3:// address of something below the prefix."""
        return f"s3://{self.bucket}/{join(self.prefix, *parts)}"

    def key(self, *parts: str) -> str:
        """Its key in the bucket."""
        return join(self.prefix, *parts)


@dataclass(slots=True)
class CloudNotes:
    """What this machine knows of a job on SageMaker besides the store's record; kept in its folder.

    `features_job` computes the frozen features that the job waits for, under `features_key`. `launched`: the job
    itself was created. `differences` are sentences about what AWS recorded otherwise than asked.
    """

    region: str = ""
    features_job: str = ""
    features_key: str = ""
    launched: bool = False
    adopted: bool = False
    stopping: bool = False
    checkpoints: str = ""
    instance_type: str = ""
    instance_count: int = 1
    spot: bool = False
    training_seconds: int = 0
    billable_seconds: int = 0
    cap_usd: float | None = None
    differences: list[str] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write the notes, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> CloudNotes:
        """The notes of a job; empty ones if there are none."""
        data = read_json(folder / FILE)
        return cls(**{key: value for key, value in data.items() if key in cls.__dataclass_fields__})


def write_json(file: Path, data: Any) -> None:
    """Write JSON, whole or not at all."""
    partial = file.with_name(f".{file.name}-{os.getpid()}")
    partial.write_text(json.dumps(data), encoding="utf-8", newline="\n")
    os.replace(partial, file)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file; empty if there is none."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
