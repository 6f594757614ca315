"""The pictures of a dataset as rows under headers, as `core.dataset.gallery` arranges them, and which are chosen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal

from core.dataset.query import Query, Section
from core.dataset.records import Picture
from core.translation import tr
from gui.shared.feedback import format_bytes

if TYPE_CHECKING:
    from core.dataset.gallery import Arrangement, Gallery, Numbers, Suggestion

AnyIndex = QModelIndex | QPersistentModelIndex
PICTURE_ROLE = Qt.ItemDataRole.UserRole
SPLIT_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()


class PicturesModel(QAbstractListModel):
    """The pictures that a query lets through, in its order, in sections.

    What is chosen is kept by picture, so it survives another order and other filters.

    Signals:
        sections_changed(): rows came, went or moved; the counts of the filters may be others.
        chosen_changed(): other pictures are chosen.
    """

    sections_changed = Signal()
    chosen_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.query = Query()
        self._arranged: Arrangement | None = None
        self._starts: list[int] = []
        self._rows: list[int] = []
        self._row_of: dict[int, int] | None = None
        self.keeps_place = False
        """Whether what is arranged now should leave the current row where it is, even with another picture in it."""
        self.chosen: set[int] = set()
        """The numbers of the chosen pictures, shown or not."""

    # What it holds

    @cached_property
    def gallery(self) -> Gallery:
        """Return all pictures, shown or not. The window is painted before numpy, which they need, is imported."""
        from core.dataset.gallery import Gallery

        return Gallery()

    def clear(self) -> None:
        """Forget everything; the order stays."""
        self.query = Query(order=self.query.order)
        if self._arranged is not None:
            self.set_pictures(())

    def set_gallery(self, gallery: Gallery) -> None:
        """Show these pictures instead; nothing is chosen."""
        self.gallery = gallery
        self._set_chosen(set())
        self.arrange()

    def set_pictures(self, pictures: Sequence[Picture]) -> None:
        """Show these pictures instead."""
        from core.dataset.gallery import Gallery

        gallery = Gallery()
        gallery.add(pictures)
        self.set_gallery(gallery)

    def add(self, pictures: Sequence[Picture]) -> None:
        """Add pictures; each goes where the order wants it."""
        self.gallery.add(pictures)
        self.arrange()

    def set_splits(self, splits: Mapping[str, str]) -> None:
        """Say which split every path belongs to now; a path that is missing is where its folder says."""
        self.gallery.set_splits(splits)
        self.arrange()

    def ask(self, **changes: Any) -> None:
        """Change some of what is asked for; see `Query`."""
        query = replace(self.query, **changes)
        if query != self.query:
            self.query = query
            self.arrange()

    def arrange(self, *, keep_place: bool = False) -> None:
        """Filter and sort again, after something else became known of the pictures.

        With `keep_place` the current row stays where it is, else the current picture stays the current one.
        """
        arranged = self.gallery.arrange(self.query)
        self.keeps_place = keep_place
        self.beginResetModel()
        self._arranged = arranged
        self._rows = arranged.rows.tolist()
        self._starts = [section.first for section in arranged.sections]
        self._row_of = None
        self.endResetModel()
        self.sections_changed.emit()

    @property
    def sections(self) -> Sequence[Section]:
        """Return the headers that are shown, with their rows."""
        return self._arranged.sections if self._arranged is not None else ()

    @property
    def label_counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many pictures each class and split would show, the other filters given."""
        return self._arranged.labels if self._arranged is not None else {}

    @property
    def trait_counts(self) -> Mapping[str, int]:
        """Return how many pictures each trait would leave."""
        return self._arranged.traits if self._arranged is not None else {}

    @property
    def total(self) -> int:
        """Return how many pictures there are, shown or not."""
        return len(self.gallery)

    def number(self, row: int) -> int:
        """Return the number of the picture in a row."""
        return self._rows[row]

    def numbers(self) -> Numbers:
        """Return the numbers of all pictures that are shown, in their order."""
        import numpy as np

        return self._arranged.rows if self._arranged is not None else np.zeros(0, np.int64)

    def row_of(self, number: int) -> int:
        """Return the row of a picture; -1 while it is not shown."""
        if self._row_of is None:
            self._row_of = {number: row for row, number in enumerate(self._rows)}
        return self._row_of.get(number, -1)

    def section_of(self, row: int) -> Section:
        """Return the section that a row is in."""
        return self.sections[bisect_right(self._starts, row) - 1]

    def picture(self, row: int) -> Picture:
        """Return the picture in a row."""
        return self.gallery.pictures[self._rows[row]]

    def suggestion(self, row: int) -> Suggestion | None:
        """Return the class that the picture in a row probably has."""
        return self.gallery.suggestion(self._rows[row])

    # What is chosen

    def choose(self, rows: Iterable[int], *, add: bool = False) -> None:
        """Choose the pictures in these rows, besides those that are chosen or instead of them."""
        chosen = {self._rows[row] for row in rows}
        self._set_chosen(self.chosen | chosen if add else chosen)

    def choose_numbers(self, numbers: Iterable[int]) -> None:
        """Choose these pictures, shown or not."""
        self._set_chosen(set(numbers))

    def toggle(self, row: int) -> None:
        """Choose a picture, or no longer."""
        self._set_chosen(self.chosen ^ {self._rows[row]})

    def is_chosen(self, row: int) -> bool:
        """Whether the picture in a row is chosen."""
        return self._rows[row] in self.chosen

    def chosen_pictures(self) -> list[Picture]:
        """Return the chosen pictures, in the order in which they were found."""
        return [self.gallery.pictures[number] for number in sorted(self.chosen)]

    @property
    def chosen_unseen(self) -> int:
        """Return how many of the chosen pictures the filters hide."""
        return sum(self.row_of(number) < 0 for number in self.chosen)

    def _set_chosen(self, chosen: set[int]) -> None:
        if chosen != self.chosen:
            self.chosen = chosen
            self.chosen_changed.emit()

    # What Qt asks

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """Return the pictures that are shown."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return file name, details, the picture itself, and its split."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        picture, number = self.picture(index.row()), self._rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return picture.path.rpartition("/")[2]
            case Qt.ItemDataRole.ToolTipRole:
                return "\n".join(self.details(number))
            case Qt.ItemDataRole.AccessibleTextRole:
                chosen = [tr("chosen")] if number in self.chosen else []
                return ", ".join([*self.details(number), *chosen])
            case _ if role == PICTURE_ROLE:
                return picture
            case _ if role == SPLIT_ROLE:
                return self.gallery.split_of(number)
        return None

    def details(self, number: int) -> list[str]:
        """Return what is known of a picture, a line each."""
        picture, label, split = (
            self.gallery.pictures[number],
            self.gallery.label_of(number),
            self.gallery.split_of(number),
        )
        size = format_bytes(picture.size)
        lines = [picture.path, f"{picture.width} × {picture.height} {picture.format}, {size}"]
        about = tr("class {label}").format(label=label) if label else tr("no class yet")
        lines.append(f"{about}, {split}" if split else about)
        if suggestion := self.gallery.suggestion(number):
            lines.append(
                tr("looks like {label} ({probability:.0%})").format(
                    label=suggestion.label, probability=suggestion.probability
                )
            )
        lines += [trait.title.lower() for trait in self.gallery.traits_of(number) if trait.key != "unlabelled"]
        return lines
