"""A folder on its way to the Data tab: what a scan finds as it goes, and what is made ready in its thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from core.dataset.manifest import Manifest
from core.dataset.records import Picture, Scan
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.dataset.gallery import Gallery
    from core.labels.labelling import Labelling
    from core.labels.moved import Elsewhere


class ScanBuffer:
    """The pictures that a scan has found: put in by its thread, taken out by the window's."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Sequence[Picture]] = SimpleQueue()

    def put(self, pictures: Sequence[Picture]) -> None:
        """Take pictures that were found."""
        self._queue.put(pictures)

    def take(self) -> list[Picture]:
        """Return those found since the last time."""
        found: list[Picture] = []
        while True:
            try:
                found.extend(self._queue.get_nowait())
            except Empty:
                return found


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """A scan, and what the widgets need of it."""

    scan: Scan
    gallery: Gallery
    labelling: Labelling
    elsewhere: Sequence[Elsewhere] = ()
    """Where these pictures were labelled, while they have no labels here."""

    @classmethod
    def of(cls, workbench: Workbench, scan: Scan) -> ScanSummary:
        """Make it ready, as its labels are."""
        from core.dataset.gallery import Gallery

        gallery, labelling = Gallery(), workbench.data.labelling(scan)
        gallery.add(scan.pictures)
        gallery.set_state(labelling.state, [picture.path for picture in scan.pictures])
        return cls(scan, gallery, labelling, workbench.data.labelled_elsewhere(scan))


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """A manifest, and what the widgets need of it."""

    manifest: Manifest
    splits: Mapping[str, str]
    counts: Mapping[str, int]


def split(workbench: Workbench, scan: Scan, fractions: tuple[float, float, float], seed: int) -> SplitSummary:
    """Split a scan's pictures."""
    manifest = workbench.data.split(scan, fractions, seed)
    splits = {entry.path: entry.split for entry in manifest.pictures}
    return SplitSummary(manifest, splits, Counter(splits.values()))
