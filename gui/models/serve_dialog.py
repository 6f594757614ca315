"""Serve a model on this machine while a small window is open."""

from __future__ import annotations

import secrets
import socket

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QCheckBox, QLineEdit, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.models import ModelAddress
from core.models.serve import ModelServer
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, label, row
from gui.shared.dialogs import GrowingDialog
from gui.shared.feedback import InlineError, ProgressRow
from gui.shared.field import Field
from gui.shared.qr_code import QrCode


class ServeDialog(GrowingDialog):
    """Starts and stops a server; it ends with this dialog."""

    def __init__(self, parent: QWidget | None, workbench: Workbench, bridge: Bridge, address: ModelAddress) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Serve model"))
        self.setMinimumWidth(560)
        self._workbench, self._bridge, self._model = workbench, bridge, address
        self._starting: Handle | None = None
        self.server: ModelServer | None = None
        self.others = QCheckBox(tr("Let other machines of this network ask, with a password in the address"))
        self.address = QLineEdit()
        self.address.setReadOnly(True)
        self.address.setPlaceholderText(tr("Not served"))
        self.code = QrCode()
        self.scan = label(tr("A phone in this network opens the page with its camera."), "muted", wrap=True)
        self.progress, self.error = ProgressRow(), InlineError()
        self.start = button(tr("Serve"), icon_name="play", kind="primary")
        self.stop = button(tr("Stop"), icon_name="stop")
        self.browse = button(tr("Open in the browser"))
        self.copy = button(tr("Copy"), icon_name="copy", tip=tr("Copy the address"))
        close = button(tr("Close"), kind="ghost")
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Serve the model of {name}").format(name=address.name), "card", wrap=True))
        box.addWidget(
            label(
                tr(
                    "A page for people, and a SageMaker endpoint's protocol at /invocations for programs. Closing this"
                    " window ends it."
                ),
                "muted",
                wrap=True,
            )
        )
        box.addWidget(self.others)
        box.addWidget(Field(tr("Address"), self.address))
        box.addLayout(row(self.browse, self.copy, None))
        box.addLayout(row(self.code, self.scan))
        box.addWidget(self.progress)
        box.addWidget(self.error)
        box.addLayout(row(None, close, self.stop, self.start))
        self.start.clicked.connect(self._on_start)
        self.stop.clicked.connect(self._on_stop)
        self.browse.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(self.address.text())))
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.address.text()))
        close.clicked.connect(self.reject)
        self.progress.cancelled.connect(self._on_stop)
        self.finished.connect(lambda _result: self._on_stop())
        self._show_state()

    def _on_start(self) -> None:
        self.error.clear()
        open_to_all = self.others.isChecked()
        workbench, address = self._workbench, self._model

        def work(on_progress: OnProgress, cancel: CancelToken) -> ModelServer:
            model = workbench.models.open(address, on_progress, cancel)
            cancel.raise_if_cancelled()
            if open_to_all:
                return ModelServer(model, "0.0.0.0", token=secrets.token_urlsafe(9)).start()
            return ModelServer(model).start()

        self.progress.start(tr("Loading model"))
        self._starting = self._bridge.run(work, self._on_started, self._on_failed, self.progress.update_progress)
        self._show_state()

    def _on_started(self, server: ModelServer) -> None:
        self._starting = None
        self.progress.finish()
        self.server = server
        url = server.url if server.is_private else server.url.replace("127.0.0.1", _own_address(), 1)
        self.address.setText(url)
        self._show_state()

    def _on_failed(self, error: UserFacingError) -> None:
        self._starting = None
        self.progress.finish()
        self.error.show_error(error)
        self._show_state()

    def _on_stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None
        self.progress.finish()
        server, self.server = self.server, None
        if server is not None:
            self._bridge.run(lambda on_progress, cancel: server.close())
        self.address.clear()
        self._show_state()

    def _show_state(self) -> None:
        served = self.server is not None
        self.start.setVisible(not served)
        self.start.setEnabled(self._starting is None)
        self.stop.setVisible(served)
        self.others.setEnabled(not served and self._starting is None)
        for widget in (self.browse, self.copy):
            widget.setEnabled(served)
        reachable = self.server is not None and not self.server.is_private
        self.code.set_text(self.address.text() if reachable else "")
        self.scan.setVisible(reachable)


def _own_address() -> str:
    """Return the address that other machines of the network know this one by; nothing is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # an address without a machine (RFC 5737)
            return str(asked.getsockname()[0])
        except OSError:
            return socket.gethostname()
