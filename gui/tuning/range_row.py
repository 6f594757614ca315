"""One hyperparameter of the ranges table: its editors, its strip, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QComboBox, QCompleter, QGridLayout, QLineEdit, QSizePolicy, QStackedWidget, QWidget

from core.errors import SpecError
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from core.translation import tr
from gui.shared.basics import icon_button, label, row, set_invalid
from gui.tuning.range_draft import Kind, RangeDraft
from gui.tuning.range_strip import RangeStrip

WIDTHS = (152, 120, 60, 60, 92)
"""Pixels of the columns name, type, from, to and scale; the strip takes the rest."""

_SCALINGS = {
    Scaling.AUTO: tr("Auto"),
    Scaling.LINEAR: tr("Linear"),
    Scaling.LOGARITHMIC: tr("Log"),
    Scaling.REVERSE_LOGARITHMIC: tr("Reverse"),
}


class RangeRow(QWidget):
    """Editors for one `RangeDraft`.

    Signals:
        edited(): some field has another content, while typing.
        committed(): an edit is finished.
        removed(RangeRow): the user wants the row gone.
    """

    edited = Signal()
    committed = Signal()
    removed = Signal(object)

    def __init__(self, draft: RangeDraft, names: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._make_editors(names)
        self._lay_out()
        self._connect()
        self.set_draft(draft)

    def _make_editors(self, names: Sequence[str]) -> None:
        self.name = QComboBox()
        self.name.setEditable(True)
        self.name.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.name.addItems(list(names))
        self.name.setToolTip(tr("A hyperparameter of the training script"))
        completer = self.name.completer()
        if completer is not None:
            completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
            completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.kind = QComboBox()
        for kind in Kind:
            self.kind.addItem(kind.words, kind)
        self.low, self.high, self.values = QLineEdit(), QLineEdit(), QLineEdit()
        self.low.setPlaceholderText(tr("from"))
        self.high.setPlaceholderText(tr("to"))
        self.scaling = QComboBox()
        for scaling, text in _SCALINGS.items():
            self.scaling.addItem(text, scaling)
            self.scaling.setItemData(
                self.scaling.count() - 1, tr("{scaling} scaling").format(scaling=scaling), Qt.ItemDataRole.ToolTipRole
            )
        self.strip = RangeStrip()
        self.remove = icon_button("x", tr("Remove this hyperparameter"))
        self.problem = label(role="error", wrap=True)
        self.problem.hide()
        for widget, width in zip((self.name, self.kind, self.low, self.high, self.scaling), WIDTHS, strict=True):
            widget.setFixedWidth(width)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(2)
        ends = QWidget()
        ends.setLayout(row(self.low, self.high, self.scaling, spacing=6))
        self._content = QStackedWidget()
        self._content.addWidget(ends)
        self._content.addWidget(self.values)
        self._content.setFixedWidth(sum(WIDTHS[2:]) + 12)
        for column, widget in enumerate((self.name, self.kind, self._content, self.strip, self.remove)):
            grid.addWidget(widget, 0, column)
        grid.addWidget(self.problem, 1, 0, 1, 5)
        grid.setColumnStretch(3, 1)
        self._content.setFixedHeight(self.kind.sizeHint().height())
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def _connect(self) -> None:
        self.name.editTextChanged.connect(self._on_edited)
        self.name.activated.connect(self._on_committed)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.scaling.currentIndexChanged.connect(self._on_edited)
        for combo in (self.kind, self.scaling):
            combo.activated.connect(self._on_committed)
        line_edit = self.name.lineEdit()
        for editor in (self.low, self.high, self.values):
            editor.textEdited.connect(self._on_edited)
            editor.editingFinished.connect(self._on_committed)
        if line_edit is not None:
            line_edit.editingFinished.connect(self._on_committed)
        self.remove.clicked.connect(lambda: self.removed.emit(self))

    def _on_edited(self) -> None:
        self._name_for_screen_readers()
        self.edited.emit()

    def _on_committed(self) -> None:
        self.committed.emit()

    def _on_kind(self) -> None:
        self._show_fields()
        self.edited.emit()

    def draft(self) -> RangeDraft:
        """Return what the fields hold now."""
        return RangeDraft(
            self.name.currentText().strip(),
            Kind(self.kind.currentData()),
            self.low.text(),
            self.high.text(),
            Scaling(self.scaling.currentData()),
            self.values.text(),
        )

    def set_draft(self, draft: RangeDraft) -> None:
        """Show another content, without telling anyone."""
        blocked = self.blockSignals(True)
        if self.name.currentText() != draft.name:
            self.name.setEditText(draft.name)
            line_edit = self.name.lineEdit()
            if line_edit is not None:
                line_edit.setCursorPosition(0)
        self.kind.setCurrentIndex(self.kind.findData(draft.kind))
        for editor, text in ((self.low, draft.low), (self.high, draft.high), (self.values, draft.values)):
            if editor.text() != text:
                editor.setText(text)
                editor.setCursorPosition(0)
        self.scaling.setCurrentIndex(self.scaling.findData(draft.scaling))
        self._show_fields()
        self._name_for_screen_readers()
        self.blockSignals(blocked)

    def _show_fields(self) -> None:
        kind = Kind(self.kind.currentData())
        self._content.setCurrentIndex(0 if kind.has_ends else 1)
        self.values.setPlaceholderText(tr("value") if kind is Kind.FIXED else "a, b, c")
        scalings = self.scaling.model()
        assert isinstance(scalings, QStandardItemModel)
        scalings.item(self.scaling.findData(Scaling.REVERSE_LOGARITHMIC)).setEnabled(kind is Kind.CONTINUOUS)

    def _name_for_screen_readers(self) -> None:
        name = self.name.currentText() or tr("new hyperparameter")
        self.name.setAccessibleName(tr("Name"))
        for widget, what in (
            (self.kind, tr("type")),
            (self.low, tr("from")),
            (self.high, tr("to")),
            (self.scaling, tr("scale")),
            (self.values, tr("values")),
        ):
            widget.setAccessibleName(f"{name}, {what}")
        self.remove.setAccessibleName(tr("Remove {name}").format(name=name))

    def show_checked(self, error: SpecError | None) -> None:
        """Show the strip of values, or what is wrong."""
        self.show_problem(error)
        built = None if error is not None else self.draft().build()
        ranged = built if isinstance(built, ContinuousRange | IntegerRange | CategoricalRange) else None
        self.strip.setVisible(Kind(self.kind.currentData()) is not Kind.FIXED)
        self.strip.show_range(ranged)

    def show_problem(self, error: SpecError | None) -> None:
        """Mark the field at fault and say why beside it; None clears."""
        at_fault = error.field if error is not None else ""
        for field in ("name", "kind", "low", "high", "scaling", "values"):
            set_invalid(getattr(self, field), field == at_fault)
        self.problem.setText(str(error) if error is not None else "")
        self.problem.setVisible(error is not None)
