"""How strange a picture may be before a model calls it unknown: as it was trained, or as the user moved it since.

What the training found stays as it is, in model.json. A move is one more line of a small file beside the job's folder
of results, and the last line counts; taking a move back takes its line away.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UserFacingError
from core.translation import tr
from training_scripts.durable import write_text
from training_scripts.outside import UNUSABLE, read_json

THRESHOLD_FILE = "threshold.json"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A model's threshold.

    Attributes:
        value: a picture that is stranger than this is unknown (training_scripts/unknown.py).
        trained: what the training chose, so that `coverage` of pictures of known classes stay below; by `pictures`
            pictures of `judged_on`.
        moves: how often the user has moved it since.
    """

    value: float
    trained: float
    coverage: float
    judged_on: str
    pictures: int
    moves: int = 0

    def in_card(self, card: Mapping[str, Any]) -> dict[str, Any]:
        """Return what model.json of a copy is to say, so that the copy knows of the moves."""
        return {**card["unknown"], "threshold": self.value, "trained": self.trained, "moves": self.moves}

    @property
    def sentence(self) -> str:
        """Return where it comes from, for people."""
        if self.moves:
            return tr("You moved the threshold to {value:.2f}; the training had chosen {trained:.2f}.").format(
                value=self.value, trained=self.trained
            )
        return tr(
            "The threshold of {value:.2f} keeps {value_2:.0f} % of the pictures of known "
            "classes, going by {pictures:,} {judged_on} pictures."
        ).format(value=self.value, value_2=100 * self.coverage, pictures=self.pictures, judged_on=self.judged_on)


def threshold_in(card: Mapping[str, Any]) -> Threshold | None:
    """Return the threshold that model.json names; None for models of earlier versions.

    Raises:
        ValueError, KeyError, TypeError: it is damaged.
    """
    known = card.get("unknown")
    if not known:
        return None
    value = float(known["threshold"])
    trained = float(known.get("trained", value))
    moves = int(known.get("moves", 0))
    return Threshold(value, trained, float(known["coverage"]), str(known["judged_on"]), int(known["pictures"]), moves)


def moved(threshold: Threshold | None, job_folder: Path | None) -> Threshold | None:
    """Return a threshold as the user has moved it since the training."""
    if threshold is None or job_folder is None or not (values := _moves(job_folder)):
        return threshold
    return Threshold(
        values[-1], threshold.trained, threshold.coverage, threshold.judged_on, threshold.pictures, len(values)
    )


def moved_to(job_folder: Path) -> float | None:
    """Return the threshold that the user has chosen for a job's model; None where it is still the training's own."""
    values = _moves(job_folder)
    return values[-1] if values else None


def move(job_folder: Path, value: float) -> None:
    """Keep another threshold for a job's model.

    Raises:
        UserFacingError: it is not a number, or the file cannot be written.
    """
    if not math.isfinite(value):
        raise UserFacingError(
            tr("The threshold was not moved."), tr("A threshold is a number."), tr("Name one, as 1.5.")
        )
    _keep(job_folder, [*_moves(job_folder), value])


def move_back(job_folder: Path) -> bool:
    """Take the last move back; whether there was one.

    Raises:
        UserFacingError: the file cannot be written.
    """
    values = _moves(job_folder)
    if values:
        _keep(job_folder, values[:-1])
    return bool(values)


def _moves(job_folder: Path) -> list[float]:
    try:
        return [float(line["threshold"]) for line in read_json(job_folder / THRESHOLD_FILE)["moves"]]
    except UNUSABLE:
        return []


def _keep(job_folder: Path, values: list[float]) -> None:
    before: list[Any] = []
    file = job_folder / THRESHOLD_FILE
    with suppress(*UNUSABLE):
        before = read_json(file)["moves"]
    lines = before[: len(values)]
    lines += [{"threshold": value, "time": time.time()} for value in values[len(lines) :]]
    try:
        write_text(file, json.dumps({"format": 1, "moves": lines}, indent=1))
    except OSError as error:
        raise UserFacingError(
            tr("The threshold was not moved."), f"{error.strerror or error} ({file}).", tr("Make room, then try again.")
        ) from error
