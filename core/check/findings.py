"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from core.labels.labelling import Change, Labelling


class FindingKind(StrEnum):
    """The kinds of findings, gravest first."""

    NEAR_DUPLICATE = "near_duplicate"
    LABEL_SUSPECT = "label_suspect"
    ODD = "odd"
    QUALITY = "quality"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What solves a finding: an ordinary action on labels, undone like any other."""

    action: Literal["label", "exclude", "split"]
    paths: tuple[str, ...]
    value: str = ""

    def apply(self, labelling: Labelling, kind: FindingKind) -> Change:
        """Do it."""
        source = f"check: {kind}"
        if self.action == "label":
            return labelling.label(self.paths, self.value, source)
        if self.action == "split":
            return labelling.move_to_split(self.paths, self.value, source)
        return labelling.exclude(self.paths, source)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that may be wrong.

    `pictures` are paths, the one in question first; `score` is from 0 to 1, how sure the check is. `suggested` is the
    class that a label suspect looks like. `why` is a sentence; `evidence` are pictures that speak for it. `grave` are
    copies in two splits or two classes.
    """

    kind: FindingKind
    pictures: tuple[str, ...]
    score: float
    why: str
    suggested: str | None = None
    evidence: tuple[str, ...] = ()
    remedy: Remedy | None = None
    grave: bool = False
