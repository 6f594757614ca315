"""Compares the pictures of the open dataset by their frozen features, once, when something first needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.workbench import Workbench
from gui.bridge import Bridge, Handle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.dataset.gallery import Gallery
    from core.dataset.records import Scan
    from core.features.alike import Alike
    from core.features.dataset_features import PictureFeatures


@dataclass(frozen=True, slots=True)
class Compared:
    """The features of a gallery's pictures, and what they say: look-alikes, and places on a first map."""

    gallery: Gallery
    features: PictureFeatures
    numbers: NDArray[np.int64]
    """The picture that each row of the features belongs to."""
    alike: Alike
    places: NDArray[np.float32]


class Comparison(QObject):
    """What is known of likeness in the open dataset.

    Signals:
        started(): features are being computed or read.
        progressed(Progress): so far.
        known(Compared): look-alikes are known.
        mapped(places): a better map is there, the places (N, 2) of all pictures by number.
        ended(): the comparison is over, with or without a result.
        failed(UserFacingError): nothing did, and why.
    """

    started = Signal()
    progressed = Signal(object)
    known = Signal(object)
    mapped = Signal(object)
    ended = Signal()
    failed = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._scan: Scan | None = None
        self._gallery: Gallery | None = None
        self._running: Handle | None = None
        self._mapping: Handle | None = None
        self._is_mapped = False
        self.compared: Compared | None = None

    def open(self, scan: Scan | None, gallery: Gallery | None) -> None:
        """Compare these pictures when it is asked for; nothing is known of them yet."""
        self.cancel()
        if self._mapping is not None:
            self._mapping.cancel()
        self._mapping, self._is_mapped = None, False
        self._scan, self._gallery, self.compared = scan, gallery, None

    @property
    def running(self) -> bool:
        """Whether it compares now."""
        return self._running is not None

    def ensure(self) -> bool:
        """Return whether it is known, and begin to compare if it is not."""
        scan, gallery, workbench = self._scan, self._gallery, self._workbench
        if self.compared is not None:
            return True
        if self._running is not None or scan is None or gallery is None:
            return False

        def work(on_progress: OnProgress, cancel: CancelToken) -> Compared:
            return compare(workbench.data.features(scan, on_progress, cancel), gallery, cancel)

        self._running = self._bridge.run(work, self._on_known, self._on_failed, self.progressed.emit)
        self.started.emit()
        return False

    def cancel(self) -> None:
        """Compare no more; the features computed so far are kept."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
            self.ended.emit()

    def ensure_map(self) -> None:
        """Begin to make the better map, if it is not made."""
        compared = self.compared
        if compared is None or self._is_mapped or self._mapping is not None:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> NDArray[np.float32]:
            from core.features.alike import flat

            return spread(flat(compared.features.matrix, cancel), compared.numbers, len(compared.gallery))

        self._mapping = self._bridge.run(work, self._on_mapped, self._on_failed)

    def similar_to(self, number: int, on_found: Callable[[list[int], int], None]) -> None:
        """Find the pictures like one: `on_found` hears all their numbers, the likest first, and how many are alike."""
        compared = self.compared
        if compared is None:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[list[int], int]:
            import numpy as np

            from core.features.alike import most_alike, of_a_kind

            rows = np.flatnonzero(compared.numbers == number)
            if not len(rows):
                return [number], 1
            order, cosines = most_alike(compared.features.matrix, int(rows[0]))
            return compared.numbers[order].tolist(), 1 + of_a_kind(cosines)

        self._bridge.run(work, lambda found: on_found(*found))

    def _on_known(self, compared: Compared) -> None:
        self._running = None
        self.compared = compared
        self.ended.emit()
        self.known.emit(compared)

    def _on_mapped(self, places: NDArray[np.float32]) -> None:
        self._mapping, self._is_mapped = None, True
        self.mapped.emit(places)

    def _on_failed(self, error: UserFacingError) -> None:
        self._running = self._mapping = None
        self.ended.emit()
        self.failed.emit(error)


def compare(features: PictureFeatures, gallery: Gallery, cancel: CancelToken) -> Compared:
    """Return what features say of a gallery's pictures; those without features come last."""
    import numpy as np

    from core.features.alike import Alike, look_alikes, principal

    numbers = np.array([gallery.number(picture.path) for picture in features.pictures], np.int64)
    found = look_alikes(features.matrix, cancel)
    rest = np.setdiff1d(np.arange(len(gallery)), numbers)
    cohort = np.full(len(gallery), -1, np.int64)
    cohort[numbers] = found.cohort
    alike = Alike(np.concatenate([numbers[found.order], rest]), cohort)
    first = principal(features.matrix, 2) if len(features) else np.zeros((0, 2), np.float32)
    first = np.pad(first, ((0, 0), (0, 2 - first.shape[1])))
    low, high = (np.quantile(first, share, axis=0) if len(first) else np.zeros(2) for share in (0.005, 0.995))
    places = np.clip((first - low) / np.maximum(high - low, 1e-12), 0, 1).astype(np.float32)
    return Compared(gallery, features, numbers, alike, spread(places, numbers, len(gallery)))


def spread(places: NDArray[np.float32], numbers: NDArray[np.int64], total: int) -> NDArray[np.float32]:
    """Return the places of all pictures by number; those without one are in the lower left corner."""
    import numpy as np

    everywhere = np.tile(np.array([0.0, 1.0], np.float32), (total, 1))
    everywhere[numbers] = places
    return everywhere
