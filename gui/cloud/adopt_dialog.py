"""Jobs of the AWS account that Sagehound does not know: by name, or from a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QLineEdit, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from core.cloud.account import AccountJob
from core.errors import EngineError, UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared import formatting
from gui.shared.basics import button, label, row
from gui.shared.feedback import InlineError, ProgressRow
from gui.shared.field import Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.cloud.interface import Cloud

_KINDS = {"tuning": tr("Tuning job"), "training": tr("Training job")}


class AdoptDialog(QDialog):
    """Takes a job of the account into the list; nothing changes on AWS.

    Signals:
        adopted(str): the job of that name is followed.
    """

    adopted = Signal(str)

    def __init__(self, parent: QWidget | None, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Adopt a job"))
        self.setModal(True)
        self.resize(680, 480)
        self._workbench, self._bridge = workbench, bridge
        self._working: Handle | None = None
        self.list = QTreeWidget()
        self.list.setHeaderLabels([tr("Name"), tr("Kind"), tr("Status"), tr("Created")])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setAccessibleName(tr("Jobs of the account"))
        self.list.setColumnWidth(0, 320)
        self.name = QLineEdit()
        self.name.setPlaceholderText(tr("Choose from the list, or type"))
        self.progress, self.error = ProgressRow(), InlineError()
        self.adopt = button(tr("Adopt"), icon_name="plus", kind="primary")
        self.adopt.setEnabled(False)
        cancel = button(tr("Cancel"), kind="ghost")
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Adopt a job of your AWS account"), "card"))
        box.addWidget(
            label(tr("It is followed like your own, with curves, trials and log. Nothing changes on AWS."), "muted")
        )
        box.addWidget(self.list, 1)
        box.addWidget(Field(tr("Name of the job"), self.name))
        box.addWidget(self.progress)
        box.addWidget(self.error)
        box.addLayout(row(None, cancel, self.adopt))
        cancel.clicked.connect(self.reject)
        self.adopt.clicked.connect(self._on_adopt)
        self.progress.cancelled.connect(self.cancel)
        self.name.textChanged.connect(lambda text: self.adopt.setEnabled(bool(text.strip())))
        self.list.currentItemChanged.connect(self._on_chosen)
        self.list.itemDoubleClicked.connect(lambda _item: self._on_adopt())
        self.finished.connect(lambda _result: self.cancel())
        self._ask()

    def cancel(self) -> None:
        """Wait for nothing more."""
        if self._working is not None:
            self._working.cancel()
            self._working = None
        self.progress.finish()

    def _cloud(self) -> Cloud:
        cloud = self._workbench.cloud
        if cloud is None:
            raise EngineError(tr("There is no connection to AWS."), fix=tr("Connect to AWS first."))
        return cloud

    def _ask(self) -> None:
        def work(on_progress: OnProgress, cancel: CancelToken) -> Sequence[AccountJob]:
            return self._cloud().account_jobs()

        self.progress.start(tr("Listing the jobs of the account"))
        self._working = self._bridge.run(work, self._on_listed, self._on_failed)

    def _on_listed(self, found: Sequence[AccountJob]) -> None:
        self.cancel()
        for job in found:
            status = tr("{status}, known here").format(status=job.status) if job.known else job.status
            item = QTreeWidgetItem([job.name, _KINDS[job.kind], status, formatting.moment(job.created)])
            if job.known:
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addTopLevelItem(item)

    def _on_chosen(self, item: QTreeWidgetItem | None) -> None:
        if item is not None:
            self.name.setText(item.text(0))

    def _on_adopt(self) -> None:
        name = self.name.text().strip()
        if not name:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            self._cloud().adopt(name)

        def done(_nothing: None) -> None:
            self.adopted.emit(name)
            self.accept()

        self.cancel()
        self.error.clear()
        self.progress.start(tr("Adopting {name}").format(name=name))
        self._working = self._bridge.run(work, done, self._on_failed)

    def _on_failed(self, error: UserFacingError) -> None:
        self.cancel()
        self.error.show_error(error)
