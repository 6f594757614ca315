"""What the Debugger tab looks at: a job of the list, one of its trials, or an earlier job from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLineEdit, QMenu, QVBoxLayout, QWidget

from core.jobs.records import Job
from core.translation import plural, tr
from gui.shared.basics import button, label
from gui.shared.dialogs import GrowingDialog
from gui.shared.icons import icon
from gui.shared.theme import GRID


class DebugSource(QWidget):
    """Two choices, job and trial, and a button for earlier jobs.

    Signals:
        job_chosen(str): another job.
        trial_chosen(str): another training job of it.
        opened(str): a folder or an s3:// address of an earlier job.
    """

    job_chosen = Signal(str)
    trial_chosen = Signal(str)
    opened = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.jobs, self.trials = QComboBox(), QComboBox()
        self.jobs.setAccessibleName(tr("Job"))
        self.trials.setAccessibleName(tr("Trial"))
        for combo in (self.jobs, self.trials):
            combo.setMinimumWidth(220)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.jobs.currentIndexChanged.connect(lambda: self.job_chosen.emit(self.job))
        self.trials.currentIndexChanged.connect(lambda: self.trial_chosen.emit(self.trial))
        self.open = button(
            tr("Open earlier job"), icon_name="folder-open", tip=tr("Tensors or a profile that were saved")
        )
        menu = QMenu(self.open)
        menu.addAction(icon("folder"), tr("Folder…"), self.ask_folder)
        menu.addAction(icon("cloud"), tr("S3 address…"), self.ask_address)
        self.open.setMenu(menu)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addWidget(self.jobs, 2)
        box.addWidget(self.trials, 3)
        box.addWidget(self.open)
        self.trials.hide()
        self._by_hand = False
        self.jobs.activated.connect(self._on_activated)

    def _on_activated(self) -> None:
        self._by_hand = True

    @property
    def job(self) -> str:
        """Return the job that is chosen, or the address of an earlier one; "" for none."""
        return str(self.jobs.currentData() or "")

    @property
    def trial(self) -> str:
        """Return the training job that is chosen, "" for none."""
        return str(self.trials.currentData() or "")

    def set_jobs(self, jobs: Sequence[Job], earlier: Sequence[str]) -> None:
        """Offer these jobs and earlier ones. What the user chose stays chosen; else the newest is."""
        entries = [(job.shown_name, job.name) for job in jobs] + [(_short(source), source) for source in earlier]
        if entries == [(self.jobs.itemText(at), self.jobs.itemData(at)) for at in range(self.jobs.count())]:
            return
        chosen = self.job
        wanted = chosen if self._by_hand or chosen in earlier or not jobs else jobs[0].name
        self.jobs.blockSignals(True)
        self.jobs.clear()
        for text, data in entries:
            self.jobs.addItem(text, data)
            self.jobs.setItemData(self.jobs.count() - 1, data, 3)  # Qt.ItemDataRole.ToolTipRole
        self.jobs.setCurrentIndex(max(0, self.jobs.findData(wanted)) if entries else -1)
        self.jobs.blockSignals(False)
        if self.job != chosen:
            self.job_chosen.emit(self.job)

    def choose_job(self, name: str) -> bool:
        """Choose a job; returns whether it is there."""
        at = self.jobs.findData(name)
        if at >= 0:
            self._by_hand = True
            self.jobs.setCurrentIndex(at)
        return at >= 0

    def set_trials(self, names: Sequence[str], issues: Mapping[str, int]) -> None:
        """Offer these trials with their issues; a single training job needs no choice."""
        chosen = self.trial
        self.trials.blockSignals(True)
        self.trials.clear()
        for name in names:
            count = issues.get(name, 0)
            counted = plural("{count} issue", "{count} issues", count)
            text = f"{name}  ·  {counted}" if count else name
            self.trials.addItem(icon("warning", "warning"), text, name) if count else self.trials.addItem(text, name)
        self.trials.setCurrentIndex(max(0, self.trials.findData(chosen)) if names else -1)
        self.trials.blockSignals(False)
        self.trials.setVisible(len(names) > 1)
        if self.trial != chosen:
            self.trial_chosen.emit(self.trial)

    def ask_folder(self) -> None:
        """Ask for a folder."""
        folder = QFileDialog.getExistingDirectory(self, tr("Folder of an earlier job"))
        if folder:
            self.opened.emit(folder)

    def ask_address(self) -> None:
        """Ask for an address in S3."""
        dialog = AddressDialog(self)
        dialog.finished.connect(dialog.deleteLater)
        dialog.accepted.connect(lambda: self.opened.emit(dialog.address))
        dialog.open()


class AddressDialog(GrowingDialog):
    """Asks for an s3:// address."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Open from S3"))
        self.setModal(True)
        self.resize(520, 150)
        self.field = QLineEdit()
        self.field.setPlaceholderText("s3://bucket/path/to/job")
        self.field.setAccessibleName(tr("S3 address"))
        self.go = button(tr("Open"), kind="primary")
        self.go.setDefault(True)
        self.go.setEnabled(False)
        self.go.clicked.connect(self.accept)
        self.field.textChanged.connect(lambda: self.go.setEnabled(len(self.address) > len("s3://")))
        cancel = button(tr("Cancel"))
        cancel.clicked.connect(self.reject)
        bar = QHBoxLayout()
        bar.addStretch(1)
        bar.addWidget(cancel)
        bar.addWidget(self.go)
        box = QVBoxLayout(self)
        box.setContentsMargins(16, 16, 16, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("The prefix of a job's output, or of its debug-output."), "body", wrap=True))
        box.addWidget(self.field)
        box.addLayout(bar)

    @property
    def address(self) -> str:
        """Return what was entered, as an address; empty if it is none."""
        text = self.field.text().strip()
        return text if text.startswith("s3://") else ""


def _short(source: str) -> str:
    """Return the last parts of a path or address."""
    parts = [part for part in source.replace("\\", "/").split("/") if part]
    return "/".join(parts[-2:])
