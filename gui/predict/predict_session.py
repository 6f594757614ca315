"""The predictor, used from the UI thread: every call goes through the bridge, the latest one counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.errors import UserFacingError
from core.models import Model, ModelAddress
from core.predict.intake import Intake, Item, gather
from core.predict.records import Answer, Explanation, Rendered, Source
from core.progress import CancelToken, OnProgress, Progress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle

if TYPE_CHECKING:
    from core.predict.evaluate import Evaluation
    from core.store.held_out import HeldOut

TOP_K = 5
SHOWN_EDGE = 2048
"""Longer side in pixels of a picture that is shown large."""

OnError = Callable[[UserFacingError], None]
OnAnswers = Callable[[Mapping[int, Answer]], None]


class PredictSession(QObject):
    """Loads models, classifies and explains. New pictures replace those under way; loading continues beside.

    Signals:
        state_changed(str): what the model is doing, in words; "" when there is nothing to say.
        model_loaded(Model): this model answers now.
        load_failed(UserFacingError): the chosen model cannot be had.
        progressed(Progress): how far the pictures under way are.
        notified(str): what is to be said about an answer; a picture was sent smaller than it is, say.
    """

    state_changed = Signal(str)
    model_loaded = Signal(object)
    load_failed = Signal(object)
    progressed = Signal(object)
    notified = Signal(str)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._predictor = workbench.models.predictor()
        self._model: Model | None = None
        self._loading: Handle | None = None
        self._working: Handle | None = None
        self._rendering: Handle | None = None
        self._explaining: Handle | None = None
        self._judging: Handle | None = None

    @property
    def model(self) -> Model | None:
        """Return the model that answered last or was loaded last."""
        return self._model

    @property
    def busy(self) -> bool:
        """Whether pictures are being found or classified; one that is only decoded may be replaced by the next."""
        return self._working is not None and self._working.active and self._working is not self._rendering

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded ahead of pictures."""
        return self._loading is not None and self._loading.active

    def load(self, address: ModelAddress) -> None:
        """Load a model ahead of the first picture."""
        if self._loading is not None:
            self._loading.cancel()
        self.state_changed.emit(tr("Loading model…"))
        self._loading = self._bridge.run(
            lambda on_progress, cancel: self._workbench.models.open(address, on_progress, cancel),
            self._set_model,
            self._on_load_error,
            lambda progress: self.state_changed.emit(tr("{message}…").format(message=progress.message)),
        )

    def gather(self, items: Sequence[Item], on_done: Callable[[Intake], None], on_error: OnError) -> None:
        """Find the pictures in what was dropped."""
        self._start(lambda on_progress, cancel: gather(items, on_progress, cancel), on_done, on_error)

    def classify(
        self,
        address: ModelAddress,
        sources: Sequence[Source],
        thumbnail: int,
        on_done: Callable[[list[Answer]], None],
        on_error: OnError,
        on_answers: OnAnswers | None = None,
    ) -> None:
        """Ask a model; `on_answers` gets answers by number as they come, `on_done` all of them in the end."""
        came: deque[tuple[int, Answer]] = deque()
        said: list[str] = []

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[Model, list[Answer]]:
            model = self._workbench.models.open(address, on_progress, cancel)
            keep = None if on_answers is None else (lambda number, answer: came.append((number, answer)))
            return model, model.classify(sources, TOP_K, on_progress, cancel, keep, said.append, thumbnail=thumbnail)

        def drain(progress: Progress | None = None) -> None:
            batch = dict(came.popleft() for _ in range(len(came)))
            if on_answers is not None and batch:
                on_answers(batch)
            if progress is not None:
                self.progressed.emit(progress)

        def done(result: tuple[Model, list[Answer]]) -> None:
            drain()
            self._set_model(result[0])
            on_done(result[1])
            for notice in said:
                self.notified.emit(notice)

        def failed(error: UserFacingError) -> None:
            drain()
            on_error(error)

        self._start(work, done, failed, drain)

    def judge(
        self,
        folder: Path,
        answers: Sequence[tuple[Path, Answer]],
        on_done: Callable[[Evaluation | None], None],
        on_error: OnError,
    ) -> None:
        """Ask how right the model's answers about a folder's pictures are; None where it has no labels.

        Beside all else: pictures can be looked at meanwhile.
        """
        model, evaluations = self._model, self._workbench.evaluations
        assert model is not None  # it has answered
        self.stop_judging()
        self._judging = self._bridge.run(
            lambda on_progress, cancel: evaluations.of_answers(model, folder, answers, on_progress, cancel),
            on_done,
            on_error,
        )

    def stop_judging(self) -> None:
        """Stop asking; no answer comes after this."""
        if self._judging is not None:
            self._judging.cancel()
            self._judging = None

    def lock(
        self,
        folder: Path,
        locked: bool,
        on_done: Callable[[HeldOut | None], None],
        on_error: OnError,
        on_progress: Callable[[Progress], None],
    ) -> Handle:
        """Lock a folder that the model was just judged on as a held-out test folder, or no longer."""
        lock, name = self._workbench.folders.lock, self._model.name if self._model is not None else ""
        return self._bridge.run(
            lambda told, cancel: lock(folder, locked, name, told, cancel), on_done, on_error, on_progress
        )

    def render(self, source: Source, on_done: Callable[[Rendered], None], on_error: OnError) -> None:
        """Decode a picture to be shown large."""
        self._start(lambda on_progress, cancel: self._predictor.render(source, SHOWN_EDGE, cancel), on_done, on_error)
        self._rendering = self._working

    def explain(self, source: Source, label: str, on_done: Callable[[Explanation], None], on_error: OnError) -> None:
        """Ask where the model looked for `label`; replaces the question before."""
        self.stop_explaining()
        model = self._model
        assert model is not None  # it has answered
        self._explaining = self._bridge.run(
            lambda on_progress, cancel: model.explain(source, label, cancel), on_done, on_error
        )

    def stop_explaining(self) -> None:
        """Stop an explanation that is not waited for any more."""
        if self._explaining is not None:
            self._explaining.cancel()
            self._explaining = None

    def cancel(self) -> None:
        """Stop what is under way but the loading; no answer comes after this."""
        self.stop_explaining()
        if self._working is not None:
            self._working.cancel()
            self._working = None

    def _start(
        self,
        work: Callable[[OnProgress, CancelToken], object],
        on_done: Callable[..., None],
        on_error: OnError,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.cancel()
        self._working = self._bridge.run(work, on_done, on_error, on_progress or self.progressed.emit)

    def _set_model(self, model: Model) -> None:
        self._model = model
        self.model_loaded.emit(model)

    def _on_load_error(self, error: UserFacingError) -> None:
        self._model = None
        self.state_changed.emit("")
        self.load_failed.emit(error)
