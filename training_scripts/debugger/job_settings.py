"""What a job hears of its debugger: one environment variable, JSON, read by the hook and the watcher. No torch.

The environment is the one channel that reaches single jobs and trials alike, here and on SageMaker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..outside import parse_json, read_json

VARIABLE = "SAGEHOUND_DEBUGGER"
INFO_FILE = "sagehound.json"
RULE_LINE = "sagehound-rule "
"""Begins a line, of a watcher or in a job's log, that holds a rule's outcome as JSON."""
DONE_LINE = "sagehound-watched "
"""Begins a watcher's line that a job, named by its output folder, has been evaluated to the end."""
COLLECTIONS = ("losses", "gradients", "weights", "biases", "activations", "inputs", "predictions")


@dataclass(frozen=True, slots=True)
class Settings:
    """The debugger of one job.

    `save_interval` is in training steps, None: chosen while the job runs so that saving costs under `time_share` of its
    time (None: whatever it costs), with `by_number` ever more seldom; `save_intervals` overrides it per collection.
    `rules` maps names to parameters, in addition to the default set if `default_rules`. `actions` maps a rule to none,
    notify or stop. `watch`: the job starts a watcher of its own.
    """

    enabled: bool = True
    default_rules: bool = True
    rules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)
    save_interval: int | None = None
    save_intervals: Mapping[str, int] = field(default_factory=dict)
    tensor_budget_mb: float = 64.0
    profiler: bool = True
    watch: bool = False
    time_share: float | None = 0.02
    by_number: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Read the variable; without it, or with one that cannot be read, nothing watches the job."""
        nothing = {"enabled": False, "profiler": False}
        try:
            values: Any = parse_json(environ.get(VARIABLE, "") or "null") or nothing
        except ValueError:
            values = nothing
        if not isinstance(values, dict):
            values = nothing
        known = {key: value for key, value in values.items() if key in cls.__dataclass_fields__}
        return cls(**known)

    def to_json(self) -> str:
        """Return the variable's value: what differs from the defaults, for SageMaker takes 512 characters at most."""
        changed: dict[str, Any] = {"enabled": self.enabled}
        changed |= {key: value for key, value in asdict(self).items() if value != getattr(Settings(), key)}
        return json.dumps(changed, separators=(",", ":"))


def read_info(folder: Path) -> dict[str, Any]:
    """Return what the hook says of the job that saves tensors in `folder` (pid, hyperparameters); empty if nothing."""
    try:
        info = read_json(folder / INFO_FILE)
    except (OSError, ValueError):
        return {}
    return info if isinstance(info, dict) else {}
