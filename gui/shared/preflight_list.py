"""What is checked in an AWS account before anything is billed: each check with its verdict and what to do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from core.cloud.account import Check, Verdict
from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress, Progress
from core.translation import tr
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, icon_button, label, row
from gui.shared.feedback import IconLabel, InlineError, ProgressRow
from gui.shared.theme import GRID

Checks = Callable[[], Iterator[Check]]
_LOOK = {
    Verdict.PASS: ("check-circle", "done", tr("Passed")),
    Verdict.WARN: ("warning", "warning", tr("Warning")),
    Verdict.FAIL: ("x-circle", "failed", tr("Failed")),
    Verdict.UNKNOWN: ("info", "muted", tr("Not checked")),
}


class CheckRow(QWidget):
    """One check: icon and word of its verdict, what was found, what to do, and a button that copies that."""

    def __init__(self, check: Check) -> None:
        super().__init__()
        self.check = check
        icon_name, role, word = _LOOK[check.verdict]
        verdict = label(word, "strong" if check.verdict is Verdict.FAIL else "caption")
        verdict.setFixedWidth(76)
        texts = QVBoxLayout()
        texts.setSpacing(1)
        texts.addWidget(label(check.name, "strong"))
        for text, kind in ((check.text, "muted"), (check.fix, "body")):
            if text:
                made = label(text, kind, wrap=True)  # type: ignore[arg-type]
                made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                texts.addWidget(made)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 4, 0, 4)
        box.setSpacing(GRID)
        top = Qt.AlignmentFlag.AlignTop
        box.addWidget(IconLabel(icon_name, 18, role), 0, top)
        box.addWidget(verdict, 0, top)
        box.addLayout(texts, 1)
        if check.fix:
            self.copy = icon_button("copy", tr("Copy what to do about {name}").format(name=check.name))
            self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(check.fix))
            box.addWidget(self.copy, 0, top)
        self.setAccessibleName(f"{word}: {check.name}. {check.text} {check.fix}".strip())


class PreflightList(QWidget):
    """Runs checks in a thread and shows each as it ends.

    Signals:
        finished(bool): all are done; whether none of them failed.
    """

    finished = Signal(bool)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._running: Handle | None = None
        self._came: deque[Check] = deque()
        self.rows: list[CheckRow] = []
        self.summary = label("", "muted", wrap=True)
        self.progress, self.error = ProgressRow(), InlineError()
        self.progress.cancelled.connect(self.cancel)
        content = QWidget()
        self._list = QVBoxLayout(content)
        self._list.setContentsMargins(0, 0, 4, 0)
        self._list.setSpacing(0)
        self._list.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        content.setAutoFillBackground(False)
        area.viewport().setAutoFillBackground(False)
        area.setAccessibleName(tr("Checks"))
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        for widget in (self.summary, self.progress, self.error):
            box.addWidget(widget)
        box.addWidget(area, 1)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Return what is shown."""
        return tuple(shown.check for shown in self.rows)

    def run(self, checks: Checks) -> None:
        """Begin again with these checks."""
        self.clear()
        came = self._came = deque()

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            for done, check in enumerate(checks(), 1):
                cancel.raise_if_cancelled()
                came.append(check)
                on_progress(Progress(done, None, tr("Checked: {name}").format(name=check.name), tr("checks")))

        self.progress.start(tr("Checking the account"))
        self._running = self._bridge.run(work, self._on_done, self._on_failed, self._on_progress)

    def cancel(self) -> None:
        """Check no further."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
            self.summary.setText(tr("The checks were cancelled."))
        self.progress.finish()

    def clear(self) -> None:
        """Show nothing."""
        self.cancel()
        self.summary.setText("")
        self.error.clear()
        for shown in self.rows:
            shown.hide()
            shown.deleteLater()
        self.rows = []

    def _on_progress(self, progress: Progress) -> None:
        self.progress.update_progress(progress)
        self._take()

    def _take(self) -> None:
        while self._came:
            made = CheckRow(self._came.popleft())
            self._list.insertWidget(len(self.rows), made)
            self.rows.append(made)

    def _on_done(self, _nothing: None) -> None:
        self._running = None
        self._take()
        self.progress.finish()
        count = {verdict: sum(check.verdict is verdict for check in self.checks) for verdict in Verdict}
        failed = count[Verdict.FAIL]
        words = [f"{_LOOK[verdict][2]}: {count[verdict]}" for verdict in Verdict if count[verdict]]
        lead = tr("Jobs would fail as it is.") if failed else tr("A job can start.")
        self.summary.setText(f"{lead} {', '.join(words)}.")
        self.finished.emit(not failed)

    def _on_failed(self, error: UserFacingError) -> None:
        self._running = None
        self.progress.finish()
        self.error.show_error(error)


class PreflightDialog(QDialog):
    """The checks of what a job will run on."""

    def __init__(self, parent: QWidget | None, bridge: Bridge, what: str, checks: Checks) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Check the account"))
        self.setModal(True)
        self.resize(620, 560)
        self.list = PreflightList(bridge)
        self._checks = checks
        self.again = button(tr("Check again"), icon_name="refresh")
        self.again.clicked.connect(lambda: self.list.run(checks))
        close = button(tr("Close"), kind="primary")
        close.clicked.connect(self.accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Before anything is billed"), "card"))
        box.addWidget(label(what, "muted", wrap=True))
        box.addWidget(self.list, 1)
        box.addLayout(row(self.again, None, close))
        self.finished.connect(lambda _result: self.list.cancel())
        self.list.run(checks)
