"""The table of many classified pictures: a list of rows, filled as the answers come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QPixmap, QPixmapCache

from core.jobs.accuracy import percent
from core.predict.intake import NamedPicture
from core.predict.records import Answer, Prediction, Unreadable
from core.translation import tr

AnyIndex = QModelIndex | QPersistentModelIndex

ANSWER_ROLE = Qt.ItemDataRole.UserRole
THUMBNAIL_ROLE = Qt.ItemDataRole.UserRole + 1
_NOWHERE = QModelIndex()


class Column(IntEnum):
    """The columns, from left to right."""

    PICTURE = 0
    TRUTH = 1
    CLASS = 2
    PROBABILITY = 3
    SECOND = 4
    SIZE = 5
    TIME = 6


HEADERS = (tr("Picture"), tr("Is"), tr("Class"), tr("Probability"), tr("Next class"), tr("Pixels"), tr("Time"))
_RIGHT = {Column.PROBABILITY, Column.SIZE, Column.TIME}


@dataclass(slots=True)
class _Row:
    picture: NamedPicture
    answer: Answer | None = None
    truth: str = ""


class PredictionModel(QAbstractTableModel):
    """One row per picture; sorts and filters by itself.

    A proxy would ask for every cell again and again from C++: 10,000 rows took seconds to sort, here milliseconds.
    A picture's number is its place in the order they were found; its row is where it is shown now.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pictures: list[_Row] = []
        self._order: list[int] = []
        self._words: tuple[str, ...] = ()
        self._sorting: tuple[Column, bool] | None = None

    def set_pictures(self, pictures: Sequence[NamedPicture]) -> None:
        """Begin again with pictures that have no answers yet, unsorted and unfiltered."""
        self.beginResetModel()
        self._pictures = [_Row(picture) for picture in pictures]
        self._order = list(range(len(pictures)))
        self._words, self._sorting = (), None
        self.endResetModel()

    def set_answers(self, answers: Mapping[int, Answer]) -> None:
        """Fill in answers by number. Rows stay where they are: what moves cannot be read; `arrange` moves them."""
        for number, answer in answers.items():
            self._pictures[number].answer = answer
        if not answers or not self._order:
            return
        first, last = 0, len(self._order) - 1
        if len(self._order) == len(self._pictures) and self._sorting is None:
            first, last = min(answers), max(answers)
        self.dataChanged.emit(self.index(first, 0), self.index(last, len(Column) - 1))

    def set_truth(self, labels: Mapping[Path, str]) -> None:
        """Say what pictures show, by their files: those that were answered wrongly can then come first."""
        for row in self._pictures:
            row.truth = labels.get(row.picture.source, "") if isinstance(row.picture.source, Path) else ""
        if self._order:
            self.dataChanged.emit(self.index(0, Column.TRUTH), self.index(len(self._order) - 1, Column.TRUTH))

    def set_words(self, text: str) -> None:
        """Keep the rows whose name or class contains every word of `text`."""
        self._words = tuple(text.lower().split())
        self.arrange()

    def arrange(self) -> None:
        """Filter and sort again, after answers have come."""
        self.beginResetModel()
        self._order = self._sorted([n for n, row in enumerate(self._pictures) if _matches(row, self._words)])
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, or back into the order they were found with -1; what could not be read comes last."""
        self._sorting = (Column(column), order == Qt.SortOrder.DescendingOrder) if column >= 0 else None
        self.layoutAboutToBeChanged.emit()
        before = [(index, self._order[index.row()]) for index in self.persistentIndexList()]
        self._order = self._sorted(sorted(self._order))
        rows = {number: row for row, number in enumerate(self._order)}
        for index, number in before:
            self.changePersistentIndex(index, self.index(rows[number], index.column()))
        self.layoutChanged.emit()

    def rows(self) -> list[tuple[NamedPicture, Answer | None]]:
        """Return all pictures in the order they were found, and what is known of them."""
        return [(row.picture, row.answer) for row in self._pictures]

    def row_of(self, number: int) -> int:
        """Return where a picture is shown; -1 while it is filtered out."""
        return self._order.index(number) if number in self._order else -1

    def picture(self, row: int) -> NamedPicture:
        """Return the picture in a row."""
        return self._pictures[self._order[row]].picture

    def answer(self, row: int) -> Answer | None:
        """Return the answer in a row, None while there is none."""
        return self._pictures[self._order[row]].answer

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """Return how many pictures are shown."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """Return how many columns there are."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the columns' names."""
        if orientation is Qt.Orientation.Horizontal and 0 <= section < len(HEADERS):
            if role == Qt.ItemDataRole.DisplayRole:
                return HEADERS[section]
            if role == Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(Column(section))
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        row, column = self._pictures[self._order[index.row()]], Column(index.column())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return _text(row, column)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case Qt.ItemDataRole.ToolTipRole:
                return _tooltip(row, column)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{HEADERS[column]}: {_text(row, column)}"
            case _ if role == ANSWER_ROLE:
                return row.answer
            case _ if role == THUMBNAIL_ROLE and column is Column.PICTURE:
                return _thumbnail(row)
        return None

    def _sorted(self, numbers: list[int]) -> list[int]:
        if self._sorting is None:
            return numbers
        column, backwards = self._sorting
        keys = {number: _sort_key(self._pictures[number], column) for number in numbers}
        known = [number for number in numbers if keys[number] is not None]
        known.sort(key=keys.__getitem__, reverse=backwards)  # type: ignore[arg-type]
        return known + [number for number in numbers if keys[number] is None]


