"""What a scan finds: pictures, problems, and the scan itself.

Paths are relative to the dataset's root and written with "/", on every platform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.formats.records import SPLITS, ClassFolders, KeepTogether, Layout, Problem, ReadOptions, Severity, split_of

__all__ = [
    "SPLITS",
    "ClassFolders",
    "KeepTogether",
    "Layout",
    "Picture",
    "Problem",
    "ReadOptions",
    "Scan",
    "Severity",
    "gravest_first",
    "split_of",
]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that can be read. `size` in bytes, `width` and `height` in pixels as stored, `sha256` in hex.

    `split` is None where the folder has no splits; `format` is a name of `training_scripts.pictures.formats`. `levels`
    are the lowest and highest value of a picture with more than 8 bits a channel. Pictures of one `group` are never
    divided between splits.
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
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder holds. Immutable; `pictures` are sorted by path, `problems` gravest first.

    `classes` are the labels that have at least one readable picture, sorted. `unreadable` are the paths of the
    pictures left out. `cached` says how many pictures were known from an earlier scan. `format` is the name of the
    format that the dataset was read as, `options` how, and `seen` what its reader saw, in sentences.
    """

    root: Path
    layout: Layout
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    unreadable: tuple[str, ...]
    problems: tuple[Problem, ...]
    ignored: int = 0
    cached: int = 0
    options: ReadOptions = ReadOptions()  # noqa: RUF009 - frozen
    format: str = "folders"
    seen: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems that make what is learned from this folder doubtful."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return pictures per label and split, `counts()["cat"]["train"]`; "" for no label, and for no split."""
        counts: dict[str, dict[str, int]] = {label: {} for label in self.classes}
        for picture in self.pictures:
            of_label = counts.setdefault(picture.label, {})
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
        """Return bytes of all readable pictures."""
        return sum(picture.size for picture in self.pictures)

    def smallest_and_largest(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (width, height) of the pictures with the fewest and the most pixels."""
        by_area = sorted(((p.width, p.height) for p in self.pictures), key=lambda size: (size[0] * size[1], size))
        return by_area[0], by_area[-1]

    def severities(self) -> Mapping[Severity, int]:
        """Return how many problems there are of each severity."""
        return {severity: sum(p.severity is severity for p in self.problems) for severity in Severity}


def gravest_first(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return `problems` by severity, else in the order given."""
    return tuple(sorted(problems, key=lambda problem: problem.severity.rank))
