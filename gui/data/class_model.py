"""The classes of a dataset as rows, with their counts by split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QPersistentModelIndex, Qt, Signal

from core.dataset.query import in_order
from core.dataset.records import SPLITS
from core.translation import plural, tr
from gui.data.chosen_drag import CHOSEN_MIME

AnyIndex = QModelIndex | QPersistentModelIndex
Counts = Mapping[str, int]
LABEL_ROLE = Qt.ItemDataRole.UserRole
COUNTS_ROLE = Qt.ItemDataRole.UserRole + 1
KEY_ROLE = Qt.ItemDataRole.UserRole + 2
_NOWHERE = QModelIndex()
ALL, NO_CLASS = tr("All classes"), tr("Unlabelled")


class ClassModel(QAbstractListModel):
    """All classes in the first row, then every class; counts by split, under "" while there is no split.

    Chosen pictures can be dropped on a class, and its name can be edited.

    Signals:
        dropped(str | None): chosen pictures were dropped on a class; None takes their label away.
        renamed(str, str): a class was given another name.
    """

    dropped = Signal(object)
    renamed = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, Counts] = {}
        self._labels: list[str] = []
        self._total: dict[str, int] = {}
        self._key_of: Callable[[str], str] = _no_key

    def set_counts(self, counts: Mapping[str, Counts], key_of: Callable[[str], str] | None = None) -> None:
        """Show other counts, and the key of each class; rows stay where they are if the classes do."""
        self._key_of = key_of or _no_key
        total: dict[str, int] = {}
        for of_class in counts.values():
            for split, count in of_class.items():
                total[split] = total.get(split, 0) + count
        labels = sorted(counts, key=in_order)
        if labels != self._labels:
            self.beginResetModel()
            self._counts, self._labels, self._total = dict(counts), labels, total
            self.endResetModel()
        else:
            self._counts, self._total = dict(counts), total
            self.dataChanged.emit(self.index(0), self.index(self.rowCount() - 1))

    @property
    def total(self) -> Counts:
        """Return pictures of all classes, by split."""
        return self._total

    @property
    def largest(self) -> int:
        """Return pictures of the largest class."""
        return max((sum(counts.values()) for counts in self._counts.values()), default=0)

    def name(self, row: int) -> str:
        """Return what a row is called."""
        label = self.label(row)
        return ALL if label is None else label or NO_CLASS

    def counts(self, label: str) -> Counts:
        """Return the pictures of a class, by split."""
        return self._counts.get(label, {})

    def label(self, row: int) -> str | None:
        """Return the class in a row; None for the row of all classes, "" for that of the pictures without a class."""
        return self._labels[row - 1] if row > 0 else None

    def row_of(self, label: str | None) -> int:
        """Return where a class is; 0 for all, and for one that is gone."""
        return self._labels.index(label) + 1 if label in self._labels else 0

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """Return one more than there are classes."""
        return 0 if parent.isValid() or not self._labels else len(self._labels) + 1

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the name, the counts, and both in words."""
        if not index.isValid():
            return None
        label = self.label(index.row())
        counts = self._total if label is None else self._counts[label]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self.name(index.row())
            case Qt.ItemDataRole.EditRole:
                return label
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleTextRole:
                return f"{self.name(index.row())}: {counts_in_words(counts)}"
            case _ if role == LABEL_ROLE:
                return label
            case _ if role == COUNTS_ROLE:
                return counts
            case _ if role == KEY_ROLE:
                return self._key_of(label) if label else ""
        return None

    def setData(self, index: AnyIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Ask for another name; the row shows it when it is kept."""
        old, new = self.label(index.row()), str(value).strip()
        if role == Qt.ItemDataRole.EditRole and old and new and new != old:
            self.renamed.emit(old, new)
        return False

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        """Return that a class can be renamed, and takes pictures."""
        flags = super().flags(index)
        if not index.isValid() or index.row() == 0:
            return flags
        flags |= Qt.ItemFlag.ItemIsDropEnabled
        return flags | Qt.ItemFlag.ItemIsEditable if self.label(index.row()) else flags

    def mimeTypes(self) -> list[str]:
        """Return what a class takes."""
        return [CHOSEN_MIME]

    def supportedDropActions(self) -> Qt.DropAction:
        """Return what a drop does to its source."""
        return Qt.DropAction.MoveAction

    def canDropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: AnyIndex) -> bool:
        """Whether chosen pictures are over a class."""
        return data.hasFormat(CHOSEN_MIME) and parent.isValid() and parent.row() > 0

    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: AnyIndex) -> bool:
        """Say which class the chosen pictures were dropped on."""
        if not self.canDropMimeData(data, action, row, column, parent):
            return False
        self.dropped.emit(self.label(parent.row()) or None)
        return True


def _no_key(_label: str) -> str:
    return ""


def counts_in_words(counts: Counts) -> str:
    """Return "40 pictures (28 train, 6 valid, 6 test)"."""
    pictures = plural("{count:,} picture", "{count:,} pictures", sum(counts.values()))
    parts = [f"{counts[split]:,} {split}" for split in SPLITS if counts.get(split)]
    return f"{pictures} ({', '.join(parts)})" if parts else pictures
