"""Short messages at the window's lower right, for what finished elsewhere; at most three at once."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtGui import QCursor, QEnterEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from core.translation import tr
from gui.shared.basics import button, icon_button, label
from gui.shared.feedback import IconLabel
from gui.shared.pill import status_look
from gui.shared.theme import GRID, MARGIN

SHOWN_MS = 6000
MOST = 3


class Toasts(QObject):
    """Shows toasts over `window`; they stack upwards and stay while the pointer that was moved there is on them."""

    def __init__(self, window: QWidget, bottom_margin: int = 40, shown_ms: int = SHOWN_MS) -> None:
        super().__init__(window)
        self._window, self._bottom, self._shown_ms = window, bottom_margin, shown_ms
        self._shown: list[Toast] = []
        window.installEventFilter(self)

    @property
    def messages(self) -> list[str]:
        """Return what is shown now, the oldest first."""
        return [toast.message for toast in self._shown]

    def show(
        self,
        message: str,
        status: str = "info",
        action: str = "",
        on_action: Callable[[], None] | None = None,
        stays: bool = False,
    ) -> None:
        """Show one sentence with the look of a status, and perhaps one button (Undo, Show).

        One that `stays` is dismissed by hand: of what happened while no one was looking.
        """
        toast = Toast(self._window, message, status, action, on_action, self._remove, self._shown_ms)
        if stays:
            toast.stay()
        self._shown.append(toast)
        for old in self._shown[:-MOST]:
            self._remove(old)
        self._place()
        toast.show()
        toast.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the toasts in their corner."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _remove(self, toast: Toast) -> None:
        if toast in self._shown:
            self._shown.remove(toast)
            toast.hide()
            toast.deleteLater()
            self._place()

    def _place(self) -> None:
        bottom = self._window.height() - self._bottom
        for toast in reversed(self._shown):
            toast.adjustSize()
            bottom -= toast.height() + GRID
            toast.move(self._window.width() - toast.width() - MARGIN, bottom)


class Toast(QFrame):
    """One message. It leaves by itself, or by its cross."""

    def __init__(
        self,
        window: QWidget,
        message: str,
        status: str,
        action: str,
        on_action: Callable[[], None] | None,
        remove: Callable[[Toast], None],
        shown_ms: int = SHOWN_MS,
    ) -> None:
        super().__init__(window)
        self.setObjectName("toast")
        self.setAccessibleName(message)
        self.message = message
        self._remove, self._pointer = remove, QCursor.pos()
        look = status_look(status)
        text = label(message, wrap=True)
        text.setFixedWidth(min(360, text.fontMetrics().horizontalAdvance(message) + GRID))
        box = QHBoxLayout(self)
        box.setContentsMargins(12, GRID, GRID, GRID)
        box.setSpacing(GRID)
        box.addWidget(IconLabel(look.icon, 18, look.colour))
        box.addWidget(text)
        if action:
            act = button(action, kind="link")
            act.clicked.connect(self._leave)
            if on_action is not None:
                act.clicked.connect(lambda: on_action())
            box.addWidget(act)
        close = icon_button("x", tr("Dismiss"))
        close.clicked.connect(self._leave)
        box.addWidget(close)
        self._stays = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._leave)
        self._shown_ms = shown_ms
        self._timer.start(shown_ms)

    def stay(self) -> None:
        """Leave by the cross alone."""
        self._timer.stop()
        self._stays = True

    def enterEvent(self, event: QEnterEvent) -> None:
        """Stay while it is read; where it only came up under the pointer it covers what that one pointed at."""
        if event.globalPosition().toPoint() != self._pointer:
            self._timer.stop()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Leave after the usual time."""
        if not self._stays:
            self._timer.start(self._shown_ms)
        super().leaveEvent(event)

    def _leave(self) -> None:
        self._remove(self)
