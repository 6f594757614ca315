"""The pictures of the open dataset: filters, the grid, and the large view over it."""

from __future__ import annotations

from pathlib import Path

from core.dataset.query import Pick
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.data.filter_bar import FilterBar
from gui.data.large_view import LargeView
from gui.data.picture_grid import PictureGrid
from gui.data.pictures_model import PicturesModel
from gui.data.thumbnails import Thumbnails
from gui.shared.announce import announce
from gui.shared.basics import label
from gui.shared.card import Card


class PicturesCard(Card):
    """Shows a `PicturesModel`, which it owns."""

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__("Pictures")
        self.model = PicturesModel()
        edge = 320 if self.devicePixelRatioF() > 1.3 else 160
        self.thumbnails = Thumbnails(bridge, workbench.paths.thumbnails, edge)
        self.filters = FilterBar(self.model)
        self.grid = PictureGrid(self.model, self.thumbnails)
        self.filters.search.results = self.grid
        self.large = LargeView(self.grid, bridge, workbench.paths.thumbnails, self.thumbnails)
        self.count = label("", "figures")
        self.count.setProperty("role", "muted")
        self.add_action(self.count)
        self.add(self.filters)
        self.add(self.grid, 1)
        self.grid.resized.connect(lambda: self.large.setGeometry(self.grid.rect()))
        self.grid.view_asked.connect(self._toggle_large)
        self.grid.looked_at.connect(self._on_looked_at)
        self.grid.command.connect(self._on_command)
        self.model.sections_changed.connect(self._on_arranged)
        self.model.chosen_changed.connect(self._on_chosen)

    def set_root(self, root: Path) -> None:
        """Show the pictures of another folder."""
        self.thumbnails.set_root(root)
        self.large.set_root(root)
        self.model.clear()
        self.filters.clear_all()

    def stop(self) -> None:
        """Read no more pictures."""
        self.thumbnails.stop()
        self.large.stop()

    def show_pick(self, pick: Pick) -> None:
        """Show certain pictures, whatever their class and split."""
        self.filters.clear_all()
        self.model.ask(label=None, split=None, pick=pick)
        self.grid.setFocus()

    def _toggle_large(self) -> None:
        if self.large.isVisible():
            self.large.close_view()
        elif self.grid.current_row >= 0:
            self._show_large(self.grid.current_row)

    def _show_large(self, row: int) -> None:
        near = [at for at in (row + 1, row - 1) if 0 <= at < self.model.rowCount()]
        beside = [self.model.picture(at) for at in near]
        self.large.setGeometry(self.grid.rect())
        self.large.show_picture(self.model.picture(row), self.model.details(self.model.number(row)), beside)

    def _on_looked_at(self, row: int) -> None:
        if self.large.isVisible():
            if row >= 0:
                self._show_large(row)
            else:
                self.large.close_view()

    def _on_command(self, command: str) -> None:
        if command == "escape":
            if self.large.isVisible():
                self.large.close_view()
            else:
                self.model.choose([])

    def _on_arranged(self) -> None:
        shown, total = self.model.rowCount(), self.model.total
        self.count.setText(f"{shown:,}" if shown == total else f"{shown:,} of {total:,}")
        if self.large.isVisible():
            self._on_looked_at(self.grid.current_row)

    def _on_chosen(self) -> None:
        count = len(self.model.chosen)
        if count != 1:  # one is read out as the grid's current picture
            announce(self.grid, f"{count:,} pictures chosen")
