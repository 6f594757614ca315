"""What a training printed, as numbers."""

from __future__ import annotations

import re

from training_scripts.metrics import METRIC_DEFINITIONS


def metric(text: str, name: str) -> list[float]:
    return [float(value) for value in re.findall(METRIC_DEFINITIONS[name], text)]


def losses(text: str) -> dict[str, list[float]]:
    return {name: metric(text, name) for name in METRIC_DEFINITIONS if name != "train:batch_loss"}
