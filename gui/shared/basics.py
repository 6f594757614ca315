"""The smallest parts: labels, buttons, a rule, and text that elides in the middle."""

from __future__ import annotations

from typing import Literal, TypeVar

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QKeySequence, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.shared.icons import icon
from gui.shared.theme import GRID, ICON_SIZE, FontRole, font

ButtonKind = Literal["secondary", "primary", "danger", "ghost", "link", "chip"]
LabelRole = Literal["body", "strong", "muted", "title", "card", "caption", "figures", "large", "error", "warning"]

_L = TypeVar("_L", QHBoxLayout, QVBoxLayout)
_S = TypeVar("_S", bound=QAbstractSpinBox)
_W = TypeVar("_W", bound=QWidget)
_FONT_OF: dict[LabelRole, FontRole] = {"muted": "body", "error": "body", "warning": "body"}


def label(text: str = "", role: LabelRole = "body", *, wrap: bool = False) -> QLabel:
    """Return a label of plain text in one of the type's roles; never rich text, also where it looks like it."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    _set_role(made, role)
    made.setWordWrap(wrap)
    return made


def button(
    text: str,
    *,
    icon_name: str = "",
    kind: ButtonKind = "secondary",
    shortcut: str = "",
    tip: str = "",
) -> QPushButton:
    """Return a push button; its shortcut shows in the tooltip."""
    made = QPushButton(text)
    made.setProperty("kind", kind)
    made.setCursor(Qt.CursorShape.PointingHandCursor)
    # Enter presses the button that has the focus, in pages as in dialogs.
    made.setAutoDefault(True)
    if icon_name:
        roles = {"primary": "on_accent", "danger": "failed", "link": "accent"}
        made.setIcon(icon(icon_name, roles.get(kind, "text")))
        made.setIconSize(QSize(ICON_SIZE - 2, ICON_SIZE - 2))
    _tooltip(made, tip or text, shortcut)
    return made


def icon_button(icon_name: str, name: str, *, shortcut: str = "", checkable: bool = False) -> QToolButton:
    """Return a button that is only an icon; `name` is its tooltip and its accessible name."""
    made = QToolButton()
    made.setProperty("kind", "ghost")
    made.setIcon(icon(icon_name, "muted"))
    made.setIconSize(QSize(ICON_SIZE, ICON_SIZE))
    made.setAccessibleName(name)
    made.setCheckable(checkable)
    made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    made.setCursor(Qt.CursorShape.PointingHandCursor)
    _tooltip(made, name, shortcut)
    return made


def rule() -> QFrame:
    """Return a horizontal line, one pixel high."""
    made = QFrame()
    made.setObjectName("rule")
    return made


def row(*widgets: QWidget | None, spacing: int = GRID) -> QHBoxLayout:
    """Return widgets side by side without margins; None is a stretch."""
    made = QHBoxLayout()
    return _fill(made, widgets, spacing)


def column(*widgets: QWidget | None, spacing: int = GRID) -> QVBoxLayout:
    """Return widgets one above the other without margins; None is a stretch."""
    made = QVBoxLayout()
    return _fill(made, widgets, spacing)


class _WheelGuard(QObject):
    """Leaves the wheel to the page while a field has no focus: who scrolls past a number does not mean to change it."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


def padded(spin: _S) -> _S:
    """Return a spin box with room before its text, as other fields have, that the wheel changes with the focus only."""
    spin.lineEdit().setTextMargins(6, 0, 0, 0)  # style sheets cannot say this
    return kept_from_wheel(spin)


def kept_from_wheel(field: _W) -> _W:
    """Return a field that the wheel changes with the focus only."""
    field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    field.installEventFilter(_WheelGuard(field))
    return field


def set_invalid(field: QWidget, invalid: bool) -> None:
    """Mark an entry field as wrong, or as right again."""
    if bool(field.property("invalid")) != invalid:
        field.setProperty("invalid", invalid)
        restyle(field)


def restyle(widget: QWidget) -> None:
    """Apply the style sheet again after one of the properties that it looks at has changed."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)


class ElidedLabel(QLabel):
    """One line that elides in the middle when it does not fit; the whole text is the tooltip and selectable name.

    Where there is not even room for `fewest` letters of it, nothing is shown.
    """

    def __init__(
        self,
        text: str = "",
        role: LabelRole = "body",
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle,
        fewest: int = 0,
    ) -> None:
        super().__init__()
        self._mode, self._fewest, self._tip = mode, fewest, ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        _set_role(self, role)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def set_tip(self, tip: str) -> None:
        """Have `tip` as the tooltip, whether or not a text is cut; "" for a text itself where it is cut."""
        self._tip = tip
        self._update_tooltip()

    def setText(self, text: str) -> None:
        """Show `text`."""
        super().setText(text)
        self.setAccessibleName(text)
        self._update_tooltip()

    def minimumSizeHint(self) -> QSize:
        """Return a few letters wide: anything may shrink."""
        return QSize(self.fontMetrics().averageCharWidth() * 6, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the part of the text that fits."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(self.contentsRect(), self.alignment(), self._elided())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Offer the tooltip only while something is hidden."""
        super().resizeEvent(event)
        self._update_tooltip()

    def _elided(self) -> str:
        width = self.contentsRect().width()
        shown = self.fontMetrics().elidedText(self.text(), self._mode, width)
        # A few letters of a sentence say nothing, and look like a fault.
        return "" if shown != self.text() and width < self.fontMetrics().averageCharWidth() * self._fewest else shown

    def _update_tooltip(self) -> None:
        self.setToolTip(self._tip or (self.text() if self._elided() != self.text() else ""))


def _set_role(widget: QLabel, role: LabelRole) -> None:
    """Give a label the font and the colour of a role; the theme finds it again when text is to be larger."""
    in_font = _FONT_OF.get(role, role)
    widget.setFont(font(in_font))  # type: ignore[arg-type]
    widget.setProperty("fontRole", in_font)
    widget.setProperty("role", role)


def _tooltip(widget: QWidget, text: str, shortcut: str) -> None:
    if shortcut:
        native = QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)
        widget.setToolTip(f"{text} ({native})")
    elif isinstance(widget, QToolButton) or not isinstance(widget, QPushButton) or text != widget.text():
        widget.setToolTip(text)


def _fill(layout: _L, widgets: tuple[QWidget | None, ...], spacing: int) -> _L:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        else:
            layout.addWidget(widget)
    return layout
