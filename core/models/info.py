"""What is known of a model, as it stands in its folder's model.json. No torch here, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.models.threshold import Threshold, threshold_in
from core.translation import tr
from training_scripts.artifact import read_card
from training_scripts.backbones import Preprocessing
from training_scripts.job import JobError

EXPORTED = "exported"
"""The field of model.json that says which format an exported folder's model has."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What model.json says of a model; `card` is all of it.

    `temperature` divides the logits before they become probabilities; the network that inference.py loads does it.
    `threshold` is None for a model that cannot say what it does not know.
    """

    name: str
    backbone: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float = 1.0
    threshold: Threshold | None = None
    card: Mapping[str, Any] = field(default_factory=dict, compare=False)


def read_info(folder: Path, name: str = "") -> ModelInfo:
    """Return what model.json of a folder says; `name` is what the model is called, by default as its training job.

    Raises:
        ModelError: there is no model.json, or it cannot be understood.
    """
    try:
        card = read_card(folder)
        return ModelInfo(
            name or str(card.get("training_job") or folder.name),
            str(card["backbone"]),
            tuple(str(label) for label in card["classes"]),
            Preprocessing.from_json(card["preprocessing"]),
            float(card.get("temperature") or 1.0),
            threshold_in(card),
            card,
        )
    except (JobError, KeyError, TypeError, ValueError) as error:
        raise broken(name or folder.name, error) from error


def broken(name: str, error: Exception) -> ModelError:
    """Return the error of a model that cannot be loaded."""
    detail = " ".join(str(error).split())[:200] or type(error).__name__
    return ModelError(
        tr("The model of {name} cannot be loaded.").format(name=name),
        f"{detail.rstrip('.')}.",
        tr("Choose another job."),
    )
