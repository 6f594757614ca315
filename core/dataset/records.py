"""What a scan finds: pictures, problems, and the scan itself.

Paths are relative to the dataset's root and written with "/", on every platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, get_args

Layout = Literal["splits", "classes"]

ClassFolders = Literal["auto", "outer", "inner"]
"""Which folders are the classes where class folders hold folders of their own; with "auto" doubt is a problem."""

WHICH_CLASSES = ("which-classes", "nested")
"""The kinds of problems that say there is such a choice."""


def class_folders_of(kept: object) -> ClassFolders:
    """Return a choice of class folders that was kept; "auto" where it cannot be read."""
    return next((choice for choice in get_args(ClassFolders) if choice == kept), "auto")


SPLITS = ("train", "valid", "test")
"""The splits of a dataset, which are also the names of its channels."""

_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "validate", "dev"), "valid"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out", "eval", "evaluation"), "test"),
}


def split_of(folder_name: str) -> str | None:
    """Return which split a folder's name stands for ("Validation" is "valid"), None if it stands for none."""
    return _SPLIT_NAMES.get(folder_name.strip().lower())


class Severity(StrEnum):
    """How much a problem matters.

    ERROR: pictures are lost to training, or its result cannot be trusted. WARNING: the result may be worse than it
    could be. INFO: good to know.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the gravest."""
        return tuple(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be read. `size` in bytes, `width` and `height` in pixels as stored, `sha256` in hex.

    `split` is None where the folder has no splits; `format` is a name of `training_scripts.pictures.formats`. `levels`
    are the lowest and highest value of a picture with more than 8 bits a channel.
    """

    path: str
    label: str
    split: str | None
    size: int
    width: int
    height: int
    format: str
    sha256: str
    mtime_ns: int
    levels: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a dataset that its owner should know.

    `kind` is a stable short word for programs, `message` and `fix` are one sentence each; `paths` names the files or
    folders at fault.
    """

    kind: str
    severity: Severity
    message: str
    paths: tuple[str, ...] = ()
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder holds. Immutable; `pictures` are sorted by path, `problems` gravest first.

    `classes` are the labels that have at least one readable picture, sorted. `unreadable` are the paths of the
    pictures left out. `cached` says how many pictures were known from an earlier scan.
    """

    root: Path
    layout: Layout
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    unreadable: tuple[str, ...]
    problems: tuple[Problem, ...]
    ignored: int = 0
    cached: int = 0
    class_folders: ClassFolders = "auto"

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems that make what is learned from this folder doubtful."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Pictures per label and split, `counts()["cat"]["train"]`; all under "" where there are no splits."""
        counts: dict[str, dict[str, int]] = {label: {} for label in self.classes}
        for picture in self.pictures:
            of_label = counts[picture.label]
            split = picture.split or ""
            of_label[split] = of_label.get(split, 0) + 1
        return counts

    @property
    def splits(self) -> tuple[str, ...]:
        """Return the splits that hold pictures, in the order train, valid, test; empty where the folder has none."""
        present = {picture.split for picture in self.pictures}
        return tuple(split for split in SPLITS if split in present)

    @property
    def total_bytes(self) -> int:
        """Bytes of all readable pictures."""
        return sum(picture.size for picture in self.pictures)

    def smallest_and_largest(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(width, height) of the pictures with the fewest and the most pixels."""
        by_area = sorted(((p.width, p.height) for p in self.pictures), key=lambda size: (size[0] * size[1], size))
        return by_area[0], by_area[-1]

    def severities(self) -> Mapping[Severity, int]:
        """Return how many problems there are of each severity."""
        return {severity: sum(p.severity is severity for p in self.problems) for severity in Severity}


def gravest_first(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """`problems` by severity, else in the order given."""
    return tuple(sorted(problems, key=lambda problem: problem.severity.rank))
