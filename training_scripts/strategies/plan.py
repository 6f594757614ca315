"""What a search needs to know of itself, as plain values: made of a spec here, read from a file in a packed job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training_scripts.strategies.dimensions import Dimension


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """One search.

    Attributes:
        dimensions: what is searched.
        strategy: its name, for one that draws in a way of its own.
        learns: whether finished trials say where to look next; else each is drawn by itself.
        tries_all: whether each point of the grid is tried once.
        ends_poor_trials: Hyperband's successive halving.
        early_stopping: the median rule.
        quick: whether a trial takes less time than a Gaussian process needs to choose it.
        max_jobs: how many trials at most.
        seed: all choices follow from it.
        maximize: whether more of the objective is better.
        longest_training: the most epochs of a trial; None: not known.
        target, patience, max_search_s, until_converged: what ends the search earlier, as a tuning job's spec says.
    """

    dimensions: tuple[Dimension, ...]
    strategy: str = ""
    learns: bool = False
    tries_all: bool = False
    ends_poor_trials: bool = False
    early_stopping: bool = False
    quick: bool = True
    max_jobs: int = 10
    seed: int = 0
    maximize: bool = False
    longest_training: int | None = None
    target: float | None = None
    patience: int | None = None
    max_search_s: int | None = None
    until_converged: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SearchPlan:
        """Return what `dataclasses.asdict` made plain."""
        return cls(**{**data, "dimensions": tuple(map(Dimension.from_json, data["dimensions"]))})

    @property
    def startup_trials(self) -> int:
        """Return how many trials a strategy that learns draws at random first."""
        return max(3, min(10, self.max_jobs // 3))
