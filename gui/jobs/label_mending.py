"""Mends labels where mistakes are seen: among the pictures of an evaluation. The Data tab has the same history."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.errors import UserFacingError
from core.labels.labelling import Change, Labelling
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge


@dataclass(frozen=True, slots=True)
class Mended:
    """A picture whose label was changed here: `words` say what it is now, `summary` what was done."""

    path: str
    words: str
    summary: str


class LabelMending(QObject):
    """Labels pictures of a dataset's folder or leaves them out, as events that are undone like any other.

    The folder is scanned when the first picture of it is mended.

    Signals:
        mended(Mended): it is on the disk; the next training follows it.
        undone(str, str): the last change made here is taken back: the picture's path, and what was undone.
        failed(UserFacingError): nothing was changed.
    """

    mended = Signal(object)
    undone = Signal(str, str)
    failed = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._labellings: dict[Path, Labelling] = {}
        self._lock = threading.Lock()  # one change after another, in the order they were asked for
        self._done: list[tuple[Path, str, str]] = []  # folder, picture, and the action in the history

    @property
    def can_undo(self) -> bool:
        """Whether something was changed here that can be taken back."""
        return bool(self._done)

    def label(self, root: Path, path: str, name: str) -> None:
        """Put a picture into a class."""
        self._change(root, path, name)

    def leave_out(self, root: Path, path: str) -> None:
        """Leave a picture out of everything that is trained or measured."""
        self._change(root, path, None)

    def undo(self) -> None:
        """Take back the last change made here; what was done elsewhere since stays."""
        if not self._done:
            return
        undone = self._done.pop()  # at once: who presses twice means the one before too
        root, path, last = undone

        def work(on_progress: OnProgress, cancel: CancelToken) -> Change:
            with self._lock:
                return self._labelling(root, on_progress, cancel).undo(last)

        def failed(error: UserFacingError) -> None:
            self._done.append(undone)
            self.failed.emit(error)

        self._bridge.run(work, lambda change: self.undone.emit(path, change.summary), failed)

    def _change(self, root: Path, path: str, name: str | None) -> None:
        def work(on_progress: OnProgress, cancel: CancelToken) -> Change:
            with self._lock:
                labelling = self._labelling(root, on_progress, cancel)
                own = (root / path).resolve().relative_to(labelling.scan.root.resolve()).as_posix()
                return labelling.exclude([own]) if name is None else labelling.label([own], name)

        def done(change: Change) -> None:
            if change.paths:
                self._done.append((root, path, change.action))
            words = tr("left out") if name is None else tr("now {name}").format(name=name)
            self.mended.emit(Mended(path, words, change.summary))

        self._bridge.run(work, done, self.failed.emit)

    def _labelling(self, root: Path, on_progress: OnProgress, cancel: CancelToken) -> Labelling:
        if root not in self._labellings:
            data = self._workbench.data
            self._labellings[root] = data.labelling(data.scan(root, on_progress, cancel))
        self._labellings[root].refresh()
        return self._labellings[root]
