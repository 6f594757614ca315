"""What a profiler wrote, as arrays: samples of machines, events of training, verdicts of AWS's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from core.profiler.activity import Activity

Floats = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

TRACE_SUFFIXES = (".pt.trace.json", ".pt.trace.json.gz")
"""How the names of torch.profiler's traces end."""

PHASES = ("data_loading", "forward", "backward", "optimizer", "evaluation")
"""The parts of a training that are distinguished, in the order they are shown."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One series of a node, as SageMaker names it: ("cpu", "cpu0", "CPUUtilization")."""

    type: str
    name: str
    dimension: str


@dataclass(frozen=True, slots=True, eq=False)
class NodeSamples:
    """The samples of one machine: `times` (T,) Unix seconds, ascending; `values` (T, metrics), NaN where missing."""

    node: str
    times: Floats
    metrics: tuple[Metric, ...]
    values: Values

    def columns(self, kind: str, dimension: str | None = None, name: str | None = None) -> Values:
        """Return (T, k): the columns of one type, with this dimension and name where given."""
        wanted = [
            index
            for index, metric in enumerate(self.metrics)
            if metric.type == kind
            and (dimension is None or metric.dimension == dimension)
            and (name is None or metric.name == name)
        ]
        return self.values[:, wanted]

    @property
    def cores(self) -> int:
        """Return how many CPU cores were sampled."""
        return int(self.columns("cpu", "CPUUtilization").shape[1])

    @property
    def gpus(self) -> int:
        """Return how many GPUs were sampled."""
        return int(self.columns("gpu", "GPUUtilization").shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """The events of all workers, each array (N,), ascending by `start`.

    `start`, `end` are Unix seconds; `row` and `worker` index `rows` and `workers`; `step` is -1 where unknown; `pid`
    is the process that did the work, or -1.
    """

    rows: tuple[str, ...]
    workers: tuple[str, ...]
    start: Floats
    end: Floats
    row: Ints
    worker: Ints
    step: Ints
    pid: Ints

    @classmethod
    def empty(cls) -> Events:
        """Return no events at all."""
        none, zero = np.empty(0), np.empty(0, np.int64)
        return cls((), (), none, none, zero, zero, zero, zero)

    def of(self, kind: str) -> npt.NDArray[np.bool_]:
        """Return (N,) which events are of one of `PHASES`, "step", "loader_worker" or "other"."""
        wanted = np.array([phase_of(row) == kind for row in self.rows], dtype=bool)
        if not len(wanted):
            return np.zeros(len(self.row), dtype=bool)
        result: npt.NDArray[np.bool_] = wanted[self.row]
        return result

    def modes(self) -> tuple[str, ...]:
        """Return the modes that have steps: TRAIN, EVAL, …"""
        used = {self.rows[index] for index in np.unique(self.row)} if len(self.row) else set()
        return tuple(sorted((mode_of(row) for row in used if phase_of(row) == "step"), key=_mode_order))

    def steps(self, mode: str) -> npt.NDArray[np.bool_]:
        """Return (N,) which events are steps of `mode`."""
        wanted = np.array([phase_of(row) == "step" and mode_of(row) == mode for row in self.rows], dtype=bool)
        if not len(wanted):
            return np.zeros(len(self.row), dtype=bool)
        result: npt.NDArray[np.bool_] = wanted[self.row]
        return result


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything that was found at one place, and in `problems` what was not, one sentence each.

    `aws_rules` maps a sub-rule's name to what AWS's ProfilerReport wrote of it; `aws_report` is its HTML file.
    `activity` is what torch.profiler recorded besides, None where the profile is not its own: then it is only of some
    steps of a longer training.
    """

    source: str
    nodes: tuple[NodeSamples, ...] = ()
    events: Events = field(default_factory=Events.empty)
    aws_rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    aws_report: Path | None = None
    problems: tuple[str, ...] = ()
    activity: Activity | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report on."""
        return not self.nodes and not len(self.events.start) and not self.aws_rules


def phase_of(row: str) -> str:
    """Return which of `PHASES` (or "step", "loader_worker", "other") a row of ours, PyTorch's or TensorFlow's is."""
    low = row.lower()
    if low.startswith("step:"):
        return "step"
    if "dataloaderworker" in low:
        return "loader_worker"
    if "dataloader" in low or "dataiter" in low or low == "data_loading":
        return "data_loading"
    if "submodule" in low:  # parts of Forward and Backward, which are there as a whole
        return "other"
    for phase in ("forward", "backward", "optimizer", "evaluation"):
        if low.startswith(phase):
            return phase
    return "other"


def mode_of(row: str) -> str:
    """Return TRAIN of "Step:ModeKeys.TRAIN"."""
    return row.rpartition(":")[2].rpartition(".")[2].upper()


def _mode_order(mode: str) -> tuple[int, str]:
    return ({"TRAIN": 0, "EVAL": 1}.get(mode, 2), mode)
