"""What is done with the chosen pictures, however it was asked for: by a key, the bar, the menu or a drop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.dataset.query import LEFT_OUT
from gui.data.class_keys import ACCEPT, ClassKeys
from gui.data.label_controller import SUGGESTION, LabelController
from gui.data.picture_grid import PictureGrid
from gui.data.pictures_model import PicturesModel


class ChosenActions:
    """Labels, leaves out and puts back the chosen pictures, and chooses the next one where the grid is shown."""

    def __init__(self, model: PicturesModel, grid: PictureGrid, labels: LabelController, keys: ClassKeys) -> None:
        self._model, self._grid, self._labels, self._keys = model, grid, labels, keys
        self.goes_on = True
        """Whether the next picture is chosen then: what comes next in the grid may be anywhere in the map."""

    @property
    def left_out(self) -> bool:
        """Whether all chosen pictures are left out."""
        gallery, chosen = self._model.gallery, self._model.chosen
        return bool(chosen) and all(gallery.has(number, LEFT_OUT) for number in chosen)

    def label(self, name: str | None) -> None:
        """Put them into a class; None takes their label away."""
        self._act(lambda paths: self._labels.label(paths, name))

    def accept(self) -> None:
        """Give each the class that is suggested for it."""
        rows = sorted(self._model.row_of(number) for number in self._model.chosen)
        self.accept_rows([row for row in rows if row >= 0])

    def accept_rows(self, rows: Sequence[int]) -> None:
        """Choose the pictures of these rows, and give each the class that is suggested for it."""
        wanted = {
            self._model.picture(row).path: suggestion.label
            for row in rows
            if (suggestion := self._model.suggestion(row)) is not None
        }
        if wanted:
            self._model.choose(rows)
            self._act(lambda _paths: self._labels.label_each(wanted, SUGGESTION))

    def leave_out(self) -> None:
        """Leave them out of what is trained."""
        self._act(self._labels.leave_out)

    def put_back(self) -> None:
        """Put them back into what is trained."""
        self._act(self._labels.put_back)

    def move(self, split: str | None) -> None:
        """Put them into a split; None where the shares put them."""
        self._act(lambda paths: self._labels.move(paths, split))

    def type_key(self, key: str) -> None:
        """Do what a letter or digit stands for: a class, or accepting what is suggested."""
        if key.lower() == ACCEPT:
            row = self._grid.current_row
            section = self._model.section_of(row) if row >= 0 else None
            if key.isupper() and section is not None:
                self.accept_rows(range(section.first, section.first + section.count))
            else:
                self.accept()
        elif (name := self._keys.class_of(key)) is not None:
            self.label(name)

    def _act(self, action: Callable[[list[str]], None]) -> None:
        """Do something with the chosen pictures; the next one that it was not done with is chosen then, in the grid."""
        model = self._model
        chosen = set(model.chosen)
        rows = [row for number in chosen if (row := model.row_of(number)) >= 0]
        if not chosen or self._labels.labelling is None:
            return
        action([picture.path for picture in model.chosen_pictures()])
        if not self.goes_on:
            return
        row = min(rows, default=0)
        while row < model.rowCount() and model.number(row) in chosen:
            row += 1
        if row < model.rowCount():
            self._grid.go_to(row)
        else:
            model.choose([])
