"""The question before a job is deleted: it names the job, its trials and the room that its files take."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from core.jobs.footprint import Footprint, size_text
from core.jobs.records import Job, TuningJob
from gui.shared import formatting
from gui.shared.basics import label
from gui.shared.dialogs import Decision, Option


class DeleteDialog(Decision):
    """Asks whether a job goes with its files; the answer is "delete" or "cancel"."""

    def __init__(self, parent: QWidget | None, job: Job) -> None:
        trials = sum(job.counts.values()) if isinstance(job, TuningJob) else 0
        what = (
            f"{formatting.counted(trials, 'trial')} with models and logs go" if trials else "Its model and its log go"
        )
        stays = "" if job.engine == "local" else "What AWS has of it, in S3 too, stays."
        super().__init__(
            parent,
            f"Delete {job.name}?",
            [f"{what} too. The files cannot be brought back.", stays],
            [Option("cancel", "Cancel"), Option("delete", "Delete with its files", "danger")],
            "trash",
            "failed",
        )
        self.room = label("Measuring its files…", "muted", wrap=True)
        self.texts.addWidget(self.room)
        self.buttons["cancel"].setDefault(True)
        self.buttons["cancel"].setFocus()

    def show_footprint(self, footprint: Footprint) -> None:
        """Say how much room will be free again."""
        self.room.setText(f"{size_text(footprint.bytes)} on this disk will be free again.")
