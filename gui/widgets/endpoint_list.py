"""The endpoints of the account: status, age, price, cost so far; to be asked or deleted."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from core.engines.base import Endpoint
from core.errors import UserFacingError
from gui.endpoint_watch import EndpointWatch
from gui.models import endpoint_words
from gui.theme import GRID
from gui.widgets.basics import ElidedLabel, button, label, row
from gui.widgets.card import Card
from gui.widgets.feedback import EmptyState, IconLabel, InlineError

_LOOK = {
    "InService": ("check-circle", "done", "In service"),
    "Failed": ("x-circle", "failed", "Failed"),
    "OutOfService": ("warning", "warning", "Out of service"),
}
_TICK_MS = 1000


class EndpointRow(Card):
    """One endpoint.

    Signals:
        use_asked(str), delete_asked(str): the buttons, with the endpoint's name.
    """

    use_asked = Signal(str)
    delete_asked = Signal(str)

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.endpoint = endpoint
        icon_name, role, word = _LOOK.get(endpoint.status, ("running", "running", endpoint.status))
        self._facts = label("", "figures", wrap=True)
        self.use = button("Use for predictions", icon_name="predict")
        self.use.setEnabled(endpoint.status == "InService")
        self.use.clicked.connect(lambda: self.use_asked.emit(endpoint.name))
        self.delete = button("Delete", icon_name="trash", kind="danger", tip="Endpoint, configuration and model")
        self.delete.setVisible(endpoint.ours)
        self.delete.setEnabled(endpoint.status != "Deleting")
        self.delete.clicked.connect(lambda: self.delete_asked.emit(endpoint.name))
        top = QHBoxLayout()
        top.setSpacing(GRID)
        top.addWidget(IconLabel(icon_name, 18, role))
        top.addWidget(label(word, "caption"))
        top.addWidget(ElidedLabel(endpoint.name, "strong"), 1)
        top.addWidget(self.use)
        top.addWidget(self.delete)
        self.body.addLayout(top)
        whose = f"Serves {endpoint.model_job}. " if endpoint.model_job else ""
        origin = whose if endpoint.ours else "Not made by Sagehound. "
        where = "Serverless" if endpoint.instance_type == endpoint_words.SERVERLESS else f"On {endpoint.instance_type}"
        self._origin = f"{origin}{where}"
        self.add(self._facts)
        if endpoint.failure_reason:
            self.add(label(endpoint.failure_reason, "error", wrap=True))
        self.tick()

    @property
    def facts(self) -> str:
        """What is said about age and money."""
        return self._facts.text()

    def tick(self) -> None:
        """Count on."""
        now, endpoint = time.time(), self.endpoint
        parts = [self._origin, f"{endpoint_words.age(endpoint, now)} old", endpoint_words.hourly(endpoint)]
        if endpoint.hourly_usd is not None:
            parts.append(f"{endpoint_words.so_far(endpoint, now)} so far")
        parts.append(endpoint_words.end(endpoint, now))
        self._facts.setText("  ·  ".join(part for part in parts if part))


class EndpointsDialog(QDialog):
    """Every endpoint of the region, ours first; what is shown is looked at every few seconds.

    Signals:
        use_asked(str): classify pictures with this endpoint.
    """

    use_asked = Signal(str)

    def __init__(self, parent: QWidget | None, watch: EndpointWatch) -> None:
        super().__init__(parent)
        self.setWindowTitle("Endpoints")
        self.setModal(True)
        self.resize(760, 480)
        self._watch = watch
        self.rows: list[EndpointRow] = []
        self.error = InlineError()
        self.empty = EmptyState("cloud", "There is no endpoint.", "", "Deploy a model from Jobs to make one.")
        content = QWidget()
        content.setObjectName("page")
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
        close = button("Close", kind="primary")
        close.clicked.connect(self.accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label("Endpoints", "title"))
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
        for at, made in enumerate(self.rows):
            made.use_asked.connect(self._on_use)
            made.delete_asked.connect(self.delete)
            self._list.insertWidget(at, made)
        self._area.setVisible(bool(endpoints))
        self.empty.setVisible(not endpoints)
        bill = endpoint_words.bill(self._watch.ours)
        self._sum.setText(
            f"Those of Sagehound cost {bill}." if bill else "An endpoint costs money until it is deleted."
        )

    def delete(self, name: str) -> None:
        """Delete one of ours with its configuration and model."""
        self.error.clear()
        for shown in self.rows:
            if shown.endpoint.name == name:
                shown.delete.setEnabled(False)
                shown.delete.setText("Deleting…")
        self._watch.delete((name,), lambda: None, self._on_failed)

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
