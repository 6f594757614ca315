"""A confusion matrix as a table model: rows are the true classes, columns the predicted ones, recall at the end."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from core.jobs.accuracy import percent, share_words
from core.predict.evaluate import Evaluation
from core.translation import tr

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class ConfusionRole(IntEnum):
    """What `ConfusionModel.data` answers besides the standard roles."""

    SHARE = Qt.ItemDataRole.UserRole + 1
    RIGHT = Qt.ItemDataRole.UserRole + 2


class ConfusionModel(QAbstractTableModel):
    """One evaluation."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._evaluation: Evaluation | None = None

    def set_evaluation(self, evaluation: Evaluation | None) -> None:
        """Show another evaluation."""
        self.beginResetModel()
        self._evaluation = evaluation
        self.endResetModel()

    def count(self, index: _Index) -> int:
        """Return how many pictures a cell counts."""
        assert self._evaluation is not None
        return self._evaluation.confusion[index.row()][index.column()]

    def rowCount(self, parent: _Index = _ROOT) -> int:
        """Return the number of classes."""
        return 0 if parent.isValid() or self._evaluation is None else len(self._evaluation.classes)

    def columnCount(self, parent: _Index = _ROOT) -> int:
        """Return the number of classes, and one column for recall."""
        return 0 if parent.isValid() or self._evaluation is None else len(self._evaluation.classes) + 1

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the classes' names."""
        if self._evaluation is None or role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        classes = self._evaluation.classes
        if section >= len(classes):
            return tr("Recall") if orientation == Qt.Orientation.Horizontal else None
        if role == Qt.ItemDataRole.ToolTipRole:
            kind = "predicted" if orientation == Qt.Orientation.Horizontal else "true"
            return f"{classes[section]} ({kind})"
        return classes[section]

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the count, how much of its row that is, and a sentence."""
        if self._evaluation is None or not index.isValid():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignCenter
        classes, row, column = self._evaluation.classes, index.row(), index.column()
        if column == len(classes):
            return self._recall(row, role)
        count = self._evaluation.confusion[row][column]
        total = sum(self._evaluation.confusion[row])
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return str(count)
            case ConfusionRole.SHARE:
                return count / total if total else 0.0
            case ConfusionRole.RIGHT:
                return row == column
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleTextRole:
                sentence = tr("{count} of {total} pictures of {label} taken for {predicted}")
                return sentence.format(count=count, total=total, label=classes[row], predicted=classes[column])
        return None

    def _recall(self, row: int, role: int) -> str | None:
        """Return how many of a class it knows, and how sure that is."""
        assert self._evaluation is not None
        score = self._evaluation.per_class[row]
        if role == Qt.ItemDataRole.DisplayRole:
            return "—" if score.recall is None else percent(score.recall)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole) and score.recall is not None:
            sentence = tr("{right} of {count} pictures of {label} are right: {figures}")
            figures = share_words(score.right, score.support)
            return sentence.format(right=score.right, count=score.support, label=score.label, figures=figures)
        return None
