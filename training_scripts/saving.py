"""Saving a trained model: model.pth and model.json, complete in themselves, with the code that serves them."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training_scripts.arguments import each_member
from training_scripts.artifact import CARD_FILE, HEAD_FILE, SHARED_FILE, WEIGHTS_FILE, write_code
from training_scripts.checkpoints import Progress
from training_scripts.durable import same_file, seal, write_text
from training_scripts.job import SharedBackbone
from training_scripts.preparation import Setup
from training_scripts.unknown import KNOWN_FILE, Gauge, write_known
from training_scripts.version import code_version
from training_scripts.weights import write_state

CODE_VERSION = code_version()
"""Taken at once: the files may change while this process continues with what it has loaded."""


class BestSoFar:
    """The best model so far in SM_MODEL_DIR, where a job may be ended without being asked to.

    SageMaker's containers pass no SIGTERM on to the script: two minutes after a job was stopped its process is killed,
    and what is in SM_MODEL_DIR then becomes the model. With `folder` None nothing is kept; else the first epoch's is
    saved at once, and a better one not sooner than `every_s` after the last.
    """

    def __init__(
        self,
        folder: Path | None,
        args: Namespace,
        setup: Setup,
        every_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._args, self._setup, self._every_s, self._clock = folder, args, setup, every_s, clock
        self._kept, self._saved = 0, -math.inf

    def keep(self, progress: Progress) -> None:
        """Save the best epoch's weights if they are new, and the last ones were saved a while ago."""
        if self._folder is None or progress.best_epoch == self._kept or self._clock() - self._saved < self._every_s:
            return
        try:
            save_model(self._folder, self._args, self._setup, progress, progress.best)
        except (OSError, RuntimeError) as error:
            print(f"The model so far could not be saved: {error}", flush=True)
        self._kept, self._saved = progress.best_epoch, self._clock()


def save_model(
    folder: Path,
    args: Namespace,
    setup: Setup,
    progress: Progress,
    state: Mapping[str, Tensor] | None = None,
    gauge: Gauge | None = None,
) -> None:
    """Write the model, with weights `state` or as it is now, into SM_MODEL_DIR.

    model.json comes last, so that it stands for a whole model.
    """
    write_state(folder / WEIGHTS_FILE, complete_state(setup, state))
    write_code(folder, setup.preprocessing.to_json())
    if gauge is not None and setup.known is not None:
        write_known(setup.known, folder / KNOWN_FILE)
    _write_card(folder, args, setup, progress, gauge)


def save_head(
    folder: Path, args: Namespace, setup: Setup, progress: Progress, shared: SharedBackbone, gauge: Gauge | None = None
) -> None:
    """Write the head alone into SM_MODEL_DIR, and which backbone it shares; assemble.py makes a model of them."""
    write_state(folder / HEAD_FILE, _on_cpu(setup.model.state_dict()))
    place = {"backbone": Path(os.path.relpath(shared.file, folder)).as_posix(), "sha256": shared.sha256}
    write_text(folder / SHARED_FILE, json.dumps(place), flushed=False)
    if gauge is not None:
        assert setup.known_file is not None
        same_file(setup.known_file, folder / KNOWN_FILE, flushed=False)
    _write_card(folder, args, setup, progress, gauge)
    seal(folder, (HEAD_FILE, SHARED_FILE, CARD_FILE, *([] if gauge is None else [KNOWN_FILE])))


def complete_state(setup: Setup, trained: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Return the state_dict of backbone and head, also where this process had only the head; contiguous, on the CPU."""
    state = _on_cpu(setup.model.state_dict() if trained is None else trained)
    return state if setup.backbone_state is None else with_backbone(state, setup.backbone_state)


def with_backbone(head: Mapping[str, Tensor], backbone: Path) -> dict[str, Tensor]:
    """Return the state_dict of the whole network, of a head's and the file with its backbone's."""
    frozen = torch.load(backbone, map_location="cpu", weights_only=True, mmap=True)
    return {f"backbone.{name}": value for name, value in frozen.items()} | dict(head)


def _on_cpu(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def _write_card(folder: Path, args: Namespace, setup: Setup, progress: Progress, gauge: Gauge | None = None) -> None:
    card = _card(args, setup, progress) | ({} if gauge is None else {"unknown": gauge.to_card()})
    text = json.dumps(card, indent=1, ensure_ascii=False)
    write_text(folder / CARD_FILE, text, flushed=False)


def _card(args: Namespace, setup: Setup, progress: Progress) -> dict[str, Any]:
    judged_by = "valid" if "valid" in setup.sources else "train"
    best = bool(progress.best)
    return {
        "format": 1,
        "backbone": args.backbone,
        "head": args.head,
        **({"members": [member.head for member in each_member(args)]} if args.members else {}),
        "mode": args.mode,
        "classes": list(setup.classes),
        "preprocessing": setup.preprocessing.to_json(),
        "temperature": setup.model.temperature,
        "refit": bool(args.refit and "valid" in setup.sources),
        "kept": f"the epoch with the lowest {judged_by} loss" if best else "the last weights: no epoch had a loss",
        "best_epoch": progress.best_epoch if best else None,
        "best_loss": progress.best_loss if best else None,
        "epochs": progress.epoch,
        "weights": setup.weights,
        "dataset_version": setup.dataset_version,
        "training_job": os.environ.get("TRAINING_JOB_NAME", ""),
        "hyperparameters": vars(args),
        "versions": {"sagehound": CODE_VERSION, "python": platform.python_version(), "torch": torch.__version__},
    }
