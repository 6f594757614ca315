"""An address as a QR code, for a phone's camera: dark on light in either theme, as cameras want it."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from core.translation import tr

_QUIET = 4
"""Modules of white around the code: ISO/IEC 18004 asks for so many."""
_MODULE = 5


class QrCode(QWidget):
    """Shows one text as a QR code; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[bytearray] = []
        self.hide()

    def set_text(self, text: str) -> None:
        """Show a text, or nothing."""
        if text:
            import segno

            self._rows = list(segno.make_qr(text, error="m").matrix)
        else:
            self._rows = []
        self.setAccessibleName(tr("QR code of {address}").format(address=text) if text else "")
        self.setVisible(bool(self._rows))
        side = _MODULE * (len(self._rows) + 2 * _QUIET)
        self.setFixedSize(side, side)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the modules."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("white"))
        for top, modules in enumerate(self._rows, _QUIET):
            for left, dark in enumerate(modules, _QUIET):
                if dark:
                    painter.fillRect(left * _MODULE, top * _MODULE, _MODULE, _MODULE, QColor("black"))
