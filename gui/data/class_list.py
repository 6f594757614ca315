"""The classes of a dataset, one stacked bar each (train, valid, test); choosing one filters the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSignalBlocker,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QIcon, QMouseEvent, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QListView,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from core.dataset.records import SPLITS
from gui.shared.basics import button
from gui.shared.theme import font, scaled, split_colour, tokens

AnyIndex = QModelIndex | QPersistentModelIndex
Counts = Mapping[str, int]
LABEL_ROLE = Qt.ItemDataRole.UserRole
COUNTS_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()
ALL, NO_CLASS = "All classes", "Unlabelled"
ROW_HEIGHT = 44


class ClassModel(QAbstractListModel):
    """All classes in the first row, then every class; counts by split, under "" while there is no split."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, Counts] = {}
        self._labels: list[str] = []
        self._total: dict[str, int] = {}

    def set_counts(self, counts: Mapping[str, Counts]) -> None:
        """Show other counts; rows stay where they are if the classes do."""
        total: dict[str, int] = {}
        for of_class in counts.values():
            for split, count in of_class.items():
                total[split] = total.get(split, 0) + count
        labels = sorted(counts, key=lambda label: (label.casefold(), label))
        if labels != self._labels:
            self.beginResetModel()
            self._counts, self._labels, self._total = dict(counts), labels, total
            self.endResetModel()
        else:
            self._counts, self._total = dict(counts), total
            self.dataChanged.emit(self.index(0), self.index(self.rowCount() - 1))

    @property
    def total(self) -> Counts:
        """Pictures of all classes, by split."""
        return self._total

    @property
    def largest(self) -> int:
        """Pictures of the largest class."""
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
        """One more than there are classes."""
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
            case Qt.ItemDataRole.ToolTipRole | Qt.ItemDataRole.AccessibleTextRole:
                return f"{self.name(index.row())}: {counts_in_words(counts)}"
            case _ if role == LABEL_ROLE:
                return label
            case _ if role == COUNTS_ROLE:
                return counts
        return None


def counts_in_words(counts: Counts) -> str:
    """ "40 pictures (28 train, 6 valid, 6 test)"."""
    total = sum(counts.values())
    parts = [f"{counts[split]:,} {split}" for split in SPLITS if counts.get(split)]
    return f"{total:,} picture{'' if total == 1 else 's'}" + (f" ({', '.join(parts)})" if parts else "")


class _BarDelegate(QStyledItemDelegate):
    """Name and count above a stacked bar; the bars share one scale."""

    segment_clicked = Signal(QPersistentModelIndex, str)

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return every row is equally high."""
        return QSize(120, scaled(ROW_HEIGHT))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Paint one row."""
        colours = tokens()
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.selection if chosen else colours.hover))
            painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 6, 6)
        counts: Counts = index.data(COUNTS_ROLE)
        text = rect.adjusted(8, 5, -8, -18)
        painter.setFont(font("figures"))
        painter.setPen(QColor(colours.muted))
        total = f"{sum(counts.values()):,}"
        painter.drawText(text, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, total)
        room = text.width() - painter.fontMetrics().horizontalAdvance(total) - 8
        painter.setFont(font("body" if index.row() else "strong"))
        painter.setPen(QColor(colours.text))
        name = painter.fontMetrics().elidedText(index.data(), Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        self._paint_bar(painter, _bar_rect(rect), index, QColor(colours.line))
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 1.5))
            painter.drawRoundedRect(QRectF(rect).adjusted(1.5, 1.5, -1.5, -1.5), 6, 6)
        painter.restore()

    def editorEvent(
        self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: AnyIndex
    ) -> bool:
        """Tell which part of a bar was clicked."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonRelease:
            rect: QRect = option.rect
            bar = _bar_rect(rect).adjusted(0, -4, 0, 4)
            if bar.contains(event.position()):
                for split, part in _segments(_bar_rect(rect), index):
                    if part.left() <= event.position().x() < part.right() and split:
                        self.segment_clicked.emit(QPersistentModelIndex(index), split)
                        return True
        return False

    def _paint_bar(self, painter: QPainter, bar: QRectF, index: AnyIndex, ground: QColor) -> None:
        clip = QPainterPath()
        clip.addRoundedRect(bar, 3, 3)
        painter.setClipPath(clip)
        painter.fillRect(bar, ground)
        for split, part in _segments(bar, index):
            painter.fillRect(part.adjusted(0, 0, -1, 0), split_colour(split))
        painter.setClipping(False)


def _bar_rect(row: QRect) -> QRectF:
    return QRectF(row.left() + 8, row.bottom() - 14, row.width() - 16, 7)


def _segments(bar: QRectF, index: AnyIndex) -> list[tuple[str, QRectF]]:
    """Return the parts of a row's bar; the longest bar is that of the largest class."""
    model = index.model()
    assert isinstance(model, ClassModel)
    counts: Counts = index.data(COUNTS_ROLE)
    whole = sum(counts.values()) if index.row() == 0 else model.largest
    parts, left = [], bar.left()
    for split in ("", *SPLITS):
        width = bar.width() * counts.get(split, 0) / max(1, whole)
        if width:
            parts.append((split, QRectF(left, bar.top(), width, bar.height())))
        left += width
    return parts


