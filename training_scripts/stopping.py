"""Where a trial of a search is to be stopped: the script keeps to it itself, so that it ends at the same epoch on any
machine. No torch here."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

VARIABLE = "SAGEHOUND_LIMITS"

Limits = Mapping[int, float]
"""After which epoch the objective must not be worse than what."""


def is_beyond(limits: Limits, epoch: int, value: float, maximize: bool) -> bool:
    """Whether a trial with this objective after an epoch is to be stopped; NaN is worse than everything."""
    limit = limits.get(epoch)
    if limit is None:
        return False
    return math.isnan(value) or (value < limit if maximize else value > limit)


@dataclass(frozen=True, slots=True)
class StopTable:
    """The limits of one trial. `regex` finds the objective in the line that the script prints after an epoch."""

    limits: Limits = field(default_factory=dict)
    regex: str = ""
    maximize: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> StopTable:
        """Read the variable; a job without one has no limits."""
        message = json.loads(environ.get(VARIABLE, "null"))
        if not message:
            return cls()
        return cls(
            {int(epoch): value for epoch, value in message["limits"].items()}, message["regex"], message["maximize"]
        )

    def to_environment(self) -> dict[str, str]:
        """Return the variable, where there is anything to say."""
        message = {"limits": dict(self.limits), "regex": self.regex, "maximize": self.maximize}
        return {VARIABLE: json.dumps(message)} if self.limits else {}

    def is_beyond(self, epoch: int, line: str) -> bool:
        """Whether the trial is to be stopped after this epoch, whose line it printed."""
        if epoch not in self.limits:
            return False
        found = re.search(self.regex, line)
        try:
            value = float(found[1]) if found else math.nan
        except ValueError:
            value = math.nan
        return is_beyond(self.limits, epoch, value, self.maximize)
