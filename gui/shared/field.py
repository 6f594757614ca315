"""A control of a form with its caption above and what is wrong with it below."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from core.errors import SpecError, UserFacingError
from core.jobs.declared import declarations, default_of
from core.translation import tr
from gui.shared.basics import kept_from_wheel, label, set_invalid

_S = TypeVar("_S", bound=QSpinBox | QDoubleSpinBox)


def limited(spin: _S, low: int, high: int) -> _S:
    """Take `low` to `high`, and let a larger number be typed: Qt's spin boxes drop the digits that go beyond."""
    spin.setRange(low, 2**31 - 1)
    spin.setProperty("highest", high)
    return spin


def excess(control: QWidget, field: str = "") -> SpecError | None:
    """Return what is wrong with the number in a `limited` control; None when it is not too large."""
    highest = control.property("highest")
    if not isinstance(control, QSpinBox | QDoubleSpinBox) or highest is None or control.value() <= highest:
        return None
    sentence = tr("{field}: {value:,g} is too many.").format(field=control.accessibleName(), value=control.value())
    return SpecError(sentence, fix=tr("Take {most:,} at most.").format(most=highest), field=field)


def first_excess(fields: Mapping[str, Field]) -> SpecError | None:
    """Return the first number that is too large among the fields of a form."""
    problems = (excess(field.control, name) for name, field in fields.items())
    return next((problem for problem in problems if problem is not None), None)


def declared_field(cls: type, name: str, control: QWidget, per: int = 1) -> Field:
    """Return the row of a field of a spec, with the title, hint and bounds that it is declared with.

    `per` is how many of the declared unit the control's unit has: 3600 for hours of a field in seconds. Where the field
    may be None, 0 stands for that.
    """
    how = declarations(cls)[name]
    control.setProperty("per", per)
    if isinstance(control, QSpinBox | QDoubleSpinBox) and how.high is not None:
        least = 0 if default_of(cls, name) is None else math.ceil((how.low or 0) / per)
        limited(control, least, int(how.high) // per)
    return Field(how.title, control, how.hint)


def value_of(control: QWidget) -> Any:
    """Return what a control of a form holds, in the unit of the field that it was declared for."""
    match control:
        case QCheckBox():
            return control.isChecked()
        case QComboBox():
            return control.currentData() or ""
        case QSpinBox():
            return control.value() * int(control.property("per") or 1)
        case QLineEdit():
            return control.text().strip()
    raise TypeError(type(control).__name__)


def show_value(control: QWidget, value: Any) -> None:
    """Let a control of a form hold a value; one that a list does not have becomes its first."""
    match control:
        case QCheckBox():
            control.setChecked(value)
        case QComboBox():
            control.setCurrentIndex(max(0, control.findData(value)))
        case QSpinBox():
            control.setValue(math.ceil(value / int(control.property("per") or 1)))
        case QLineEdit():
            control.setText(value)
        case _:
            raise TypeError(type(control).__name__)


def declared_box(cls: type, name: str) -> QCheckBox:
    """Return the check box of a field of a spec that is on or off."""
    how = declarations(cls)[name]
    box = QCheckBox(how.title)
    box.setToolTip(how.hint)
    return box


class Field(QWidget):
    """Caption, control, and a line for a hint or an error."""

    def __init__(self, caption: str, control: QWidget, hint: str = "") -> None:
        super().__init__()
        self.control = control
        if isinstance(control, QComboBox):
            kept_from_wheel(control)  # forms are scrolled
        control.setAccessibleName(caption)
        if not control.toolTip():
            control.setToolTip(hint)
        control.setAccessibleDescription(hint)
        title = label(caption, "caption")
        title.setBuddy(control)
        self._problem = label(role="error", wrap=True)
        self._problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._problem.hide()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(3)
        for widget in (title, control, self._problem):
            box.addWidget(widget)

    def show_error(self, error: UserFacingError | None) -> None:
        """Mark the control and say why; None clears."""
        set_invalid(self.control, error is not None)
        self._problem.setText(str(error) if error is not None else "")
        self._problem.setVisible(error is not None)

    @property
    def problem(self) -> str:
        """Return what is said to be wrong, "" for nothing."""
        return self._problem.text()