class ClassList(QWidget):
    """The legend, which filters by split, above the list, which filters by class.

    Signals:
        filtered(str | None, str | None): the class and the split to show; None is all.
    """

    filtered = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.chips: dict[str, QPushButton] = {}
        self.model = ClassModel()
        self.view = QListView()
        self.view.setObjectName("rows")
        self.view.setModel(self.model)
        self.view.setAccessibleName("Classes")
        self.view.setMouseTracking(True)
        self.view.setUniformItemSizes(True)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        delegate = _BarDelegate(self.view)
        delegate.segment_clicked.connect(self._on_segment)
        self.view.setItemDelegate(delegate)
        self.view.selectionModel().currentChanged.connect(self._on_changed)
        self._label: str | None = None
        self._group = QButtonGroup(self)
        # Not exclusive by Qt: pressing the chip that is on turns it off, and then all splits show.
        self._group.setExclusive(False)
        legend = QHBoxLayout()
        legend.setSpacing(2)
        for split in SPLITS:
            chip = button(split.capitalize(), kind="ghost", tip=f"Show only pictures of {split}")
            chip.setCheckable(True)
            chip.toggled.connect(lambda on, split=split: self._on_chip(split, on))
            self.chips[split] = chip
            self._group.addButton(chip)
            legend.addWidget(chip)
        legend.addStretch(1)
        self._dress_chips()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addLayout(legend)
        box.addWidget(self.view, 1)

    def _dress_chips(self) -> None:
        for split, chip in self.chips.items():
            chip.setIcon(_swatch(split_colour(split)))

    def changeEvent(self, event: QEvent) -> None:
        """Take the colours of another scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._dress_chips()

    @property
    def split(self) -> str | None:
        """Return the split that is chosen."""
        return next((split for split, chip in self.chips.items() if chip.isChecked()), None)

    def set_counts(self, counts: Mapping[str, Counts]) -> None:
        """Show other counts; what is chosen stays chosen if it still exists."""
        chosen = self._label
        self.model.set_counts(counts)
        row = self.model.row_of(chosen)
        if self.view.currentIndex().row() != row:
            self.view.setCurrentIndex(self.model.index(row))
        self._count_chips()

    def _count_chips(self) -> None:
        """Say how many pictures of the chosen class each split has."""
        counts = self.model.total if self._label is None else self.model.counts(self._label)
        for split, chip in self.chips.items():
            count = counts.get(split, 0)
            chip.setText(f"{split.capitalize()} {count:,}" if count else split.capitalize())
            chip.setEnabled(bool(count) or chip.isChecked())

    def reset(self) -> None:
        """Choose everything, and have all of it shown: the classes of another dataset have other names."""
        self.model.set_counts({})
        self._label = None
        for chip in self.chips.values():
            with QSignalBlocker(chip):
                chip.setChecked(False)
        self.filtered.emit(None, None)

    def _on_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        label = self.model.label(current.row()) if current.isValid() else None
        if label != self._label:
            self._label = label
            self._count_chips()
            self.filtered.emit(self._label, self.split)

    def _on_chip(self, split: str, on: bool) -> None:
        if on:
            for other, chip in self.chips.items():
                if other != split and chip.isChecked():
                    with QSignalBlocker(chip):
                        chip.setChecked(False)
        self.filtered.emit(self._label, self.split)

    def _on_segment(self, index: QPersistentModelIndex, split: str) -> None:
        self.view.setCurrentIndex(self.model.index(index.row()))
        self.chips[split].setChecked(True)


def _swatch(colour: QColor) -> QIcon:
    pixmap = QPixmap(24, 24)
    pixmap.setDevicePixelRatio(2)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawRoundedRect(QRectF(1, 1, 10, 10), 3, 3)
    painter.end()
    return QIcon(pixmap)
