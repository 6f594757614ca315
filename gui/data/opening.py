"""A folder on its way to the Data tab: what a scan finds as it goes, and what is made ready in its thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from core.dataset.manifest import Manifest
from core.dataset.records import Picture, Scan
from core.workbench import Workbench
from gui.data.pictures_model import grouped


class ScanBuffer:
    """The pictures that a scan has found: put in by its thread, taken out by the window's; counted when taken."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Sequence[Picture]] = SimpleQueue()
        self.counts: dict[str, Counter[str]] = {}

    def put(self, pictures: Sequence[Picture]) -> None:
        """More were found."""
        self._queue.put(pictures)

    def take(self) -> list[Picture]:
        """Return those found since the last time; `counts` has them from now on, per label and split."""
        found: list[Picture] = []
        while True:
            try:
                found.extend(self._queue.get_nowait())
            except Empty:
                break
        for picture in found:
            self.counts.setdefault(picture.label, Counter())[picture.split or ""] += 1
        return found


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """A scan, and what the widgets need of it."""

    scan: Scan
    pictures: dict[str, list[Picture]]
    counts: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, scan: Scan) -> ScanSummary:
        """Make it ready."""
        return cls(scan, grouped(scan.pictures), scan.counts())


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """A manifest, and what the widgets need of it."""

    manifest: Manifest
    splits: Mapping[str, str]
    counts: Mapping[str, Mapping[str, int]]


def split(workbench: Workbench, scan: Scan, fractions: tuple[float, float, float], seed: int) -> SplitSummary:
    """SplitSummary a scan's pictures."""
    manifest = workbench.split(scan, fractions, seed)
    return SplitSummary(manifest, {entry.path: entry.split for entry in manifest.pictures}, manifest.counts())
