"""The settings dialog, built from the declaration in core/settings.py; every change holds at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from core.errors import UserFacingError
from core.settings import ENGINE_SECTION, Declared, Settings, SettingsFile, declared
from core.translation import tr
from gui.shared.basics import button, label, padded
from gui.shared.card import Card
from gui.shared.feedback import InlineError
from gui.shared.field import limited
from gui.shared.theme import GRID


class SettingsDialog(QDialog):
    """One card per section, one row per setting.

    Args:
        on_changed: called after every change with the name of the setting and all settings as they are now.
    """

    def __init__(self, parent: QWidget | None, file: SettingsFile, on_changed: Callable[[str, Settings], None]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Settings"))
        self.setModal(True)
        self.resize(620, 640)
        self._file, self._on_changed = file, on_changed
        self.editors: dict[str, QWidget] = {}
        self._error = InlineError()
        page = QWidget()
        page.setObjectName("page")
        cards = QVBoxLayout(page)
        cards.setContentsMargins(0, 0, GRID, 0)
        cards.setSpacing(12)
        grids: dict[str, QGridLayout] = {}
        for item in fields(Settings):
            how = declared(item.name)
            if how.section == ENGINE_SECTION:
                continue  # chosen in the dialog that connects to AWS: it takes more than a word
            if how.section not in grids:
                card = Card(how.section)
                grids[how.section] = QGridLayout()
                grids[how.section].setColumnStretch(0, 1)
                grids[how.section].setHorizontalSpacing(16)
                grids[how.section].setVerticalSpacing(12)
                card.body.addLayout(grids[how.section])
                cards.addWidget(card)
            self._add_row(grids[how.section], item.name, how)
        cards.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(page)
        done = button(tr("Done"), kind="primary")
        done.setDefault(True)
        done.clicked.connect(self.accept)
        reset = button(tr("Reset all"), kind="ghost", icon_name="undo", tip=tr("Set everything to its default"))
        reset.clicked.connect(self.reset)
        bar = QHBoxLayout()
        bar.addWidget(reset)
        bar.addStretch(1)
        bar.addWidget(done)
        box = QVBoxLayout(self)
        box.setContentsMargins(16, 16, 16, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Settings"), "title"))
        box.addWidget(self._error)
        box.addWidget(scroll, 1)
        box.addLayout(bar)

    def reset(self) -> None:
        """Set everything to its default."""
        for name, editor in self.editors.items():
            default = getattr(Settings(), name)
            self._set(name, default)
            _show_value(editor, default)

    def _add_row(self, grid: QGridLayout, name: str, how: Declared) -> None:
        value = getattr(self._file.current, name)
        editor = _editor(how, value, lambda new: self._set(name, new))
        editor.setAccessibleName(how.title)
        editor.setAccessibleDescription(how.description)
        self.editors[name] = editor
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(label(how.title, "body"))
        if how.description:
            texts.addWidget(label(how.description, "caption", wrap=True))
        row = grid.rowCount()
        grid.addLayout(texts, row, 0)
        grid.addWidget(editor, row, 1)

    def _set(self, name: str, value: Any) -> None:
        if getattr(self._file.current, name) == value:
            return
        try:
            settings = self._file.change(**{name: value})
        except UserFacingError as error:
            self._error.show_error(error)
            return
        self._error.clear()
        self._on_changed(name, settings)


def _editor(how: Declared, value: Any, changed: Callable[[Any], None]) -> QWidget:
    """Return the control that fits a setting's kind."""
    if how.choices:
        box = QComboBox()
        for choice, words in how.choices:
            box.addItem(words, choice)
        box.setCurrentIndex(box.findData(value))
        box.setFixedWidth(200)
        box.currentIndexChanged.connect(lambda at: changed(box.itemData(at)))
        return box
    if isinstance(value, bool):
        check = QCheckBox()
        check.setChecked(value)
        check.toggled.connect(changed)
        return check
    if isinstance(value, int):
        spin = padded(QSpinBox())
        limited(spin, int(how.low or 0), int(how.high or 2**31 - 1))
        spin.setSuffix(how.suffix)
        spin.setValue(value)
        spin.setFixedWidth(200)
        spin.valueChanged.connect(changed)
        return spin
    line = QLineEdit(str(value))
    line.setFixedWidth(200)
    line.editingFinished.connect(lambda: changed(line.text().strip()))
    return line


def _show_value(editor: QWidget, value: Any) -> None:
    match editor:
        case QComboBox():
            editor.setCurrentIndex(editor.findData(value))
        case QCheckBox():
            editor.setChecked(value)
        case QSpinBox():
            editor.setValue(value)
        case QLineEdit():
            editor.setText(str(value))
