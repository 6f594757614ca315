"""The trials of a tuning job as a table model that sorts and filters by itself, fast enough for thousands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QFont

from core.jobs.records import TrainingJob
from core.translation import tr
from gui.jobs.trial_columns import NUMBER, columns
from training_scripts.metrics import COUNT_METRICS

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class TrialRole(IntEnum):
    """What `TrialsModel.data` answers besides the standard roles."""

    TRIAL = Qt.ItemDataRole.UserRole + 1
    IS_BEST = Qt.ItemDataRole.UserRole + 2
    ISSUES = Qt.ItemDataRole.UserRole + 3


class TrialsModel(QAbstractTableModel):
    """Trials as rows; number, status, objective, duration and the searched hyperparameters as columns.

    Sorting and filtering happen in the model: a proxy would ask Python for every comparison.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._trials: list[TrainingJob] = []
        self._position: dict[str, int] = {}
        self._order: list[int] = []
        self._parameters: tuple[str, ...] = ()
        self.columns = columns(tr("Objective"), ())
        self._best: str | None = None
        self._issues: dict[str, int] = {}
        self._filter = ""
        self._sort_column, self._descending = 0, False

    # Content ---------------------------------------------------------------------------------------------------

    def set_frame(self, objective_metric: str, parameters: Sequence[str]) -> None:
        """Start over for a tuning job: no trials yet, and these hyperparameters as columns."""
        self.beginResetModel()
        self._trials, self._position, self._order = [], {}, []
        self._parameters, self._best, self._issues = tuple(parameters), None, {}
        self.columns = columns(objective_metric, self._parameters)
        if self._sort_column >= self.columnCount():
            self._sort_column, self._descending = 0, False
        self.endResetModel()

    def update_trials(self, trials: Sequence[TrainingJob], best: str | None = None) -> None:
        """Take over new and changed trials, in the order they were started, and which one is best."""
        changed, added = [], []
        for trial in trials:
            at = self._position.get(trial.name)
            if at is None:
                added.append(trial)
            elif self._trials[at] != trial:
                self._trials[at] = trial
                changed.append(at)
        for name in {self._best, best} if best != self._best else ():
            if name in self._position:
                changed.append(self._position[name])
        self._best = best
        self._append(added)
        if changed:
            self._tell_changed(changed)

    def _append(self, added: Sequence[TrainingJob]) -> None:
        start = len(self._trials)
        for offset, trial in enumerate(added):
            self._position[trial.name] = start + offset
        self._trials.extend(added)
        visible = [at for at in range(start, len(self._trials)) if self._matches(at)]
        if visible:
            self.beginInsertRows(QModelIndex(), len(self._order), len(self._order) + len(visible) - 1)
            self._order.extend(visible)
            self.endInsertRows()
            if self._sort_column != 0 or self._descending:
                self._rearrange()

    def _tell_changed(self, positions: Sequence[int]) -> None:
        shown = set(self._order)
        if self._filter and any(self._matches(at) != (at in shown) for at in positions):
            self.set_filter(self._filter)
            return
        if self._sort_column != 0:
            self._rearrange()
        wanted = set(positions)
        rows = [row for row, at in enumerate(self._order) if at in wanted]
        if rows:
            self.dataChanged.emit(self.index(rows[0], 0), self.index(rows[-1], self.columnCount() - 1))

    def set_issues(self, trial: str, count: int) -> None:
        """Remember how many Debugger rules found an issue in a trial."""
        if self._issues.get(trial, 0) != count:
            self._issues[trial] = count
            if trial in self._position:
                self._tell_changed([self._position[trial]])

    def trial(self, name: str) -> TrainingJob | None:
        """Return a trial by its name."""
        at = self._position.get(name)
        return None if at is None else self._trials[at]

    def trials(self) -> Sequence[TrainingJob]:
        """Return all trials, in the order they were started."""
        return tuple(self._trials)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the hyperparameters that have a column."""
        return self._parameters

    def row_of(self, name: str) -> int:
        """Return the row in which a trial is shown, -1 if it is not."""
        at = self._position.get(name)
        try:
            return -1 if at is None else self._order.index(at)
        except ValueError:
            return -1

    def name_at(self, row: int) -> str | None:
        """Return the name of the trial in a row."""
        return self._trials[self._order[row]].name if 0 <= row < len(self._order) else None

    # Order -----------------------------------------------------------------------------------------------------

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; rows without a value there come last either way."""
        if column < 0:
            column, order = 0, Qt.SortOrder.AscendingOrder
        self._sort_column, self._descending = column, order == Qt.SortOrder.DescendingOrder
        self._rearrange()

    def set_filter(self, text: str) -> None:
        """Show only trials in whose name, status, note or hyperparameters (`name=value`) all words of `text` occur."""
        self._filter = text.casefold().strip()
        self.beginResetModel()
        self._order = self._sorted(at for at in range(len(self._trials)) if self._matches(at))
        self.endResetModel()

    def _matches(self, at: int) -> bool:
        if not self._filter:
            return True
        trial = self._trials[at]
        pairs = " ".join(f"{name}={value}" for name, value in trial.hyperparameters.items())
        text = f"{trial.name} {trial.status} {pairs} {trial.note}".casefold()
        return all(word in text for word in self._filter.split())

    def _sorted(self, positions: Iterable[int]) -> list[int]:
        value = self.columns[self._sort_column].value
        values = {at: value(self._trials[at], at) for at in sorted(positions)}
        numbers = [(value, at) for at, value in values.items() if isinstance(value, float)]
        names = [(value, at) for at, value in values.items() if isinstance(value, str)]
        missing = [at for at, value in values.items() if value is None]
        numbers.sort(key=lambda pair: pair[0], reverse=self._descending)
        names.sort(key=lambda pair: pair[0], reverse=self._descending)
        return [at for _, at in numbers] + [at for _, at in names] + missing

    def _rearrange(self) -> None:
        order = self._sorted(self._order)
        if order == self._order:
            return
        self.layoutAboutToBeChanged.emit()
        row_of = {at: row for row, at in enumerate(order)}
        old = self.persistentIndexList()
        new = [self.index(row_of[self._order[index.row()]], index.column()) for index in old]
        self._order = order
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    # What views ask --------------------------------------------------------------------------------------------

    def rowCount(self, parent: _Index = _ROOT) -> int:
        """Return the number of trials shown."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: _Index = _ROOT) -> int:
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the columns' titles."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < self.columnCount():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(section)
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, alignment, emphasis of the best trial, or the record itself."""
        if not index.isValid() or index.row() >= len(self._order):
            return None
        at, column = self._order[index.row()], index.column()
        trial = self._trials[at]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[column].text(trial, at)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        if role == Qt.ItemDataRole.FontRole and trial.name == self._best:
            font = QFont()
            font.setWeight(QFont.Weight.DemiBold)
            return font
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(part for part in (trial.failure_reason or trial.name, trial.note) if part)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            text = self.columns[column].text(trial, at)
            is_best = trial.name == self._best and self.columns[column] is NUMBER
            return tr("{number} (best trial)").format(number=text) if is_best else text
        return self._own_role(trial, role)

    def _own_role(self, trial: TrainingJob, role: int) -> Any:
        match role:
            case TrialRole.TRIAL:
                return trial
            case TrialRole.IS_BEST:
                return trial.name == self._best
            case TrialRole.ISSUES:
                return self._issues.get(trial.name, 0)
        return None

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        """Return right for numbers; a hyperparameter is one where the first trial's value is."""
        shown = self.columns[column]
        numeric = shown.numeric and not (self._trials and isinstance(shown.value(self._trials[0], 0), str))
        return _RIGHT if numeric else _LEFT

    # Export ----------------------------------------------------------------------------------------------------

    def to_csv(self) -> str:
        """Return the rows as shown, in order, with full names and unrounded values; lines end in CRLF (RFC 4180)."""
        metrics = sorted({name for trial in self._trials for name in trial.metrics} - COUNT_METRICS)
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow([*(column.key for column in self.columns), *metrics])
        for at in self._order:
            trial = self._trials[at]
            values = [_plain(trial.metrics.get(name)) for name in metrics]
            writer.writerow([*(column.exported(trial) for column in self.columns), *values])
        return text.getvalue()


def _plain(value: float | None) -> str:
    return "" if value is None else repr(value)
