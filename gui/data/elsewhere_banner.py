"""Says that the open pictures were labelled in another folder, and takes those labels over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.shared.basics import button
from gui.shared.feedback import Banner

if TYPE_CHECKING:
    from core.dataset.records import Scan
    from core.labels.moved import Elsewhere


class ElsewhereBanner(Banner):
    """Hidden while there is nothing to take over.

    Signals:
        taken(): the labels are those of this folder now.
        failed(UserFacingError): they are not, and why.
    """

    taken = Signal()
    failed = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__("", "running", "lightbulb")
        self._workbench, self._bridge = workbench, bridge
        self._scan: Scan | None = None
        self._found: Sequence[Elsewhere] = ()
        self.take = button(tr("Take them over"), tip=tr("Use those labels here too, with their history"))
        self.take.clicked.connect(self._on_take)
        self.add_action(self.take)
        self.hide()

    def open(self, scan: Scan | None, found: Sequence[Elsewhere]) -> None:
        """Offer what was found for a scan: the folder with most of its pictures."""
        self._scan, self._found = scan, found
        self.take.setEnabled(True)
        self.set_text(found[0].sentence if found else "")

    def _on_take(self) -> None:
        scan, folder, data = self._scan, self._found[0].folder, self._workbench.data
        if scan is None:
            return
        self.take.setEnabled(False)

        def work(on_progress: OnProgress, cancel: CancelToken) -> int:
            return data.take_over_labels(scan, folder)

        self._bridge.run(work, lambda _count: self._on_taken(), self._on_failed)

    def _on_taken(self) -> None:
        self.hide()
        self.taken.emit()

    def _on_failed(self, error: UserFacingError) -> None:
        self.take.setEnabled(True)
        self.failed.emit(error)
