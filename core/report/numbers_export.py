"""The report's numbers as JSON, for programs: everything the chapters show, in plain units (seconds, bytes, 0…1)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from core.report.reported_run import ReadRun

_LEFT_OUT = {"bands", "track", "source", "aws_report"}
"""What is drawn from the profile's own files, and paths of this machine."""


def write_numbers(runs: tuple[ReadRun, ...], path: Path) -> None:
    """Write {"runs": [{"name", "result", "curves", "hyperparameters", "rules", "analysis"}]}."""
    content = {"format": 1, "runs": [_run(run) for run in runs]}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _run(run: ReadRun) -> dict[str, Any]:
    results = {
        result.split: {
            "right": result.right,
            "count": result.count,
            "accuracy": result.accuracy,
            "interval": list(result.interval),
        }
        for result in run.story.results
    }
    return {
        "name": run.name,
        "hyperparameters": dict(run.story.hyperparameters),
        "dataset": {"name": run.story.dataset, "classes": list(run.story.classes), **run.story.pictures},
        "results": results,
        "curves": {curve.name: {"epoch": _plain(curve.x), "value": _plain(curve.y)} for curve in run.story.curves},
        "rules": [_plain(outcome) for outcome in run.outcomes],
        "analysis": _plain(run.analysis),
    }


def _plain(value: Any) -> Any:
    """Return dataclasses, arrays and enumerations as JSON's own kinds; what is not a finite number is null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.name not in _LEFT_OUT}
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
