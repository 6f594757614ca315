"""A log as a list model: lines are appended in batches, filtered by level and text; 100,000 of them stay smooth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL)\b|^\w*(Error|Exception)\b|^Traceback ", re.ASCII)
_WARNING = re.compile(r"\bWARN(ING)?\b|\b\w*Warning:", re.ASCII)
_METRIC = re.compile(r"^(epoch|step)=\d", re.ASCII)


class LogLevel(IntEnum):
    """How much a log line matters."""

    INFO = 0
    METRIC = 1
    WARNING = 2
    ERROR = 3


class LogRole(IntEnum):
    """What `LogModel.data` answers besides the standard roles."""

    LEVEL = Qt.ItemDataRole.UserRole + 1
    NUMBER = Qt.ItemDataRole.UserRole + 2


class LogLevels:
    """Tells the level of each line of one log, in order: a traceback is an error from its first line to its last."""

    def __init__(self) -> None:
        self._in_traceback = False

    def of(self, line: str) -> LogLevel:
        """Return the level of the next line."""
        if self._in_traceback:
            self._in_traceback = line.startswith((" ", "\t")) or not line
            return LogLevel.ERROR
        if _ERROR.search(line):
            self._in_traceback = line.startswith("Traceback ")
            return LogLevel.ERROR
        if _WARNING.search(line):
            return LogLevel.WARNING
        return LogLevel.METRIC if _METRIC.match(line) else LogLevel.INFO


class LogModel(QAbstractListModel):
    """The newest lines of a log, at most `limit` of them; the oldest tenth goes when there are more."""

    def __init__(self, parent: QObject | None = None, limit: int = 400_000) -> None:
        super().__init__(parent)
        self._limit = limit
        self._start_over()
        self._text, self._lowest = "", LogLevel.INFO

    def _start_over(self) -> None:
        self._lines: list[str] = []
        self._level: list[LogLevel] = []
        self._shown: list[int] = []
        self._dropped = 0
        self.longest = 0
        self._levels = LogLevels()

    def clear(self) -> None:
        """Forget all lines; the filter stays."""
        self.beginResetModel()
        self._start_over()
        self.endResetModel()

    def append(self, lines: Sequence[str], levels: Sequence[LogLevel] | None = None) -> None:
        """Add lines at the end, with their levels if those are known already."""
        start = len(self._lines)
        self._lines.extend(lines)
        self.longest = max(self.longest, max(map(len, lines), default=0))
        self._level.extend(levels if levels is not None else [self._levels.of(line) for line in lines])
        if len(self._lines) > self._limit:
            self._drop_oldest()
            return
        shown = self._matching(range(start, len(self._lines)))
        if shown:
            self.beginInsertRows(QModelIndex(), len(self._shown), len(self._shown) + len(shown) - 1)
            self._shown.extend(shown)
            self.endInsertRows()

    def _drop_oldest(self) -> None:
        surplus = len(self._lines) - self._limit + self._limit // 10
        self.beginResetModel()
        del self._lines[:surplus], self._level[:surplus]
        self._dropped += surplus
        self._shown = self._matching(range(len(self._lines)))
        self.endResetModel()

    def set_filter(self, text: str, lowest: LogLevel = LogLevel.INFO) -> None:
        """Show only lines that hold `text` (any case) and matter at least as much as `lowest`."""
        self._text, self._lowest = text.casefold(), lowest
        self.beginResetModel()
        self._shown = self._matching(range(len(self._lines)))
        self.endResetModel()

    def _matching(self, positions: Sequence[int]) -> list[int]:
        if not self._text and self._lowest == LogLevel.INFO:
            return list(positions)
        lines, levels, text, lowest = self._lines, self._level, self._text, self._lowest
        return [at for at in positions if levels[at] >= lowest and text in lines[at].casefold()]

    @property
    def total(self) -> int:
        """Return the number of lines, shown or not, that there ever were."""
        return self._dropped + len(self._lines)

    def text(self) -> str:
        """Return the lines shown, for the clipboard."""
        return "\n".join(self._lines[at] for at in self._shown)

    def rowCount(self, parent: _Index = _ROOT) -> int:
        """Return the number of lines shown."""
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a line, its level, or its number (from 1)."""
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        at = self._shown[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._lines[at]
            case LogRole.LEVEL:
                return self._level[at]
            case LogRole.NUMBER:
                return self._dropped + at + 1
        return None
