"""The confusion matrix as it is seen: columns that fit the width, or of many a heat map that fits as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from core.translation import tr
from gui.jobs.confusion_delegate import ConfusionDelegate
from gui.jobs.confusion_model import ConfusionModel

MANY = 20
"""Classes from which on the table is a heat map without words."""
HEAT_CELLS = (3, 20)
"""The least and the largest side of a heat map's cells in pixels."""
_ROW, _NARROWEST, _WIDEST, _NAMES = 26, 40, 140, 120
_AIR = 16
"""Pixels about a name that may go where names would be cut; the theme leaves 2 of them."""


class ConfusionTable(QTableView):
    """A `ConfusionModel`; what is chosen in it is the selection model's current index."""

    def __init__(self, model: ConfusionModel) -> None:
        super().__init__()
        self._classes: tuple[str, ...] = ()
        self.setObjectName("confusion")
        self.setModel(model)
        self.setItemDelegate(ConfusionDelegate(self))
        self.setAccessibleName(tr("Confusion matrix: rows are the true classes, columns the predicted ones"))
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.verticalHeader().setMaximumWidth(_NAMES)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setTextElideMode(Qt.TextElideMode.ElideMiddle)

    @property
    def is_heat_map(self) -> bool:
        """Whether there are too many classes for words."""
        return len(self._classes) > MANY

    @property
    def whole_width(self) -> int:
        """Return the width that shows all of it with its names."""
        count, down = len(self._classes), self.verticalHeader()
        if self.is_heat_map:
            return count * min(HEAT_CELLS) + 2 * self.frameWidth() + 1
        names = down.sizeHint().width() + sum(self._natural) + self.columnWidth(count)
        return names + 2 * self.frameWidth() + 1

    @property
    def _natural(self) -> list[int]:
        bold = self.horizontalHeader().font()
        bold.setWeight(QFont.Weight.DemiBold)  # as the theme has it
        metrics = QFontMetrics(bold)
        return [min(max(metrics.horizontalAdvance(name) + 24, 48), _WIDEST) for name in self._classes]

    def fit(self, classes: Sequence[str]) -> None:
        """Give these classes' columns the room they need, as far as there is any."""
        self._classes = tuple(classes)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setVisible(not self.is_heat_map)
            header.setMinimumSectionSize(min(HEAT_CELLS))
        self.setColumnHidden(len(classes), self.is_heat_map)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns again."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if not self._classes:
            return
        count, room = len(self._classes), self.viewport().size()
        down = self.verticalHeader()
        if self.is_heat_map:
            least, largest = HEAT_CELLS
            cell = max(least, min(largest, min(room.width(), room.height()) // count))
            widths, height = [cell] * count, cell
        else:
            metrics = self.horizontalHeader().fontMetrics()
            widths = self._natural
            recall = metrics.horizontalAdvance(tr("Recall")) + 24
            self.setColumnWidth(count, recall)
            left, height = room.width() - recall, _ROW
            if sum(widths) > left:  # all are seen, with shorter names, rather than some
                widths = _narrowed([max(_NARROWEST, width - _AIR) for width in widths], left)
        if down.defaultSectionSize() != height:
            down.setDefaultSectionSize(height)
        for column, width in enumerate(widths):
            if self.columnWidth(column) != width:
                self.setColumnWidth(column, width)


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Return columns that fit into the room, where it has that for the narrowest: the widest give way, others stay."""
    low, high = _NARROWEST, max(widths)
    while low < high:
        limit = (low + high + 1) // 2
        low, high = (limit, high) if sum(min(width, limit) for width in widths) <= room else (low, limit - 1)
    return [min(width, low) for width in widths]
