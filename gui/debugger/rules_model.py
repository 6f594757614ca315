"""Rules and what they found, as an item model: a row each, headed by their states."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.translation import plural, tr

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()

HEADINGS = {
    RuleStatus.ISSUES_FOUND: tr("Issues found"),
    RuleStatus.ERROR: tr("Could not be evaluated"),
    RuleStatus.IN_PROGRESS: tr("In progress"),
    RuleStatus.STOPPING: tr("In progress"),
    RuleStatus.NO_ISSUES_FOUND: tr("No issues found"),
    RuleStatus.STOPPED: tr("Stopped"),
}
SAW_NOTHING = tr("Nothing to look at")
"""Heads the rules that found no issue because nothing that they look at was saved."""


class RuleRole(IntEnum):
    """What `RulesModel.data` answers besides the standard roles."""

    OUTCOME = Qt.ItemDataRole.UserRole + 1


class RulesModel(QAbstractListModel):
    """Headings (strings, not selectable) and rule outcomes, in the order of their states."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[str | RuleOutcome] = []

    def rowCount(self, parent: _Index = _ROOT) -> int:
        """Return headings and rules together."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a heading or a rule's name; a sentence for screen readers; the outcome itself (None for a heading)."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        if role == RuleRole.OUTCOME:
            return row if isinstance(row, RuleOutcome) else None
        if role == Qt.ItemDataRole.DisplayRole:
            return row.rule if isinstance(row, RuleOutcome) else row
        if role == Qt.ItemDataRole.AccessibleTextRole and isinstance(row, RuleOutcome):
            return f"{row.rule}, {heading_of(row)}. {summary(row)}"
        return None

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Return the flags; headings cannot be chosen."""
        if index.isValid() and isinstance(self._rows[index.row()], str):
            return Qt.ItemFlag.NoItemFlags
        return super().flags(index)

    def set_outcomes(self, outcomes: Sequence[RuleOutcome]) -> None:
        """Show these, sorted already. Rows that stay are reported as changed only, so that the selection stays."""
        rows: list[str | RuleOutcome] = []
        for outcome in outcomes:
            heading = heading_of(outcome)
            if heading not in rows:
                rows.append(heading)
            rows.append(outcome)
        if [_key(row) for row in rows] != [_key(row) for row in self._rows]:
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()
            return
        changed = [at for at, row in enumerate(rows) if row != self._rows[at]]
        self._rows = rows
        if changed:
            self.dataChanged.emit(self.index(changed[0]), self.index(changed[-1]))

    def row_of(self, rule: str) -> int:
        """Return the row of a rule, -1 if it is not there."""
        return next((at for at, row in enumerate(self._rows) if isinstance(row, RuleOutcome) and row.rule == rule), -1)

    def first_rule(self) -> int:
        """Return the row of the first rule, -1 if there is none."""
        return next((at for at, row in enumerate(self._rows) if isinstance(row, RuleOutcome)), -1)


def heading_of(outcome: RuleOutcome) -> str:
    """Return the heading that a rule stands under."""
    if outcome.status is RuleStatus.NO_ISSUES_FOUND and not outcome.evaluated:
        return SAW_NOTHING
    return HEADINGS[outcome.status]


def summary(outcome: RuleOutcome) -> str:
    """Return one sentence on what a rule found so far."""
    if outcome.follows_from:
        return (
            tr("Follows from {follows_from}. {details}")
            .format(follows_from=outcome.follows_from, details=outcome.details)
            .strip()
        )
    if outcome.details:
        return outcome.details
    if outcome.status is RuleStatus.IN_PROGRESS and not outcome.evaluated:
        return tr("Waiting for the first saved tensors.")
    if not outcome.evaluated:
        return tr("Nothing was evaluated.")
    return plural("Looked once.", "Looked {count:,} times.", outcome.evaluated)


def _key(row: str | RuleOutcome) -> str:
    return row if isinstance(row, str) else f"rule:{row.rule}"
