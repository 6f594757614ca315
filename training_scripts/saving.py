"""Saving a trained model: model.pth and model.json, complete in themselves, with the code that serves them."""

from __future__ import annotations

import json
import os
import platform
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training_scripts.artifact import CARD_FILE, WEIGHTS_FILE, write_code
from training_scripts.checkpoints import Progress
from training_scripts.durable import write_text
from training_scripts.preparation import Setup
from training_scripts.version import code_version
from training_scripts.weights import write_state

CODE_VERSION = code_version()
"""Taken at once: the files may change while this process goes on with what it has loaded."""


def save_model(folder: Path, args: Namespace, setup: Setup, progress: Progress) -> None:
    """Write the model as it is now into SM_MODEL_DIR; model.json comes last, so that it stands for a whole model."""
    write_state(folder / WEIGHTS_FILE, complete_state(setup))
    write_code(folder)
    write_text(
        folder / CARD_FILE, json.dumps(_card(args, setup, progress), indent=1, ensure_ascii=False), flushed=False
    )


def complete_state(setup: Setup) -> dict[str, Tensor]:
    """The state_dict of backbone and head, also where only the head was in this process; contiguous, on the CPU."""
    state = {name: value.detach().cpu().contiguous() for name, value in setup.model.state_dict().items()}
    if setup.backbone_state is not None:
        frozen = torch.load(setup.backbone_state, map_location="cpu", weights_only=True, mmap=True)
        state = {f"backbone.{name}": value for name, value in frozen.items()} | state
    return state


def _card(args: Namespace, setup: Setup, progress: Progress) -> dict[str, Any]:
    judged_by = "valid" if "valid" in setup.sources else "train"
    best = progress.best_epoch > 0
    return {
        "format": 1,
        "backbone": args.backbone,
        "head": args.head,
        "mode": args.mode,
        "classes": list(setup.classes),
        "preprocessing": setup.preprocessing.to_json(),
        "kept": f"the epoch with the lowest {judged_by} loss" if best else "the last weights: no epoch had a loss",
        "best_epoch": progress.best_epoch or None,
        "best_loss": progress.best_loss if best else None,
        "epochs": progress.epoch,
        "weights": setup.weights,
        "dataset_version": setup.dataset_version,
        "training_job": os.environ.get("TRAINING_JOB_NAME", ""),
        "hyperparameters": vars(args),
        "versions": {"sagehound": CODE_VERSION, "python": platform.python_version(), "torch": torch.__version__},
    }
