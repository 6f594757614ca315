"""Carries what a person decides about pictures to `core.labels`, one action after the other, and back to the grid."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from core.dataset.query import LEFT_OUT
from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from gui.bridge import Bridge, Handle
from gui.data.pictures_model import PicturesModel

if TYPE_CHECKING:
    from core.check.findings import Finding
    from core.labels.labelling import Change, Labelling

PERSON, SUGGESTION = "person", "suggestion"

LOOK_MS = 2000
"""Between two looks at what other processes have changed; one reads what is new and no more."""


class LabelController(QObject):
    """Changes the labels of the open dataset, and sees what other processes change.

    What is labelled or left out shows at once, so that keys can follow each other faster than the disk; the change is
    kept before the next one begins. One that cannot be kept is taken back on screen too.

    Signals:
        changed(Change): a change is kept, here or by another process.
        failed(UserFacingError): it is not, and why.
    """

    changed = Signal(object)
    failed = Signal(object)

    def __init__(self, model: PicturesModel, bridge: Bridge) -> None:
        super().__init__()
        self._model, self._bridge = model, bridge
        self._labelling: Labelling | None = None
        self._waiting: deque[Callable[[Labelling], Change]] = deque()
        self._running: Handle | None = None
        self._unshown: set[str] = set()  # kept otherwise, maybe, than the grid shows
        self._is_seen = False
        self.looking = QTimer(self)
        self.looking.setInterval(LOOK_MS)
        self.looking.timeout.connect(self._look)

    @property
    def labelling(self) -> Labelling | None:
        """Return the labels of the open dataset; None while none is open or it is scanned."""
        return self._labelling

    def open(self, labelling: Labelling | None) -> None:
        """Change these labels; changes of the one before are still kept."""
        self._labelling = labelling
        self._waiting.clear()
        self._running = None
        self._unshown.clear()
        self._look_on()

    def look(self, on: bool) -> None:
        """Look at what other processes change while the pictures can be seen, and once when they can be again."""
        self._is_seen = on
        self._look_on()
        if on:
            self._look()

    def _look_on(self) -> None:
        if self._is_seen and self._labelling is not None:
            self.looking.start()
        else:
            self.looking.stop()

    def label(self, paths: Sequence[str], name: str | None, source: str = PERSON) -> None:
        """Put pictures into a class; None takes their label away."""
        self.label_each(dict.fromkeys(paths, name), source)

    def label_each(self, names: Mapping[str, str | None], source: str = PERSON) -> None:
        """Label pictures, each with its own class."""
        if self._labelling is None or not names:
            return
        self._model.gallery.set_labels({path: name or "" for path, name in names.items()})
        self._model.arrange(keep_place=True)
        self._act(lambda labelling: labelling.label_each(names, source))

    def leave_out(self, paths: Sequence[str], source: str = PERSON) -> None:
        """Leave pictures out of what is trained and measured."""
        self._mark_left_out(paths, True)
        self._act(lambda labelling: labelling.exclude(paths, source))

    def put_back(self, paths: Sequence[str]) -> None:
        """Put pictures back."""
        self._mark_left_out(paths, False)
        self._act(lambda labelling: labelling.restore(paths))

    def move(self, paths: Sequence[str], split: str | None) -> None:
        """Move pictures to a split; None leaves it to the shares."""
        self._act(lambda labelling: labelling.move_to_split(paths, split))

    def rename_class(self, old: str, new: str) -> None:
        """Give a class another name, or merge it with the one of that name."""
        self._act(lambda labelling: labelling.rename_class(old, new))

    def add_class(self, name: str) -> None:
        """Make a class without pictures."""
        self._act(lambda labelling: labelling.add_class(name))

    def apply_remedies(self, findings: Sequence[Finding]) -> None:
        """Do what solves each finding; each is undone by itself."""
        for finding in findings:
            if finding.remedy is not None:
                self._act(partial(finding.remedy.apply, kind=finding.kind))

    def undo(self) -> None:
        """Take back the last action."""
        self._act(lambda labelling: labelling.undo())

    def redo(self) -> None:
        """Do again what was taken back last."""
        self._act(lambda labelling: labelling.redo())

    def _mark_left_out(self, paths: Sequence[str], on: bool) -> None:
        if self._labelling is not None:
            self._model.gallery.mark(LEFT_OUT, paths, on)
            self._model.arrange(keep_place=True)

    def _act(self, action: Callable[[Labelling], Change]) -> None:
        if self._labelling is not None:
            self._waiting.append(action)
            self._start_next()

    def _start_next(self) -> None:
        labelling = self._labelling
        if self._running is not None or not self._waiting or labelling is None:
            return
        action = self._waiting.popleft()

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[Labelling, Change]:
            return labelling, action(labelling)

        self._running = self._bridge.run(work, self._on_done, self._on_failed)

    def _look(self) -> None:
        labelling = self._labelling
        if self._running is not None or labelling is None:
            return  # a change sees what others did by itself

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[Labelling, Change]:
            return labelling, labelling.refresh()

        self._running = self._bridge.run(work, self._on_done, lambda _error: self._on_unseen(labelling))

    def _on_unseen(self, labelling: Labelling) -> None:
        """Go on without a look that failed: the next one, or the next change, tries again."""
        if labelling is self._labelling:
            self._running = None
            self._start_next()

    def _on_done(self, done: tuple[Labelling, Change]) -> None:
        labelling, change = done
        if labelling is not self._labelling:
            return
        self._running = None
        if change.summary:
            self._show(labelling, (*change.paths, *change.others), keep_place=bool(change.paths))
            self.changed.emit(change)
        self._start_next()

    def _on_failed(self, error: UserFacingError) -> None:
        self._running = None
        self._waiting.clear()
        if self._labelling is not None:
            self._show(self._labelling, [picture.path for picture in self._labelling.scan.pictures])
        self.failed.emit(error)

    def _show(self, labelling: Labelling, paths: Sequence[str], *, keep_place: bool = True) -> None:
        """Show pictures as they are kept, where the grid shows something else: once no more is on its way."""
        self._unshown.update(paths)
        if self._waiting:
            return
        if self._model.gallery.set_state(labelling.state, tuple(self._unshown)):
            self._model.arrange(keep_place=keep_place)
        self._unshown.clear()
