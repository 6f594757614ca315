"""The status bar: the engine in use, what runs and how far it is, and short messages."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QStatusBar, QWidget

from core.engine_names import ENGINES, LOCAL
from core.jobs.records import Job
from core.translation import plural, tr
from gui.shared.basics import ElidedLabel, button
from gui.shared.feedback import IconLabel
from gui.shared.job_progress import bar_of, progress_text
from gui.shared.theme import GRID

MESSAGE_MS = 6000


class WindowStatus(QStatusBar):
    """What the whole window should know at a glance.

    Signals:
        jobs_asked(): the user wants to see what runs.
        engine_asked(): the user wants to choose where jobs run.
        endpoints_asked(): the user wants to see the endpoints.
    """

    jobs_asked = Signal()
    engine_asked = Signal()
    endpoints_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setSizeGripEnabled(False)
        self._engine_icon = IconLabel("chip", 16)
        self.engine: QPushButton = button("", kind="link", tip=tr("Choose where jobs run"))
        self.engine.clicked.connect(self.engine_asked)
        self._notice_icon = IconLabel("warning", 16, "warning")
        self._notice = ElidedLabel("", "caption", Qt.TextElideMode.ElideRight)
        self.jobs: QPushButton = button("", kind="link", tip=tr("Show the jobs"))
        self.jobs.clicked.connect(self.jobs_asked)
        self._bar = QProgressBar()
        self._bar.setFixedWidth(120)
        self._bar.setTextVisible(False)
        self._bar.setProperty("tone", "running")
        self._bar.setAccessibleName(tr("Progress of the running jobs"))
        self._running = _side_by_side(self._bar, self.jobs)
        self._notices = _side_by_side(self._notice_icon, self._notice)
        self._notices.setMaximumWidth(560)
        self.addPermanentWidget(self._notices)
        self.endpoints: QPushButton = button("", kind="link", tip=tr("Show the endpoints"))
        self.endpoints.clicked.connect(self.endpoints_asked)
        self.addPermanentWidget(self._running)
        self.addPermanentWidget(self.endpoints)
        self.addPermanentWidget(_side_by_side(self._engine_icon, self.engine))
        self.show_jobs(())
        self.show_notice("")
        self.show_endpoints(0, "")

    def show_engine(self, name: str) -> None:
        """Name the engine in use."""
        local = name == LOCAL
        self._engine_icon.set_icon("chip" if local else "cloud", "muted")
        self.engine.setText(tr("Local engine") if local else ENGINES.get(name, name))
        self.engine.setToolTip(
            tr("Jobs run on this computer. Press to choose where jobs run.")
            if local
            else tr("Jobs run in your AWS account. Press to choose where jobs run.")
        )

    def show_account(self, account: str, region: str) -> None:
        """Name the AWS account in use and its region."""
        self.engine.setText(tr("AWS {account} · {region}").format(account=account, region=region))

    def show_endpoints(self, count: int, bill: str) -> None:
        """Say how many endpoints of ours there are, and what they cost."""
        self.endpoints.setVisible(count > 0)
        words = plural("{count} endpoint", "{count} endpoints", count)
        self.endpoints.setText(f"{words}, {bill}" if bill else words)

    def show_notice(self, notice: str) -> None:
        """Show a sentence until it is taken back with an empty one: AWS cannot be asked, say."""
        self._notice.setText(notice)
        self._notice.setToolTip(notice)
        self._notices.setVisible(bool(notice))

    def show_jobs(self, running: Sequence[Job]) -> None:
        """Say how many jobs run, and how far they are together."""
        self._running.setVisible(bool(running))
        if not running:
            return
        self.jobs.setText(plural("{count} job is running", "{count} jobs are running", len(running)))
        known = [done for job in running if (done := bar_of(job)) is not None]
        self._bar.setRange(0, 1000 if known else 0)
        if known:
            self._bar.setValue(round(1000 * sum(known) / len(running)))
        self.jobs.setToolTip("\n".join(f"{job.name}: {progress_text(job)}" for job in running))

    def say(self, message: str) -> None:
        """Show a short message for some seconds."""
        self.showMessage(message, MESSAGE_MS)


def _side_by_side(*widgets: QWidget) -> QWidget:
    holder = QWidget()
    box = QHBoxLayout(holder)
    box.setContentsMargins(GRID, 0, GRID, 0)
    box.setSpacing(6)
    for widget in widgets:
        box.addWidget(widget)
    return holder
