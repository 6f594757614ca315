"""What is shown and in which order: text, traits with their counts, order, and a pick of certain pictures."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from core.dataset.query import ORDERS, TRAITS
from core.translation import tr
from gui.data.pictures_model import PicturesModel
from gui.shared.basics import button
from gui.shared.flow import FlowLayout
from gui.shared.search_field import SearchField

TYPING_MS = 120
_TITLES = {trait.key: trait.title for trait in TRAITS}


class FilterBar(QWidget):
    """The filters of a `PicturesModel` besides class and split; each says how many pictures it would leave.

    Signals:
        map_toggled(bool): show the map in place of the grid, or no longer.
    """

    map_toggled = Signal(bool)

    def __init__(self, model: PicturesModel) -> None:
        super().__init__()
        self._model = model
        self.search = SearchField(tr("Filter by path"), tr("Part of a path"))
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(TYPING_MS)
        self._typing.timeout.connect(lambda: model.ask(text=self.search.text()))
        self.search.textChanged.connect(lambda _text: self._typing.start())
        self.order = QComboBox()
        self.order.setAccessibleName(tr("Order"))
        self.order.setToolTip(tr("Order of the pictures"))
        self.map = button(
            tr("Map"), icon_name="chart", tip=tr("All pictures as a map: what looks alike is close together")
        )
        self.map.setCheckable(True)
        self.map.toggled.connect(self.map_toggled)
        self.pick = button("", icon_name="x", kind="chip", tip=tr("Show all pictures again"))
        self.pick.clicked.connect(lambda: model.ask(pick=None))
        self.pick.hide()
        self.clear = button(tr("Clear"), kind="link", tip=tr("Take these filters away"))
        self.clear.clicked.connect(self.clear_all)
        self.chips: dict[str, QPushButton] = {}
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.search, 1)
        top.addWidget(self.order)
        top.addWidget(self.map)
        self._flow = FlowLayout()
        self._flow.addWidget(self.pick)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(8)
        box.addLayout(top)
        box.addLayout(self._flow)
        self._build_entries()
        model.sections_changed.connect(self.refresh)

    def _build_entries(self) -> None:
        for order in ORDERS:
            self.order.addItem(order.title, order.key)
            self.order.setItemData(self.order.count() - 1, order.help, Qt.ItemDataRole.ToolTipRole)
        self.order.currentIndexChanged.connect(lambda _at: self._model.ask(order=self.order.currentData()))
        for trait in TRAITS:
            chip = button(trait.title, kind="chip", tip=trait.help)
            chip.setCheckable(True)
            chip.toggled.connect(lambda _on: self._on_chip())
            chip.hide()
            self.chips[trait.key] = chip
            self._flow.addWidget(chip)
        self._flow.addWidget(self.clear)
        self.clear.hide()

    def show_trait(self, key: str) -> None:
        """Show the pictures that have a trait, and no other filter."""
        self.clear_all()
        self.chips[key].setChecked(True)

    def clear_all(self) -> None:
        """Take these filters away."""
        for chip in self.chips.values():
            with QSignalBlocker(chip):
                chip.setChecked(False)
        with QSignalBlocker(self.search):
            self.search.clear()
        self._typing.stop()
        self._model.ask(text="", traits=frozenset(), pick=None)

    def refresh(self) -> None:
        """Show the counts, and what is asked for."""
        query, counts = self._model.query, self._model.trait_counts
        for key, chip in self.chips.items():
            count = counts.get(key, 0)
            with QSignalBlocker(chip):
                chip.setChecked(key in query.traits)
            chip.setText(f"{_TITLES[key]} {count:,}")
            chip.setVisible(bool(count) or chip.isChecked())
        self.pick.setVisible(query.pick is not None)
        if query.pick is not None:
            self.pick.setText(query.pick.title)
            self.pick.setAccessibleName(tr("Show all pictures again instead of {title}").format(title=query.pick.title))
        self.clear.setVisible(bool(query.traits or query.text or query.pick))
        at = self.order.findData(query.order)
        with QSignalBlocker(self.order):
            self.order.setCurrentIndex(at)

    def _on_chip(self) -> None:
        self._model.ask(traits=frozenset(key for key, chip in self.chips.items() if chip.isChecked()))
