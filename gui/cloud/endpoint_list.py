"""The endpoints of the account: status, age, price, cost so far; to be asked or deleted."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QDialog, QScrollArea, QVBoxLayout, QWidget

from core.engine import Endpoint
from core.errors import UserFacingError
from core.translation import tr
from gui.cloud import endpoint_text
from gui.cloud.endpoint_row import EndpointRow
from gui.cloud.endpoint_watch import EndpointWatch
from gui.shared.basics import button, label, row
from gui.shared.feedback import EmptyState, InlineError
from gui.shared.theme import GRID

_TICK_MS = 1000


class EndpointsDialog(QDialog):
    """Every endpoint of the region, ours first; what is shown is looked at every few seconds.

    Signals:
        use_asked(str): classify pictures with this endpoint.
    """

    use_asked = Signal(str)

    def __init__(self, parent: QWidget | None, watch: EndpointWatch) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Endpoints"))
        self.setModal(True)
        self.resize(760, 480)
        self._watch = watch
        self.rows: list[EndpointRow] = []
        self.error = InlineError()
        self.empty = EmptyState("cloud", tr("There is no endpoint."), "", tr("Deploy a model from Jobs to make one."))
        content = QWidget()
        content.setObjectName("page")
        self._logs: dict[str, tuple[str, ...]] = {}
        self._others = label(tr("Not made by Sagehound"), "card")
        self._list = QVBoxLayout(content)
        self._list.setContentsMargins(0, 0, 6, 0)
        self._list.setSpacing(GRID)
        self._list.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        self._area = area
        self._sum = label("", "muted", wrap=True)
        close = button(tr("Close"), kind="primary")
        close.clicked.connect(self.accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Endpoints"), "title"))
        box.addWidget(self._sum)
        box.addWidget(self.error)
        box.addWidget(area, 1)
        box.addWidget(self.empty, 1)
        box.addLayout(row(None, close))
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        watch.changed.connect(self.show_endpoints)
        watch.failed.connect(self.error.show_error)
        watch.watched = True
        self.finished.connect(self._on_closed)
        self.show_endpoints(watch.endpoints)
        watch.look()

    def show_endpoints(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Show these."""
        for old in self.rows:
            old.hide()
            old.deleteLater()
        self.rows = [EndpointRow(endpoint) for endpoint in endpoints]
        self._list.removeWidget(self._others)
        self._others.setVisible(any(not endpoint.ours for endpoint in endpoints))
        for made in self.rows:
            made.use_asked.connect(self._on_use)
            made.delete_asked.connect(self.delete)
            made.keep_asked.connect(self._watch.keep)
            made.log_asked.connect(self._read_log)
            if made.endpoint.name in self._logs:
                made.show_log(self._logs[made.endpoint.name])
            if not made.endpoint.ours and self._list.indexOf(self._others) < 0:
                self._list.insertWidget(self._list.count() - 1, self._others)
            self._list.insertWidget(self._list.count() - 1, made)
        self._area.setVisible(bool(endpoints))
        self.empty.setVisible(not endpoints)
        bill = endpoint_text.bill(self._watch.ours)
        self._sum.setText(
            tr("Those of Sagehound cost {bill}.").format(bill=bill)
            if bill
            else tr("An endpoint costs money until it is deleted.")
        )

    def delete(self, name: str) -> None:
        """Delete one of ours with its configuration and model."""
        self.error.clear()
        for shown in self.rows:
            if shown.endpoint.name == name:
                shown.delete.setEnabled(False)
                shown.delete.setText(tr("Deleting…"))
        self._watch.delete((name,), lambda: None, self._on_failed)

    def _read_log(self, name: str) -> None:
        self.error.clear()
        self._watch.read_log(name, lambda lines: self._on_log(name, lines), self.error.show_error)

    def _on_log(self, name: str, lines: tuple[str, ...]) -> None:
        if not self.isVisible():
            return
        self._logs[name] = lines
        for shown in self.rows:
            if shown.endpoint.name == name:
                shown.show_log(lines)

    def _tick(self) -> None:
        for shown in self.rows:
            shown.tick()

    def _on_failed(self, error: UserFacingError) -> None:
        self.error.show_error(error)
        self.show_endpoints(self._watch.endpoints)

    def _on_use(self, name: str) -> None:
        self.use_asked.emit(name)
        self.accept()

    def _on_closed(self, _result: int) -> None:
        self._timer.stop()
        self._watch.watched = False
