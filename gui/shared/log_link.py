"""A link to the page of a log in the AWS console."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QWidget

from core.translation import tr
from gui.shared.basics import button

_TEXT = tr("Open in CloudWatch")


class LogLink(QWidget):
    """Opens the page in the browser; where there is none, the address goes to the clipboard. Hidden without one."""

    def __init__(self, url: str = "") -> None:
        super().__init__()
        self.button = button(_TEXT, kind="link", icon_name="external")
        self.button.clicked.connect(self._on_clicked)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.button)
        self._lead(url)
        if not url:
            self.hide()

    def set_url(self, url: str) -> None:
        """Lead there; "": nowhere."""
        self._lead(url)
        self.setVisible(bool(url))

    def _lead(self, url: str) -> None:
        self.url = url
        self.button.setText(_TEXT)
        self.button.setToolTip(url)
        self.button.setAccessibleDescription(url)

    def _on_clicked(self) -> None:
        if not QDesktopServices.openUrl(QUrl(self.url, QUrl.ParsingMode.StrictMode)):
            QGuiApplication.clipboard().setText(self.url)
            self.button.setText(tr("The address is copied"))
