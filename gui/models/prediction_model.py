"""The table of many classified pictures: a list of rows, filled as the answers come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtGui import QPixmap, QPixmapCache

from core.predict.intake import NamedPicture
from core.predict.records import Answer, Prediction, Unreadable, percent

AnyIndex = QModelIndex | QPersistentModelIndex

SORT_ROLE = Qt.ItemDataRole.UserRole
ANSWER_ROLE = Qt.ItemDataRole.UserRole + 1
THUMBNAIL_ROLE = Qt.ItemDataRole.UserRole + 2
_NOWHERE = QModelIndex()


class Column(IntEnum):
    """The columns, from left to right."""

    PICTURE = 0
    CLASS = 1
    PROBABILITY = 2
    SECOND = 3
    SIZE = 4
    TIME = 5


HEADERS = ("Picture", "Class", "Probability", "Next class", "Pixels", "Time")
_RIGHT = {Column.PROBABILITY, Column.SIZE, Column.TIME}


@dataclass(slots=True)
class _Row:
    picture: NamedPicture
    answer: Answer | None = None


class PredictionModel(QAbstractTableModel):
    """One row per picture, in the order they were found."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[_Row] = []

    def set_pictures(self, pictures: Sequence[NamedPicture]) -> None:
        """Begin anew with pictures that have no answers yet."""
        self.beginResetModel()
        self._rows = [_Row(picture) for picture in pictures]
        self.endResetModel()

    def set_answers(self, answers: Mapping[int, Answer]) -> None:
        """Fill in answers by row number; the rows should lie together."""
        for number, answer in answers.items():
            self._rows[number].answer = answer
        if answers:
            first, last = self.index(min(answers), 0), self.index(max(answers), len(Column) - 1)
            self.dataChanged.emit(first, last)

    def rows(self) -> list[tuple[NamedPicture, Answer | None]]:
        """All pictures and what is known of them."""
        return [(row.picture, row.answer) for row in self._rows]

    def picture(self, row: int) -> NamedPicture:
        """The picture in a row."""
        return self._rows[row].picture

    def answer(self, row: int) -> Answer | None:
        """The answer in a row, None while there is none."""
        return self._rows[row].answer

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """How many pictures there are."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        """How many columns there are."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The columns' names."""
        if orientation is Qt.Orientation.Horizontal and 0 <= section < len(HEADERS):
            if role == Qt.ItemDataRole.DisplayRole:
                return HEADERS[section]
            if role == Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(Column(section))
        return None

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows, and what it sorts by (`SORT_ROLE`)."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], Column(index.column())
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return _text(row, column)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _alignment(column)
            case Qt.ItemDataRole.ToolTipRole:
                return _tooltip(row, column)
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{HEADERS[column]}: {_text(row, column)}"
            case _ if role == SORT_ROLE:
                return _sort_key(row, column)
            case _ if role == ANSWER_ROLE:
                return row.answer
            case _ if role == THUMBNAIL_ROLE and column is Column.PICTURE:
                return _thumbnail(row)
        return None


class PredictionProxy(QSortFilterProxyModel):
    """Sorts by `SORT_ROLE` and keeps the rows whose name or class contains the words typed."""

    def __init__(self, model: PredictionModel) -> None:
        super().__init__()
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)
        self.setSortCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        # Rows that move while answers come in cannot be read; the table sorts once at the end.
        self.setDynamicSortFilter(False)
        self._model = model
        self._words: tuple[str, ...] = ()

    def set_words(self, text: str) -> None:
        """Keep the rows that contain every word of `text`."""
        self.beginFilterChange()
        self._words = tuple(text.lower().split())
        self.endFilterChange(QSortFilterProxyModel.Direction.Rows)

    def filterAcceptsRow(self, source_row: int, source_parent: AnyIndex) -> bool:
        """Whether a row contains every word."""
        if not self._words:
            return True
        answer = self._model.answer(source_row)
        said = answer.label if isinstance(answer, Prediction) else ("unreadable" if answer else "")
        text = f"{self._model.picture(source_row).name} {said}".lower()
        return all(word in text for word in self._words)


def _text(row: _Row, column: Column) -> str:
    answer = row.answer
    if column is Column.PICTURE:
        return row.picture.name
    if answer is None:
        return "…" if column is Column.CLASS else ""
    if isinstance(answer, Unreadable):
        # The name stands in the column before.
        return answer.error.what.removeprefix(row.picture.name).strip() if column is Column.CLASS else ""
    match column:
        case Column.CLASS:
            return answer.label
        case Column.PROBABILITY:
            return percent(answer.probability)
        case Column.SECOND:
            return f"{answer.classes[1][0]}  {percent(answer.classes[1][1])}" if len(answer.classes) > 1 else ""
        case Column.SIZE:
            return f"{answer.width:,} × {answer.height:,}"
        case Column.TIME:
            return f"{answer.milliseconds:.1f} ms"


def _sort_key(row: _Row, column: Column) -> str | float:
    answer = row.answer
    if column is Column.PICTURE:
        return row.picture.name
    if not isinstance(answer, Prediction):
        # Unreadable pictures come together, after every class and below every number.
        return "\uffff" + _text(row, column) if column in (Column.CLASS, Column.SECOND) else -1.0
    match column:
        case Column.CLASS:
            return answer.label
        case Column.PROBABILITY:
            return answer.probability
        case Column.SECOND:
            return answer.classes[1][0] if len(answer.classes) > 1 else ""
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
