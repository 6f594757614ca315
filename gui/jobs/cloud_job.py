"""What a job on SageMaker has cost so far, what it was billed, and what AWS recorded otherwise than asked."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.engine_names import LOCAL
from core.errors import UserFacingError
from core.jobs.records import Job
from core.progress import CancelToken, OnProgress
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared import formatting
from gui.shared.cost_text import dollars
from gui.shared.feedback import Banner

METER_MS = 5000


@dataclass(frozen=True, slots=True)
class _Account:
    """Dollars so far or billed (None: unknown), the share that spot saved, what was billed, and the differences."""

    usd: float | None
    saved: float
    seconds: int
    differences: tuple[str, ...]


class CloudJobPanel(QWidget):
    """Follows one job; hidden unless there is a difference to show.

    Signals:
        cost_changed(str, str): the figure and its caption.
    """

    cost_changed = Signal(str, str)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._job: Job | None = None
        self._asking: Handle | None = None
        self.differences = Banner("", "warning")
        self.differences.set_text("")
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.differences)
        self._timer = QTimer(self)
        self._timer.setInterval(METER_MS)
        self._timer.timeout.connect(self._ask)

    def show_job(self, job: Job) -> None:
        """Follow this job."""
        before, self._job = self._job, job
        if before is None or before.name != job.name:
            self.differences.set_text("")
        if job.engine == LOCAL:
            self._timer.stop()
            self.cost_changed.emit(tr("Free"), tr("Cost"))
        elif before is None or before.name != job.name or before.status != job.status:
            self.cost_changed.emit(formatting.NONE, tr("Cost"))
            self._ask()
            if self.isVisible() and not job.status.is_final:
                self._timer.start()

    def _ask(self) -> None:
        job, workbench = self._job, self._workbench
        if job is None or job.engine == LOCAL:
            return
        if self._asking is not None:
            self._asking.cancel()
        if job.status.is_final:
            self._timer.stop()

        def work(on_progress: OnProgress, cancel: CancelToken) -> _Account | None:
            cloud = workbench.cloud
            if cloud is None:
                return None
            differences = tuple(cloud.differences(job.name))
            if not job.status.is_final:
                return _Account(cloud.spent(job.name), 0.0, 0, differences)
            bill = cloud.bill(job.name)
            return _Account(bill.usd, bill.saved, bill.billable_seconds, differences)

        self._asking = self._bridge.run(
            work, lambda account: self._show(job, account), lambda error: self._on_failed(job, error)
        )

    def _show(self, job: Job, account: _Account | None) -> None:
        if self._job is None or self._job.name != job.name or account is None:
            return
        if job.status.is_final:
            billed = (
                tr("Billed for {duration} (spot saved {saved:.0%})") if account.saved else tr("Billed for {duration}")
            )
            caption = billed.format(duration=formatting.duration(account.seconds), saved=account.saved)
            self.cost_changed.emit(dollars(account.usd), caption)
        else:
            self.cost_changed.emit(dollars(account.usd), tr("Cost so far, about"))
        count = len(account.differences)
        lead = plural(
            "AWS recorded {count:,} setting otherwise than asked.",
            "AWS recorded {count:,} settings otherwise than asked.",
            count,
        )
        self.differences.set_text(" ".join([lead, *account.differences]) if count else "")

    def _on_failed(self, job: Job, error: UserFacingError) -> None:
        if self._job is not None and self._job.name == job.name:
            self.cost_changed.emit(formatting.NONE, tr("Cost (not known)"))

    def showEvent(self, event: QShowEvent) -> None:
        """Let the meter run while it is seen."""
        super().showEvent(event)
        if self._job is not None and self._job.engine != LOCAL and not self._job.status.is_final:
            self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop the meter."""
        super().hideEvent(event)
        self._timer.stop()
