"""The classes of a dataset, one stacked bar each (train, valid, test); choosing one filters the pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRectF, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.dataset.records import SPLITS
from core.translation import plural, tr
from gui.data.class_delegate import ClassDelegate
from gui.data.class_model import ClassModel, Counts
from gui.shared import formatting
from gui.shared.basics import button
from gui.shared.theme import split_colour


class ClassList(QWidget):
    """The legend, which filters by split, above the list, which filters by class.

    Signals:
        filtered(str | None, str | None): the class and the split to show; None is all.
        pictures_dropped(str | None): the chosen pictures were dropped on a class; None takes their label away.
        renamed(str, str): a class should have another name; one that exists merges the two.
        made(str): a new class should be made.
    """

    filtered = Signal(object, object)
    pictures_dropped = Signal(object)
    renamed = Signal(str, str)
    made = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.chips: dict[str, QPushButton] = {}
        self.model = ClassModel()
        self.view = QListView()
        self.view.setObjectName("rows")
        self.view.setModel(self.model)
        self.view.setAccessibleName(tr("Classes"))
        self.view.setMouseTracking(True)
        self.view.setUniformItemSizes(True)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setDragDropMode(QAbstractItemView.DragDropMode.DropOnly)
        self.view.setDropIndicatorShown(True)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._show_menu)
        self.model.dropped.connect(self.pictures_dropped)
        self.model.renamed.connect(self._on_renamed)
        delegate = ClassDelegate(self.view)
        delegate.segment_clicked.connect(self._on_segment)
        self.view.setItemDelegate(delegate)
        delegate.closeEditor.connect(self._on_renaming_ended)
        self.view.selectionModel().currentChanged.connect(self._on_changed)
        self._label: str | None = None
        self._waiting: tuple[Mapping[str, Counts], Callable[[str], str] | None] | None = None
        """Counts that came while a name was typed, which other rows would take away."""
        self._names: dict[str, tuple[str, ...]] = {}
        """All names of classes that were renamed here: what was chosen stays so, also when that is undone."""
        self._group = QButtonGroup(self)
        # Not exclusive by Qt: pressing the chip that is on turns it off, and then all splits show.
        self._group.setExclusive(False)
        legend = QHBoxLayout()
        legend.setSpacing(4)
        for split in SPLITS:
            chip = button(split.capitalize(), kind="chip", tip=tr("Show only pictures of {split}").format(split=split))
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
        self.new = QLineEdit()
        self.new.setPlaceholderText(tr("New class"))
        self.new.setAccessibleName(tr("New class"))
        self.new.setToolTip(tr("Type a name and press Return to make a class; drag pictures onto it, or press its key"))
        self.new.returnPressed.connect(self._on_new)
        box.addWidget(self.new)

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

    def set_counts(self, counts: Mapping[str, Counts], key_of: Callable[[str], str] | None = None) -> None:
        """Show other counts and keys; what is chosen stays chosen if it still exists."""
        self._waiting = None
        if self.view.state() == QAbstractItemView.State.EditingState:
            self._waiting = counts, key_of
            return
        chosen = self._label
        if chosen is not None and chosen not in counts:
            chosen = next((name for name in self._names.get(chosen, ()) if name in counts), chosen)
        self.model.set_counts(counts, key_of)
        row = self.model.row_of(chosen)
        if self.view.currentIndex().row() != row:
            self.view.setCurrentIndex(self.model.index(row))
        self._count_chips()

    def _count_chips(self) -> None:
        """Say how many pictures of the chosen class each split has."""
        counts = self.model.total if self._label is None else self.model.counts(self._label)
        for split, chip in self.chips.items():
            count = counts.get(split, 0)
            chip.setText(f"{split.capitalize()} {formatting.short_count(count)}" if count else split.capitalize())
            chip.setToolTip(
                plural(
                    "Show only the picture of {split}",
                    "Show only the {count:,} pictures of {split}",
                    count,
                    split=split,
                )
            )
            chip.setEnabled(bool(count) or chip.isChecked())

    def _on_renaming_ended(self) -> None:
        if self._waiting is not None:
            self.set_counts(*self._waiting)

    def reset(self) -> None:
        """Choose everything, and have all of it shown: the classes of another dataset have other names."""
        self._waiting = None
        self.model.set_counts({})
        self._label = None
        self._names.clear()
        for chip in self.chips.values():
            with QSignalBlocker(chip):
                chip.setChecked(False)
        self.filtered.emit(None, None)

    def _on_new(self) -> None:
        name = self.new.text().strip()
        self.new.clear()
        if name:
            self.made.emit(name)

    def _show_menu(self, at: QPoint) -> None:
        index = self.view.indexAt(at)
        name = self.model.label(index.row()) if index.isValid() else None
        if not name:
            return
        menu = QMenu(self)
        menu.setAccessibleName(tr("Class {name}").format(name=name))
        menu.addAction(tr("Rename\tF2")).triggered.connect(lambda: self.view.edit(index))
        merge = menu.addMenu(tr("Merge into"))
        others = [other for row in range(1, self.model.rowCount()) if (other := self.model.label(row))]
        for other in others:
            if other != name:
                entry = merge.addAction(other.replace("&", "&&"))
                entry.triggered.connect(partial(self._on_merge, name, other))
        merge.setEnabled(len(others) > 1)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.view.viewport().mapToGlobal(at))

    def _on_merge(self, old: str, new: str, _checked: bool = False) -> None:
        self._on_renamed(old, new)

    def _on_renamed(self, old: str, new: str) -> None:
        names = tuple(dict.fromkeys((new, *self._names.get(new, ()), old, *self._names.get(old, ()))))
        self._names |= dict.fromkeys(names, names)
        self.renamed.emit(old, new)

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
