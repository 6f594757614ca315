"""What a packed search is asked for: a JSON file in a channel of its own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training_scripts.job import JobError
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.strategies.plan import SearchPlan
from training_scripts.strategies.search import Observation

CHANNEL, FILE = "search", "search.json"


@dataclass(frozen=True, slots=True)
class SearchOrder:
    """One search.

    `hyperparameters` are what all trials have in common; `regex` finds the objective in train.py's lines; `features`
    holds, for each set of frozen features that trials may need, the hyperparameters that decide on it; `warm` are
    trials of other searches to learn from. `spec` is what was asked for, for those who adopt the job elsewhere.
    """

    name: str
    plan: SearchPlan
    hyperparameters: Mapping[str, str]
    regex: str
    features: Sequence[Mapping[str, str]] = ()
    warm: Sequence[Observation] = ()
    spec: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def read(cls, folder: Path) -> SearchOrder:
        """Read the file in the channel's folder.

        Raises:
            JobError: it is not there, or says something else.
        """
        try:
            data = read_json(folder / FILE)
            warm = [Observation(item["hyperparameters"], item["objective"]) for item in data["warm"]]
            return cls(**{**data, "plan": SearchPlan.from_json(data["plan"]), "warm": warm})
        except UNUSABLE as error:
            raise JobError(f"What to search cannot be read from {folder / FILE}: {error}") from error
