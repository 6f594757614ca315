"""The pictures of a dataset as a flat list in which every class is one run of rows."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal

from core.dataset.records import Picture
from gui.shared.feedback import format_bytes

AnyIndex = QModelIndex | QPersistentModelIndex
PICTURE_ROLE = Qt.ItemDataRole.UserRole
SPLIT_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()


@dataclass(frozen=True, slots=True)
class Section:
    """A class in the list: its rows are `first` to `first + count - 1`."""

    label: str
    first: int
    count: int


class PicturesModel(QAbstractListModel):
    """Pictures by class, appended in batches while a scan finds them, filtered by class and by split.

    Signals:
        sections_changed(): rows came, went or moved.
    """

    sections_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._all: dict[str, list[Picture]] = {}
        self._shown: dict[str, list[Picture]] = {}
        self._labels: list[str] = []
        self._starts: list[int] = [0]
        self._splits: Mapping[str, str] = {}
        self._label: str | None = None
        self._split: str | None = None

    # What it holds

    def clear(self) -> None:
        """Forget everything, the filter too."""
        self._splits, self._label, self._split = {}, None, None
        self.set_pictures(())

    def set_pictures(self, pictures: Iterable[Picture]) -> None:
        """Show these pictures instead."""
        self.set_grouped(grouped(pictures))

    def set_grouped(self, pictures: dict[str, list[Picture]]) -> None:
        """Show these pictures instead; for many, `grouped` can be called in another thread. The lists are kept."""
        self._all = pictures
        self._refilter()

    def add(self, pictures: Sequence[Picture]) -> None:
        """Add pictures at the end of their classes; one insertion per class."""
        for label, new in grouped(pictures).items():
            self._all.setdefault(label, []).extend(new)
            if visible := self._passing(new):
                self._insert(label, visible)
        self.sections_changed.emit()

    def set_splits(self, splits: Mapping[str, str]) -> None:
        """Say which split every path belongs to now; a path that is missing is in none."""
        self._splits = splits
        if self._split is not None:
            self._refilter()
        elif self.rowCount():
            self.dataChanged.emit(self.index(0), self.index(self.rowCount() - 1), [SPLIT_ROLE])

    def set_filter(self, label: str | None, split: str | None) -> None:
        """Show one class, one split, both or (None, None) everything."""
        if (label, split) != (self._label, self._split):
            self._label, self._split = label, split
            self._refilter()

    @property
    def sections(self) -> list[Section]:
        """Return the classes that are shown, sorted, with their rows."""
        return [
            Section(label, start, len(self._shown[label]))
            for label, start in zip(self._labels, self._starts, strict=False)
        ]

    @property
    def total(self) -> int:
        """Return how many pictures there are, shown or not."""
        return sum(map(len, self._all.values()))

    def picture(self, row: int) -> Picture:
        """Return the picture in a row."""
        at = bisect_right(self._starts, row) - 1
        return self._shown[self._labels[at]][row - self._starts[at]]

    def split_of(self, picture: Picture) -> str:
        """Return the split of a picture; empty while it has none."""
        return self._splits.get(picture.path) or picture.split or ""

    # What Qt asks

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """Return the pictures that are shown."""
        return 0 if parent.isValid() else self._starts[-1]

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """File name, details, the picture itself, and its split."""
        if not index.isValid() or index.row() >= self._starts[-1]:
            return None
        picture = self.picture(index.row())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return picture.path.rpartition("/")[2]
            case Qt.ItemDataRole.ToolTipRole:
                return self._details(picture, "\n")
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._details(picture, ", ")
            case _ if role == PICTURE_ROLE:
                return picture
            case _ if role == SPLIT_ROLE:
                return self.split_of(picture)
        return None

    # How it does it

    def _details(self, picture: Picture, between: str) -> str:
        split = self.split_of(picture)
        parts = [picture.path, f"{picture.width} × {picture.height} {picture.format}, {format_bytes(picture.size)}"]
        parts.append(f"class {picture.label}" + (f", {split}" if split else ""))
        return between.join(parts)

    def _passing(self, pictures: list[Picture]) -> list[Picture]:
        """Return those of one class that the filter lets through, in a list of their own."""
        if not pictures or (self._label is not None and pictures[0].label != self._label):
            return []
        if self._split is None:
            return pictures.copy()
        return [picture for picture in pictures if self.split_of(picture) == self._split]

    def _refilter(self) -> None:
        self.beginResetModel()
        self._shown = {}
        for label in sorted(self._all):
            if kept := self._passing(self._all[label]):
                self._shown[label] = kept
        self._index()
        self.endResetModel()
        self.sections_changed.emit()

    def _insert(self, label: str, pictures: list[Picture]) -> None:
        known = self._shown.get(label)
        if known is None:
            first = self._starts[bisect_right(self._labels, label)]
        else:
            first = self._starts[self._labels.index(label)] + len(known)
        self.beginInsertRows(QModelIndex(), first, first + len(pictures) - 1)
        self._shown.setdefault(label, []).extend(pictures)
        self._index()
        self.endInsertRows()

    def _index(self) -> None:
        self._labels = sorted(self._shown)
        self._starts = [0]
        for label in self._labels:
            self._starts.append(self._starts[-1] + len(self._shown[label]))


def grouped(pictures: Iterable[Picture]) -> dict[str, list[Picture]]:
    """Pictures by class, in their order."""
    by_class: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_class[picture.label].append(picture)
    return dict(by_class)
