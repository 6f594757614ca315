"""The question before a job is deleted: it names the job, its trials and the room that its files take."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from core.engine_names import LOCAL
from core.jobs.footprint import Footprint, size_text
from core.jobs.records import Job, TuningJob
from core.translation import plural, tr
from gui.shared.basics import label
from gui.shared.dialogs import Decision, Option


class DeleteDialog(Decision):
    """Asks whether a job goes with its files; the answer is "delete" or "cancel"."""

    def __init__(self, parent: QWidget | None, job: Job) -> None:
        trials = sum(job.counts.values()) if isinstance(job, TuningJob) else 0
        what = tr("Its model and its log go too. The files cannot be brought back.")
        if trials:
            what = plural(
                "{count:,} trial goes too, with its model and its log. The files cannot be brought back.",
                "{count:,} trials go too, with models and logs. The files cannot be brought back.",
                trials,
            )
        stays = "" if job.engine == LOCAL else tr("What AWS has of it, in S3 too, stays.")
        super().__init__(
            parent,
            tr("Delete {name}?").format(name=job.name),
            [what, stays],
            [Option("cancel", tr("Cancel")), Option("delete", tr("Delete with its files"), "danger")],
            "trash",
            "failed",
        )
        self.room = label(tr("Measuring its files…"), "muted", wrap=True)
        self.texts.addWidget(self.room)
        self.buttons["cancel"].setDefault(True)
        self.buttons["cancel"].setFocus()

    def show_footprint(self, footprint: Footprint) -> None:
        """Say how much room will be free again."""
        self.room.setText(tr("{size} on this disk will be free again.").format(size=size_text(footprint.bytes)))
