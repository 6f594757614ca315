"""How right the answers about a labelled folder are, above them; and the lock of a folder that is held out for that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox

from core.errors import UserFacingError
from core.predict.intake import NamedPicture
from core.predict.records import Answer
from core.progress import Progress
from core.translation import tr
from gui.bridge import Handle
from gui.predict.predict_session import PredictSession
from gui.shared.feedback import Banner, ProgressRow

if TYPE_CHECKING:
    from core.predict.evaluate import Evaluation
    from core.store.held_out import HeldOut


class JudgedFolder(Banner):
    """One sentence about the folder that was classified; hidden where its pictures have no labels.

    Signals:
        judged(dict[Path, str]): the folder's pictures have these labels.
        failed(UserFacingError): it could not be judged or locked.
    """

    judged = Signal(object)
    failed = Signal(object)

    def __init__(self, session: PredictSession) -> None:
        super().__init__("", tone="running", icon_name="info")
        self._session = session
        self._folder: Path | None = None
        self._sentence = ""
        self.locked = QCheckBox(tr("Held-out test folder"))
        self.locked.setToolTip(
            tr("Lock it: nothing learns from it, and how often a model was judged by it is counted and said")
        )
        self.locked.clicked.connect(self._on_lock)
        self._locking: Handle | None = None
        self.progress = ProgressRow()
        self.progress.setMinimumWidth(340)
        self.progress.cancelled.connect(self._on_cancel)
        self.add_action(self.progress)
        self.add_action(self.locked)
        self.hide()

    def forget(self) -> None:
        """Say nothing; what is asked for a folder before does not come any more."""
        self._folder, self._sentence = None, ""
        self._wait()
        self._session.stop_judging()
        self.set_text("")

    def judge(self, folder: Path, rows: Sequence[tuple[NamedPicture, Answer | None]]) -> None:
        """Find out how right these answers about a folder's pictures are."""
        self._folder = folder
        answers = [
            (picture.source, answer)
            for picture, answer in rows
            if isinstance(picture.source, Path) and answer is not None
        ]
        self._session.judge(folder, answers, self._show, self.failed.emit)

    def _show(self, found: Evaluation | None) -> None:
        if found is None or self._folder is None or found.root is None:
            self.forget()
            return
        self._sentence = f"{found.sentence}."
        self._show_lock(found.held_out)
        self.judged.emit({found.root / picture.path: picture.label for picture in found.pictures})

    def _show_lock(self, held_out: HeldOut | None) -> None:
        self.locked.setChecked(held_out is not None)
        self.set_text(self._sentence if held_out is None else f"{self._sentence} {held_out.sentence}")

    def _on_lock(self, locked: bool) -> None:
        if self._folder is None:
            return
        folder = self._folder
        self._wait(tr("Locking the folder") if locked else tr("Unlocking the folder"))
        self._locking = self._session.lock(
            folder,
            locked,
            partial(self._on_locked, folder),
            partial(self._on_not_locked, folder),
            partial(self._on_progress, folder),
        )

    def _wait(self, message: str = "") -> None:
        """Say that the folder is being locked, or, with no message, that it is not any more."""
        self.locked.setEnabled(not message)
        if message:
            self.progress.start(message)
        else:
            self._locking = None
            self.progress.finish()

    def _on_progress(self, folder: Path, progress: Progress) -> None:
        if self._is_about(folder) and self._locking is not None:
            self.progress.update_progress(progress)

    def _on_cancel(self) -> None:
        if self._locking is not None:
            self._locking.cancel()
            self._wait()
            self.locked.setChecked(not self.locked.isChecked())

    def _on_locked(self, folder: Path, held_out: HeldOut | None) -> None:
        if self._is_about(folder):
            self._wait()
            self._show_lock(held_out)

    def _on_not_locked(self, folder: Path, error: UserFacingError) -> None:
        if self._is_about(folder):
            self._wait()
            self.locked.setChecked(not self.locked.isChecked())
        self.failed.emit(error)

    def _is_about(self, folder: Path) -> bool:
        """Whether the sentence is about a folder: an answer may come after it has given way to another."""
        return folder == self._folder and self._sentence != ""
