"""A dataset version on its way into S3: how far, how fast, how long, with a pause."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared import formatting
from gui.shared.basics import ElidedLabel, button, label, row
from gui.shared.card import Card
from gui.shared.feedback import InlineError, ProgressRow

if TYPE_CHECKING:
    from core.cloud.interface import UploadResult
    from core.dataset.manifest import Manifest

_BEFORE = tr("A job uploads what is missing before it starts. Upload now, and it starts at once.")


class S3Panel(Card):
    """Uploads ahead of a job; hidden while jobs run on this computer."""

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__("S3")
        self._workbench, self._bridge = workbench, bridge
        self._manifest: Manifest | None = None
        self._sending: Handle | None = None
        self._paused = threading.Event()
        self.upload = button(tr("Upload"), icon_name="upload", tip=tr("Only what is new or changed is sent"))
        self.pause = button(tr("Pause"), icon_name="pause", kind="ghost")
        self.progress, self.error = ProgressRow(), InlineError()
        self._where = ElidedLabel("", "caption")
        self.said = label(_BEFORE, "muted", wrap=True)
        self.upload.clicked.connect(self.start)
        self.pause.clicked.connect(self._on_pause)
        self.progress.cancelled.connect(self.cancel)
        for widget in (self._where, self.said, self.progress, self.error):
            self.add(widget)
        self.body.addLayout(row(None, self.pause, self.upload))
        self.pause.hide()
        self.hide()

    def show_engine(self) -> None:
        """Show where uploads go, or nothing while jobs run on this computer."""
        engine = self._workbench.engine
        cloud = self._workbench.cloud if engine.capabilities.costs_money else None
        self.cancel()
        self.setVisible(cloud is not None)
        if cloud is not None:
            self._where.setText(cloud.address("datasets"))
        self.said.setText(_BEFORE)

    def set_manifest(self, manifest: Manifest | None) -> None:
        """Offer to upload this dataset version; an upload of another one ends."""
        if manifest is not None and self._manifest is not None and manifest.version == self._manifest.version:
            return
        self.cancel()
        self._manifest = manifest
        self.error.clear()
        self.said.setText(_BEFORE)
        self.upload.setEnabled(manifest is not None)

    def start(self) -> None:
        """Upload the dataset version."""
        manifest, workbench, paused = self._manifest, self._workbench, self._paused
        if manifest is None or self._sending is not None:
            return
        paused.clear()

        def work(on_progress: OnProgress, cancel: CancelToken) -> UploadResult:
            return workbench.data.upload(manifest, on_progress, cancel, paused.is_set)

        self.error.clear()
        self.said.hide()
        self._show_busy(True)
        self.progress.start(tr("Looking for what is there already"))
        self._sending = self._bridge.run(work, self._on_done, self._on_failed, self.progress.update_progress)

    def cancel(self) -> None:
        """Send no more; what was sent stays and is not sent again."""
        if self._sending is None:
            return
        self._sending.cancel()
        self._end()
        self.said.setText(tr("Cancelled. What was sent stays, and is not sent again."))

    def _on_pause(self) -> None:
        paused = not self._paused.is_set()
        if paused:
            self._paused.set()
        else:
            self._paused.clear()
        self._show_pause(paused)

    def _show_pause(self, paused: bool) -> None:
        self.pause.setText(tr("Continue") if paused else tr("Pause"))
        self.said.setText(tr("Paused. What is on its way is still sent."))
        self.said.setVisible(paused)

    def _show_busy(self, busy: bool) -> None:
        self._show_pause(False)
        self.pause.setVisible(busy)
        self.upload.setVisible(not busy)

    def _end(self) -> None:
        self._sending = None
        self.progress.finish()
        self._show_busy(False)
        self.said.show()

    def _on_done(self, result: UploadResult) -> None:
        self._end()
        parts = [
            (result.sent, tr("{count:,} sent")),
            (result.copied, tr("{count:,} copied inside S3")),
            (result.kept, tr("{count:,} there already")),
        ]
        self.said.setText(
            plural(
                "{count:,} picture in S3: {parts}, in {duration}.",
                "{count:,} pictures in S3: {parts}, in {duration}.",
                result.files,
                parts=", ".join(part.format(count=count) for count, part in parts if count),
                duration=formatting.duration(result.seconds),
            )
        )

    def _on_failed(self, error: UserFacingError) -> None:
        self._end()
        self.said.setText(tr("What was sent stays, and is not sent again."))
        self.error.show_error(error)