def _matches(row: _Row, words: tuple[str, ...]) -> bool:
    if not words:
        return True
    said = "unreadable" if row.answer else ""
    if isinstance(row.answer, Prediction):
        said = f"{row.answer.label} {row.answer.answer}"
    text = f"{row.picture.name} {row.truth} {said}".lower()
    return all(word in text for word in words)


def _text(row: _Row, column: Column) -> str:
    answer = row.answer
    if column is Column.PICTURE:
        return row.picture.name
    if column is Column.TRUTH:
        return row.truth
    if answer is None:
        return "…" if column is Column.CLASS else ""
    if isinstance(answer, Unreadable):
        # The name stands in the column before.
        return answer.error.what.removeprefix(row.picture.name).strip() if column is Column.CLASS else ""
    match column:
        case Column.CLASS:
            return f"{answer.answer} ({answer.label}?)" if answer.unknown else answer.label
        case Column.PROBABILITY:
            return percent(answer.probability)
        case Column.SECOND:
            return f"{answer.classes[1][0]}  {percent(answer.classes[1][1])}" if len(answer.classes) > 1 else ""
        case Column.SIZE:
            return f"{answer.width:,} × {answer.height:,}"
        case Column.TIME:
            return tr("{milliseconds:.1f} ms").format(milliseconds=answer.milliseconds)


def _sort_key(row: _Row, column: Column) -> str | float | None:
    """Return what a row sorts by; None puts it last."""
    answer = row.answer
    if column is Column.PICTURE:
        return row.picture.name.casefold()
    if not isinstance(answer, Prediction):
        return None
    match column:
        case Column.TRUTH:  # wrong ones first, the surest mistakes before all
            return None if not row.truth else 2 * float(row.truth == answer.label) - answer.probability
        case Column.CLASS:
            return answer.answer.casefold()
        case Column.PROBABILITY:
            return answer.probability
        case Column.SECOND:
            return answer.classes[1][0].casefold() if len(answer.classes) > 1 else None
        case Column.SIZE:
            return float(answer.width * answer.height)
        case Column.TIME:
            return answer.milliseconds


def _tooltip(row: _Row, column: Column) -> str | None:
    if isinstance(row.answer, Unreadable):
        return str(row.answer.error)
    if column is Column.PICTURE:
        return str(row.picture.source) if not isinstance(row.picture.source, bytes) else row.picture.name
    if column is Column.CLASS and row.answer is not None:
        return "\n".join(f"{label}  {percent(probability)}" for label, probability in row.answer.classes)
    return None


def _thumbnail(row: _Row) -> QPixmap | None:
    if not isinstance(row.answer, Prediction) or not row.answer.thumbnail:
        return None
    key = f"prediction-{hash(row.answer.thumbnail)}-{len(row.answer.thumbnail)}"
    pixmap = QPixmap()
    if not QPixmapCache.find(key, pixmap):
        pixmap.loadFromData(row.answer.thumbnail)
        QPixmapCache.insert(key, pixmap)
    return pixmap


def _alignment(column: Column) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _RIGHT else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
