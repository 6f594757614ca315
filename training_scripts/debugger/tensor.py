"""The tensors of a saved trial: which there are, in which collections, and where each value stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from training_scripts.debugger.base import ModeKeys, TensorUnavailableForStep
from training_scripts.debugger.tfevents import Array

if TYPE_CHECKING:
    from training_scripts.debugger.reader import Trial


@dataclass(frozen=True, slots=True)
class Location:
    """Where in which file a saved value stands; `shape` is that of the whole tensor, where it is known."""

    event_file: str
    start: int
    length: int
    shape: tuple[int, ...] | None


@dataclass(slots=True)
class Step:
    """A global step that was saved: its mode and number there, when, and which tensors of which workers."""

    mode: str
    mode_step: int
    wall_time: float | None
    train_step: int | None
    tensors: set[str] = field(default_factory=set)
    workers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Collection:
    """A collection of tensors: those that it lists by name, and those whose names match one of its expressions."""

    name: str
    tensor_names: set[str] = field(default_factory=set)
    include_regex: list[str] = field(default_factory=list)
    _matched: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    def include(self, *patterns: str) -> None:
        """Take in the tensors whose names match; raises re.error."""
        for pattern in patterns:
            re.compile(pattern)
        self.include_regex += patterns
        self._matched.clear()

    def add_tensor_name(self, name: str) -> None:
        """Take in a tensor."""
        self.tensor_names.add(name)

    def holds(self, name: str) -> bool:
        """Whether a tensor belongs to it."""
        if name in self.tensor_names:
            return True
        if name not in self._matched:  # rules ask it of the same few names at each step
            self._matched[name] = any(re.search(pattern, name) for pattern in self.include_regex)
        return self._matched[name]


class Tensor:
    """One tensor of a trial, at all the steps it was saved."""

    def __init__(self, name: str, trial: Trial) -> None:
        self.name = name
        self.trial = trial
        self.locations: dict[int, dict[str, Location]] = {}
        self.reductions: dict[int, dict[tuple[str, bool], Location]] = {}

    def steps(self, mode: Any = ModeKeys.GLOBAL, show_incomplete_steps: bool = False) -> list[int]:
        """Return the steps it was saved at: global ones, or those of a mode."""
        return [self.trial.step_in_mode(step, mode) for step in self._global_steps(mode)]

    def value(self, step_num: int, mode: Any = ModeKeys.GLOBAL, worker: str | None = None) -> Array:
        """Return its value, or the sample that was saved of it.

        Raises:
            StepUnavailable, StepNotYetAvailable: nothing was saved at that step, for ever or so far.
            TensorUnavailableForStep: it was not saved then, or its file is damaged.
        """
        self.trial.check_worker(worker)
        locations = self.locations.get(self.trial.to_global(step_num, mode), {})
        if not locations or (worker is not None and worker not in locations):
            self.trial.wait_for_steps([step_num], mode)
            raise TensorUnavailableForStep(self.name, step_num, mode, bool(self.reductions))
        return self.trial.fetch(self, locations[worker or min(locations)], step_num, mode)

    def shape(self, step_num: int, mode: Any = ModeKeys.GLOBAL, worker: str | None = None) -> tuple[int, ...]:
        """Return the shape of the whole tensor, also when a sample was saved."""
        locations = self.locations.get(self.trial.to_global(step_num, mode), {})
        for location in locations.values():
            if location.shape is not None:
                return location.shape
        return self.value(step_num, mode, worker).shape

    def reduction_value(
        self,
        step_num: int,
        reduction_name: str,
        mode: Any = ModeKeys.GLOBAL,
        worker: str | None = None,
        abs: bool = False,
    ) -> Any:
        """Return min, max, mean, std, variance, sum, l1 or l2: the saved one, else that of the value."""
        step = self.trial.to_global(step_num, mode)
        location = self.reductions.get(step, {}).get((reduction_name, abs))
        if location is not None:
            return self.trial.fetch(self, location, step_num, mode)
        value = self.value(step_num, mode, worker)
        value = np.abs(value) if abs else value
        if reduction_name in ("l1", "l2"):
            return np.linalg.norm(value.ravel(), ord=int(reduction_name[1]))
        return getattr(np, {"variance": "var"}.get(reduction_name, reduction_name))(value)

    def _global_steps(self, mode: Any) -> list[int]:
        steps = sorted(self.locations.keys() | self.reductions.keys())
        return steps if mode.name == "GLOBAL" else [step for step in steps if self.trial.is_mode(step, mode)]
