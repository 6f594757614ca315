"""A status as icon, word and colour together."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.jobs.status import JobStatus, RuleStatus
from core.translation import tr
from gui.shared.icons import paint_icon
from gui.shared.theme import font, scaled, tokens


@dataclass(frozen=True, slots=True)
class StatusLook:
    """How one status looks: an icon's name, the word, and the colour token (its tint is `<colour>_tint`)."""

    icon: str
    word: str
    colour: str


_LOOKS: dict[str, StatusLook] = {
    JobStatus.IN_PROGRESS: StatusLook("running", tr("In progress"), "running"),
    JobStatus.COMPLETED: StatusLook("check-circle", tr("Completed"), "done"),
    JobStatus.FAILED: StatusLook("x-circle", tr("Failed"), "failed"),
    JobStatus.STOPPING: StatusLook("clock", tr("Stopping"), "warning"),
    JobStatus.STOPPED: StatusLook("stopped", tr("Stopped"), "stopped"),
    RuleStatus.NO_ISSUES_FOUND: StatusLook("check-circle", tr("No issues found"), "done"),
    RuleStatus.ISSUES_FOUND: StatusLook("warning", tr("Issues found"), "warning"),
    RuleStatus.ERROR: StatusLook("x-circle", tr("Error"), "failed"),
    "error": StatusLook("x-circle", tr("Error"), "failed"),
    "warning": StatusLook("warning", tr("Warning"), "warning"),
    "info": StatusLook("info", tr("Note"), "stopped"),
}


def status_look(status: str) -> StatusLook:
    """Return the look of a JobStatus, a RuleStatus or a severity ("error", "warning", "info")."""
    return _LOOKS.get(str(status)) or StatusLook("info", str(status), "stopped")


class StatusPill(QWidget):
    """A small tinted capsule that names a status; `detail` (a secondary status, a count) replaces the plain word."""

    _HEIGHT = 22
    _ICON = 14

    def __init__(self, status: str, detail: str = "") -> None:
        super().__init__()
        self.setFont(font("caption"))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.set_status(status, detail)

    def set_status(self, status: str, detail: str = "") -> None:
        """Show another status."""
        self._look = status_look(status)
        self._text = detail or self._look.word
        self.setAccessibleName(tr("Status: {text}").format(text=self._text))
        self.setToolTip(self._look.word if detail else "")
        self.updateGeometry()
        self.update()

    @property
    def text(self) -> str:
        """Return the word that is shown."""
        return self._text

    def sizeHint(self) -> QSize:
        """Return icon, word and the round ends."""
        return QSize(self.fontMetrics().horizontalAdvance(self._text) + self._ICON + 24, scaled(self._HEIGHT))

    def changeEvent(self, event: QEvent) -> None:
        """Repaint in the colours of another scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the capsule, the icon and the word."""
        colours = tokens()
        colour = QColor(getattr(colours, self._look.colour))
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(colours, f"{self._look.colour}_tint")))
        half = self.height() / 2
        painter.drawRoundedRect(QRectF(self.rect()), half, half)
        paint_icon(painter, QRectF(8, half - self._ICON / 2, self._ICON, self._ICON), self._look.icon, colour)
        painter.setPen(colour)
        painter.drawText(self.rect().adjusted(self._ICON + 13, 0, -6, 0), Qt.AlignmentFlag.AlignVCenter, self._text)
