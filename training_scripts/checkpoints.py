"""Checkpoints of a training: written whole or not at all, read without running code."""

from __future__ import annotations

import time
import zipfile
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training_scripts.job import JobError
from training_scripts.weights import write_state

FILE = "checkpoint.pth"
# What may differ between the job that wrote a checkpoint and the one that continues from it.
_FREE = ("num_epochs", "patience", "log_interval", "num_workers", "checkpoint_seconds", "amp")


@dataclass(slots=True)
class Progress:
    """How far a training is: all that a restarted job needs besides its hyperparameters and its data.

    `model` and `best` are state_dicts of what is trained; `epoch` is the last finished one (0: none); `since_best`
    counts epochs without a better valid loss.
    """

    epoch: int = 0
    step: int = 0
    eval_step: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    since_best: int = 0
    model: dict[str, Tensor] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)


class Checkpoints:
    """The checkpoint folder of one job; with `folder` None nothing is kept."""

    def __init__(self, folder: Path | None, args: Namespace, classes: tuple[str, ...]) -> None:
        self._folder, self._seconds = folder, args.checkpoint_seconds
        kept = {name: value for name, value in vars(args).items() if name not in _FREE}
        self._about = {**kept, "classes": list(classes)}
        self._saved = time.monotonic()

    def load(self) -> Progress | None:
        """Return the progress of an earlier run of this job; None if there is none, or it is of another job."""
        if self._folder is None or not (self._folder / FILE).is_file():
            return None
        try:
            # torch writes a checksum with each tensor and does not look at it when it reads.
            with zipfile.ZipFile(self._folder / FILE) as parts:
                if (damaged := parts.testzip()) is not None:
                    raise JobError(f"{damaged} in it is damaged")
            data = torch.load(self._folder / FILE, map_location="cpu", weights_only=True)
            about, progress = data["about"], Progress(**data["progress"])
        except Exception as error:
            print(f"The checkpoint cannot be read, training starts again: {error}", flush=True)
            return None
        if about != self._about:
            print("The checkpoint is of other hyperparameters or classes, training starts again.", flush=True)
            return None
        return progress

    def due(self) -> bool:
        """Whether the last checkpoint is old enough for another one."""
        return self._folder is not None and time.monotonic() - self._saved >= self._seconds

    def save(self, progress: Progress) -> None:
        """Write a checkpoint; a disk that is full is said and costs the job nothing else."""
        if self._folder is None:
            return
        try:
            write_state(self._folder / FILE, {"about": self._about, "progress": _shallow(progress)})
        except OSError as error:
            print(f"The checkpoint could not be written: {error}", flush=True)
        self._saved = time.monotonic()

    def clear(self) -> None:
        """Remove the checkpoint of a job that has come to its end."""
        if self._folder is not None:
            (self._folder / FILE).unlink(missing_ok=True)


def _shallow(progress: Progress) -> dict[str, Any]:
    """Return the fields; `dataclasses.asdict` would copy every tensor."""
    return {name: getattr(progress, name) for name in Progress.__dataclass_fields__}
