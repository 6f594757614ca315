"""How a dataset was read: what its reader saw, some pictures with what is said of them, and other ways to read it."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from enum import StrEnum

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFormLayout, QGridLayout, QLineEdit, QWidget

from core.dataset.records import ReadOptions, Scan
from core.jobs.declared import declarations, default_of, kind_of
from core.translation import tr
from gui.shared.basics import ElidedLabel, button, label
from gui.shared.card import Card
from gui.shared.theme import GRID

SHOWN = 5


class ImportCard(Card):
    """Shown for what is more than class folders, or was read in a way that was chosen.

    Signals:
        options_chosen(ReadOptions): the user wants the dataset read like this.
    """

    options_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__(tr("How it was read"))
        self._seen = label("", "body", wrap=True)
        self.rows = QGridLayout()
        self.rows.setHorizontalSpacing(GRID)
        self.rows.setVerticalSpacing(2)
        self.change = button(tr("Read it differently…"), kind="link")
        self.change.setCheckable(True)
        self.change.toggled.connect(self._on_change)
        self.form: ReadForm | None = None
        self._options = ReadOptions()
        self.add(self._seen)
        self.body.addLayout(self.rows)
        self.add(self.change)
        self.hide()

    def set_scan(self, scan: Scan) -> None:
        """Show how a dataset was read."""
        self._options = scan.options
        self.change.setChecked(False)
        if self.form is not None:
            self.form.set_options(scan.options)
        self._seen.setText(" ".join(scan.seen))
        self.setAccessibleDescription(" ".join(scan.seen))
        while (item := self.rows.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        step = max(1, len(scan.pictures) // SHOWN)
        for row, picture in enumerate(scan.pictures[::step][:SHOWN]):
            said = " · ".join(part for part in (picture.label, picture.split, picture.group) if part)
            name = ElidedLabel(os.path.basename(picture.path), "muted")
            name.setToolTip(picture.path)
            self.rows.addWidget(name, row, 0)
            self.rows.addWidget(ElidedLabel(said, "body"), row, 1)
        self.setVisible(scan.format != "folders" or scan.options != ReadOptions())

    def _on_change(self, on: bool) -> None:
        if self.form is None:
            self.form = ReadForm()
            self.form.set_options(self._options)
            self.form.applied.connect(self.options_chosen)
            self.add(self.form)
        self.form.setVisible(on)


class ReadForm(QWidget):
    """The reading options as a form, made from their declarations.

    Signals:
        applied(ReadOptions): the user wants the dataset read like this.
    """

    applied = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, QComboBox | QLineEdit] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
        for name, how in declarations(ReadOptions).items():
            made = self._field(name)
            made.setToolTip(how.hint)
            made.setAccessibleName(how.title)
            made.setAccessibleDescription(how.hint)
            self.fields[name] = made
            form.addRow(how.title, made)
            if isinstance(made, QLineEdit):
                made.setPlaceholderText(how.metavar)
        self.apply = button(tr("Read again"), icon_name="refresh")
        self.apply.clicked.connect(lambda: self.applied.emit(self.options))
        form.addRow(self.apply)

    def _field(self, name: str) -> QComboBox | QLineEdit:
        kind = kind_of(ReadOptions, name)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            chooser = QComboBox()
            for value in kind:
                chooser.addItem(value.capitalize(), value)
            return chooser
        if name == "format":
            from core.formats.registry import FORMATS

            chooser = QComboBox()
            chooser.addItem(tr("By its content"), "")
            for found in FORMATS:
                if found.reader is not None:
                    chooser.addItem(found.title, found.name)
            return chooser
        return QLineEdit()

    def set_options(self, options: ReadOptions) -> None:
        """Show these options."""
        for name, made in self.fields.items():
            value = getattr(options, name)
            if isinstance(made, QComboBox):
                made.setCurrentIndex(max(0, made.findData(value)))
            else:
                made.setText(value)

    @property
    def options(self) -> ReadOptions:
        """Return the options as they stand in the form."""
        found = ReadOptions()
        for item in fields(ReadOptions):
            if (made := self.fields.get(item.name)) is None:
                continue
            value = made.currentData() if isinstance(made, QComboBox) else made.text().strip()
            kind = type(default_of(ReadOptions, item.name))
            found = replace(found, **{item.name: kind(value)})
        return found
