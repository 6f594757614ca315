"""The table of hyperparameters: ranges to search and fixed values, typed, checked while typing, with undo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeySequence, QUndoCommand, QUndoStack
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from core.errors import SpecError
from core.jobs.ranges import MAX_SEARCHED
from core.translation import tr
from gui.shared.basics import button, icon_button, label
from gui.tuning.range_draft import Kind, RangeDraft
from gui.tuning.range_row import WIDTHS, RangeRow


class _Change(QUndoCommand):
    def __init__(
        self,
        text: str,
        before: tuple[RangeDraft, ...],
        after: tuple[RangeDraft, ...],
        show: Callable[[tuple[RangeDraft, ...]], None],
    ) -> None:
        super().__init__(text)
        self._before, self._after, self._show = before, after, show

    def undo(self) -> None:
        self._show(self._before)

    def redo(self) -> None:
        self._show(self._after)


class RangesTable(QWidget):
    """Edits a tuple of `RangeDraft`.

    Args:
        names: the hyperparameters that the training script knows, offered for a new row.
        suggest: gives a sensible row for a hyperparameter that was just named.
        check_row: says what is wrong with a row; `field` is the row's field.

    Signals:
        changed(): what `drafts` returns is different now.
    """

    changed = Signal()

    def __init__(
        self,
        names: Sequence[str] = (),
        suggest: Callable[[str], RangeDraft | None] = lambda name: None,
        check_row: Callable[[RangeDraft], SpecError | None] = lambda row: row.problem,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._names, self._suggest, self._check_row = tuple(names), suggest, check_row
        self._rows: list[RangeRow] = []
        self._committed: tuple[RangeDraft, ...] = ()
        self._undo = QUndoStack(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._header())
        self._list = QVBoxLayout()
        self._list.setSpacing(8)
        layout.addLayout(self._list)
        self._empty = label(tr("No hyperparameter is searched or fixed yet. Add one, or take a preset."), "muted")
        layout.addWidget(self._empty)
        layout.addLayout(self._footer())

    def _header(self) -> QHBoxLayout:
        header = QHBoxLayout()
        header.setSpacing(6)
        for title, width in zip((tr("Name"), tr("Type"), tr("From"), tr("To"), tr("Scale")), WIDTHS, strict=True):
            header.addWidget(_caption(title, width))
        header.addWidget(_caption(tr("Samples"), 0), 1)
        return header

    def _footer(self) -> QHBoxLayout:
        footer = QHBoxLayout()
        footer.setSpacing(8)
        self.add_range = button(tr("Add range"), icon_name="plus")
        self.add_fixed = button(tr("Add fixed value"), icon_name="plus")
        self.add_range.clicked.connect(partial(self._add, Kind.CONTINUOUS))
        self.add_fixed.clicked.connect(partial(self._add, Kind.FIXED))
        footer.addWidget(self.add_range)
        footer.addWidget(self.add_fixed)
        footer.addStretch(1)
        self.undo_button = icon_button("undo", tr("Undo"), shortcut="Ctrl+Z")
        self.undo_button.setShortcut(QKeySequence(QKeySequence.StandardKey.Undo))
        keeps_place = self.undo_button.sizePolicy()
        keeps_place.setRetainSizeWhenHidden(True)
        self.undo_button.setSizePolicy(keeps_place)
        self.undo_button.hide()
        self.undo_button.clicked.connect(self._undo.undo)
        self._undo.canUndoChanged.connect(self.undo_button.setVisible)
        self._undo.undoTextChanged.connect(self._on_undo_text)
        footer.addWidget(self.undo_button)
        return footer

    def _on_undo_text(self, text: str) -> None:
        shortcut = QKeySequence(QKeySequence.StandardKey.Undo).toString(QKeySequence.SequenceFormat.NativeText)
        tip = tr("Undo {text} ({shortcut})") if text else tr("Undo ({shortcut})")
        self.undo_button.setToolTip(tip.format(text=text, shortcut=shortcut))

    # Content ---------------------------------------------------------------------------------------------------

    def drafts(self) -> tuple[RangeDraft, ...]:
        """Return what the rows hold now."""
        return tuple(row.draft() for row in self._rows)

    def rows(self) -> Sequence[RangeRow]:
        """Return the rows, from above."""
        return tuple(self._rows)

    def set_drafts(self, drafts: Sequence[RangeDraft], text: str = "") -> None:
        """Show these rows; with `text` ("the preset Quick look") the user can undo it."""
        after = tuple(drafts)
        if text and after != self._committed:
            self._undo.push(_Change(text, self._committed, after, self._show))
            return
        self._show(after)
        if not text:
            self._undo.clear()

    def _show(self, drafts: tuple[RangeDraft, ...]) -> None:
        while len(self._rows) > len(drafts):
            row = self._rows.pop()
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        for at, draft in enumerate(drafts):
            if at < len(self._rows):
                self._rows[at].set_draft(draft)
            else:
                self._append_row(draft)
        self._committed = drafts
        self.check()
        self.changed.emit()

    def _append_row(self, draft: RangeDraft) -> None:
        row = RangeRow(draft, self._names, self)
        row.edited.connect(self._on_edited)
        row.committed.connect(self._on_committed)
        row.removed.connect(self._on_removed)
        self._rows.append(row)
        self._list.addWidget(row)
        row.show()

    def _add(self, kind: Kind) -> None:
        used = {draft.name for draft in self.drafts()}
        free = (name for name in self._names if name not in used)
        wanted = (self._suggest(name) for name in free)
        draft = next(
            (item for item in wanted if item is not None and (item.kind is Kind.FIXED) == (kind is Kind.FIXED)), None
        )
        self.set_drafts((*self.drafts(), draft or RangeDraft(kind=kind)), tr("adding a hyperparameter"))
        self._rows[-1].name.setFocus()

    def show_name(self, name: str) -> None:
        """Put the focus on the row of a hyperparameter; without one a row with its suggestion is added."""
        row = next((row for row in self._rows if row.draft().name == name), None)
        if row is None:
            draft = self._suggest(name) or RangeDraft(name=name)
            self.set_drafts((*self.drafts(), draft), tr("adding a hyperparameter"))
            row = self._rows[-1]
        (row.values if row.draft().kind in (Kind.FIXED, Kind.CATEGORICAL) else row.low).setFocus()

    def _on_removed(self, row: RangeRow) -> None:
        at = self._rows.index(row)
        drafts = self.drafts()
        name = drafts[at].name
        done = tr("removing {name}").format(name=name) if name else tr("removing a row")
        self.set_drafts(drafts[:at] + drafts[at + 1 :], done)
        if self._rows:
            self._rows[min(at, len(self._rows) - 1)].remove.setFocus()
        else:
            self.add_range.setFocus()

    def _on_edited(self) -> None:
        self._suggest_for_new_names()
        self.check()
        self.changed.emit()

    def _suggest_for_new_names(self) -> None:
        """Fill a row that is still empty as soon as its name is one that the script knows."""
        for row in self._rows:
            draft = row.draft()
            if draft.name in self._names and not (draft.low or draft.high or draft.values):
                suggestion = self._suggest(draft.name)
                if suggestion is not None and (draft.kind is Kind.FIXED) == (suggestion.kind is Kind.FIXED):
                    row.set_draft(suggestion)

    def _on_committed(self) -> None:
        drafts = self.drafts()
        if drafts != self._committed:
            self._undo.push(_Change(tr("an edit"), self._committed, drafts, self._show))

    # Checks ----------------------------------------------------------------------------------------------------

    def check(self) -> SpecError | None:
        """Validate all rows, mark what is wrong where it is, and return the first reason."""
        first: SpecError | None = None
        seen: set[str] = set()
        for row in self._rows:
            name = row.draft().name
            error = self._check_row(row.draft())
            if error is None and name in seen:
                error = SpecError(
                    tr("{name} is there twice.").format(name=name), fix=tr("Remove one of the two rows."), field="name"
                )
            row.show_checked(error)
            seen.add(name)
            first = first or error
        searched = sum(draft.kind is not Kind.FIXED for draft in self.drafts())
        self.add_range.setEnabled(searched < MAX_SEARCHED)
        self._empty.setVisible(not self._rows)
        return first

    def show_problem(self, name: str, error: SpecError) -> bool:
        """Mark the row of a hyperparameter; returns whether there is one."""
        for row in self._rows:
            if row.draft().name == name:
                row.show_problem(error)
                return True
        return False


def _caption(text: str, width: int) -> QLabel:
    made = label(text, "caption")
    if width:
        made.setFixedWidth(width)
    return made
