"""One endpoint: status, age, price and cost so far, what it says when it fails, and its log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit

from core.engine import Endpoint
from core.translation import tr
from gui.cloud import endpoint_text
from gui.shared.basics import ElidedLabel, button, label, row
from gui.shared.card import Card
from gui.shared.feedback import IconLabel
from gui.shared.log_link import LogLink
from gui.shared.theme import GRID, font

_LOOK = {
    "InService": ("check-circle", "done", tr("In service")),
    "Failed": ("x-circle", "failed", tr("Failed")),
    "OutOfService": ("warning", "warning", tr("Out of service")),
}
_LOG_HEIGHT = 140


class EndpointRow(Card):
    """One endpoint.

    Signals:
        use_asked(str), delete_asked(str), keep_asked(str), log_asked(str): the buttons, with the endpoint's name.
    """

    use_asked = Signal(str)
    delete_asked = Signal(str)
    keep_asked = Signal(str)
    log_asked = Signal(str)

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.endpoint = endpoint
        name, waits = endpoint.name, endpoint.deletion_pending
        self.use = button(tr("Use for predictions"), icon_name="predict")
        self.use.setEnabled(endpoint.status == "InService")
        self.use.clicked.connect(lambda: self.use_asked.emit(name))
        self.keep = button(tr("Keep it"), icon_name="undo", tip=tr("Do not delete it after all"))
        self.keep.setHidden(not waits)
        self.keep.clicked.connect(lambda: self.keep_asked.emit(name))
        self.delete = button(
            tr("Delete"), icon_name="trash", kind="danger", tip=tr("Endpoint, configuration and model")
        )
        self.delete.setHidden(waits or not endpoint.ours)
        self.delete.setEnabled(endpoint.status != "Deleting")
        self.delete.clicked.connect(lambda: self.delete_asked.emit(name))
        self.show_log_button = button(tr("Show the log"), kind="link", icon_name="terminal")
        self.show_log_button.clicked.connect(self._on_log)
        self.web_log = LogLink(endpoint.log_url)
        self._log = QPlainTextEdit()
        self._facts = label("", "figures", wrap=True)
        self._lay_out()
        self.tick()

    def _lay_out(self) -> None:
        endpoint = self.endpoint
        icon_name, role, word = _LOOK.get(endpoint.status, ("running", "running", endpoint.status))
        top = QHBoxLayout()
        top.setSpacing(GRID)
        top.addWidget(IconLabel(icon_name, 18, role))
        top.addWidget(label(word, "caption"))
        top.addWidget(ElidedLabel(endpoint.name, "strong"), 1)
        for action in (self.use, self.keep, self.delete):
            top.addWidget(action)
        self.body.addLayout(top)
        whose = tr("Serves {job}.").format(job=endpoint.model_job) if endpoint.model_job else ""
        origin = whose if endpoint.ours else tr("Not made by Sagehound.")
        self._origin = f"{origin} {endpoint_text.place(endpoint)}".strip()
        self.add(self._facts)
        for text in dict.fromkeys((endpoint.notice, endpoint.failure_reason)):
            if text:
                self.add(label(text, "error", wrap=True))
        self.body.addLayout(row(self.show_log_button, self.web_log, None))
        self._log.setReadOnly(True)
        self._log.setFont(font("mono"))
        self._log.setFixedHeight(_LOG_HEIGHT)
        self._log.setAccessibleName(tr("Log of {name}").format(name=endpoint.name))
        self._log.hide()
        self.add(self._log)

    @property
    def facts(self) -> str:
        """Return what is said about age and money."""
        return self._facts.text()

    @property
    def log_text(self) -> str:
        """Return the log that is shown, "" for none."""
        return "" if self._log.isHidden() else self._log.toPlainText()

    def show_log(self, lines: Sequence[str]) -> None:
        """Show the end of the log."""
        self._log.setPlainText("\n".join(lines) or tr("It has written nothing yet."))
        self._log.show()
        bar = self._log.verticalScrollBar()
        bar.setValue(bar.maximum())  # the last lines say what it was
        self.show_log_button.setText(tr("Show the log again"))

    def tick(self) -> None:
        """Count on."""
        now, endpoint = time.time(), self.endpoint
        parts = [
            self._origin,
            tr("{age} old").format(age=endpoint_text.age(endpoint, now)),
            endpoint_text.hourly(endpoint),
        ]
        if endpoint.hourly_usd is not None:
            parts.append(tr("{so_far} so far").format(so_far=endpoint_text.so_far(endpoint, now)))
        parts.append(endpoint_text.end(endpoint, now))
        self._facts.setText("  ·  ".join(part for part in parts if part))

    def _on_log(self) -> None:
        self.log_asked.emit(self.endpoint.name)
