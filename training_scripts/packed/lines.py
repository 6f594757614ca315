"""What a packed search says of its trials: lines of one log, that of the job. No torch.

sagehound-trial {"name": …, "number": 3, "status": "InProgress", "hyperparameters": {…}, …}
sagehound-notice The process of … stood still for 3 minutes; it was ended and started again.
trial 003 | epoch=1/10 Average loss: 0.123400 …
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training_scripts.outside import UNUSABLE

TRIAL_LINE = "sagehound-trial "
"""Begins a line that holds a trial's record as JSON."""

NOTICE_LINE = "sagehound-notice "
"""Begins a line that holds a sentence which must be known of the job, or of the trial that says it."""

AGAIN = "it was ended and started again."
"""Ends the notice of what stood still and runs once more."""

RECORD_FILE = "trial.json"
"""The record's file in a trial's folder."""

IN_PROGRESS = "InProgress"
_SAID = re.compile(r"trial (\d{3,}) \| (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A trial of a packed search, as far as it has come.

    `number` counts from 1. `hyperparameters` are the searched ones. `artifact` is what it left, as seen from its
    folder: `model.tar.gz`, or `model/` where that is a head alone; "" for nothing. `curve` is the objective by epoch.
    Times are Unix seconds.
    """

    name: str
    number: int
    hyperparameters: Mapping[str, str]
    status: str = IN_PROGRESS
    secondary_status: str = "Training"
    objective: float | None = None
    reason: str = ""
    artifact: str = ""
    curve: tuple[tuple[int, float], ...] = ()
    started: float = 0.0
    ended: float | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status != IN_PROGRESS

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(dataclasses.asdict(self))

    def to_line(self) -> str:
        """Return the line that reports it; the curve has lines of its own."""
        return TRIAL_LINE + dataclasses.replace(self, curve=()).to_json()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrialRecord:
        """Return what `to_json` wrote; what another version added is dropped."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        curve = tuple((int(epoch), float(value)) for epoch, value in known.get("curve", ()))
        return cls(**{**known, "curve": curve})


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the job's log: `trial` is the number of the trial that said it, 0 for the job itself."""

    line: str
    trial: int = 0
    record: TrialRecord | None = field(default=None)


def said_by(number: int, line: str) -> str:
    """Return a trial's line as the job prints it."""
    return f"trial {number:03d} | {line}"


def read_line(line: str) -> Said:
    """Return what a line of the job's log says, and of which trial."""
    if found := _SAID.fullmatch(line):
        return Said(found[2], int(found[1]))
    before, marker, text = line.partition(TRIAL_LINE)
    if marker:
        try:
            return Said(before, record=TrialRecord.from_json(json.JSONDecoder().raw_decode(text)[0]))
        except (*UNUSABLE, RecursionError):
            return Said(line)
    return Said(line)


def notice(sentence: str) -> str:
    """Return the line of a sentence that must be known of the job."""
    return NOTICE_LINE + sentence
