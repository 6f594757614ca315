"""Classifies pictures with one loaded model, in a process of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import Cancelled, ModelError, PictureError
from core.predict.child_process import ChildEnded, ChildProcess
from core.predict.protocol import Header
from core.predict.records import Answer, Explanation, LoadedModel, Prediction, Source, Unreadable
from core.progress import CancelToken, Progress, Report, ignore_progress

BATCH = 16
_AHEAD = 2  # batches in flight: one is decoded while the other goes through the network
_LOAD_TIMEOUT_S = 300.0
_ANSWER_TIMEOUT_S = 120.0
_POLL_S = 0.1

OnAnswer = Callable[[int, Answer], None]


class Predictor:
    """Handle on the predictor process, which is started by the first call and ended by `close`.

    Any thread may call any method, except the UI thread: each may take seconds. Calls wait for one another. A process
    that dies is replaced, with its model, and the picture that killed it is answered with an error.

    Args:
        cache: a folder for converted models; may be emptied at any time.
        log: where the process writes what libraries print.
        command: what to start instead of the usual process.
    """

    def __init__(self, cache: Path, *, log: Path | None = None, command: Sequence[str] | None = None) -> None:
        self._cache, self._log, self._command = cache, log, command
        self._turn = threading.Lock()
        self._child: ChildProcess | None = None
        self._model: LoadedModel | None = None
        self._closed = False
        self._last_id = 0

    @property
    def model(self) -> LoadedModel | None:
        """The model that is loaded; None before the first `load` and after one that failed."""
        return self._model

    @property
    def pid(self) -> int | None:
        """The process's number while it runs."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    def load(
        self,
        folder: Path,
        name: str = "",
        report: Report = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> LoadedModel:
        """Load the model in `folder` (an unpacked model.tar.gz); does nothing when it is the one loaded.

        Raises:
            ModelError: there is no usable model in `folder`.
            Cancelled: through `cancel`; no model is loaded then.
        """
        cancel = cancel or CancelToken()
        with self._my_turn(cancel):
            model = self._model
            if model is not None and (model.folder, model.name) == (folder, name) and self.pid is not None:
                return model
            self._model = None
            self._model = self._load(folder, name, report, cancel)
            return self._model

    def classify(
        self,
        sources: Sequence[Source],
        top_k: int | None = 5,
        report: Report = ignore_progress,
        cancel: CancelToken | None = None,
        on_answer: OnAnswer | None = None,
    ) -> list[Answer]:
        """Classify pictures; the answers are in the order of `sources`, `on_answer` gets each as it comes.

        `top_k` None gives every class.

        Raises:
            ModelError: no model is loaded, or it cannot be kept running.
            Cancelled: through `cancel`.
        """
        cancel = cancel or CancelToken()
        with self._my_turn(cancel):
            answers: list[Answer] = []

            def take(answer: Answer) -> None:
                answers.append(answer)
                if on_answer is not None:
                    on_answer(len(answers) - 1, answer)
                report(Progress(len(answers), len(sources), "Classifying", "pictures"))

            while len(answers) < len(sources):
                try:
                    self._classify(sources, len(answers), top_k, cancel, take)
                except ChildEnded:
                    # Which picture of the batch it was is found by asking for each alone.
                    for source in sources[len(answers) : len(answers) + BATCH * _AHEAD]:
                        take(self._classify_alone(source, top_k, cancel))
            return answers

    def explain(self, source: Source, label: str | None = None, cancel: CancelToken | None = None) -> Explanation:
        """Show where the model looked to find `label` (the most probable class by default), by occlusion.

        Raises:
            PictureError: the picture cannot be read, or the process died of it.
            ModelError: no model is loaded.
            Cancelled: through `cancel`; the process is ended then and started anew by the next call.
        """
        cancel = cancel or CancelToken()
        with self._my_turn(cancel):
            model = self._ready(cancel)
            fields, payload = _packed([source])
            try:
                child = self._running()
                child.send({"op": "explain", "id": self._next_id(), "label": label, **fields}, payload)
                reply, png = self._receive(child, _ANSWER_TIMEOUT_S, cancel, ignore_progress, end_on_cancel=True)
            except ChildEnded as ended:
                raise _killer(source, ended) from None
            if "error" in reply:
                raise PictureError(**reply["error"])
            if model.classes and reply["label"] not in model.classes:
                raise ModelError(f"The model answered with a class it does not have: {reply['label']}.")
            return Explanation(source, reply["label"], reply["probability"], png, reply["milliseconds"])

    def close(self) -> None:
        """End the process; calls that wait end with `Cancelled`. Idempotent; any thread, the UI's too."""
        self._closed = True
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.end()

    # One call at a time ------------------------------------------------------------------------------------------

    @contextmanager
    def _my_turn(self, cancel: CancelToken) -> Iterator[None]:
        while not self._turn.acquire(timeout=_POLL_S):
            cancel.raise_if_cancelled()
        try:
            cancel.raise_if_cancelled()
            yield
        finally:
            self._turn.release()

    def _running(self) -> ChildProcess:
        if self._closed:
            raise Cancelled
        if self._child is None:
            self._child = ChildProcess(self._command, self._log)
            if self._closed:  # closed while it started
                self.close()
                raise Cancelled
        return self._child

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _receive(
        self, child: ChildProcess, timeout: float, cancel: CancelToken, report: Report, *, end_on_cancel: bool
    ) -> tuple[Header, bytes]:
        """The answer to the oldest open request; messages of progress on the way go to `report`."""
        deadline = time.monotonic() + timeout
        while True:
            if end_on_cancel and cancel.cancelled:
                self._drop_child()
                raise Cancelled
            try:
                frame = child.receive(_POLL_S)
            except ChildEnded:
                self._drop_child()
                if self._closed:
                    raise Cancelled from None
                raise
            if frame is not None and "progress" not in frame[0]:
                return frame
            if frame is not None:
                report(Progress(0, None, frame[0]["progress"]))
            elif time.monotonic() > deadline:
                self._drop_child()
                raise ChildEnded(f"it did not answer for {timeout:.0f} seconds")

    def _drop_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.end()

    # Loading -----------------------------------------------------------------------------------------------------

    def _load(self, folder: Path, name: str, report: Report, cancel: CancelToken) -> LoadedModel:
        began = time.perf_counter()
        report(Progress(0, None, "Loading model"))
        request = {"op": "load", "id": self._next_id(), "folder": str(folder), "cache": str(self._cache)}
        try:
            child = self._running()
            child.send(request)
            reply, _ = self._receive(child, _LOAD_TIMEOUT_S, cancel, report, end_on_cancel=True)
        except ChildEnded as ended:
            self._drop_child()
            raise ModelError(
                f"The model {name or folder.name} could not be loaded.",
                f"The process that loads it failed: {ended.how}.",
                "Close other programs if memory is short, then try again.",
            ) from None
        if "error" in reply:
            raise ModelError(**reply["error"])
        return LoadedModel(
            name or reply["name"] or folder.name,
            folder,
            tuple(reply["classes"]),
            reply["backbone"],
            reply["runtime"],
            time.perf_counter() - began,
            reply["why_runtime"],
        )

    def _ready(self, cancel: CancelToken) -> LoadedModel:
        """The loaded model, loaded again first when the process was replaced."""
        if self._closed:
            raise Cancelled
        model = self._model
        if model is None:
            raise ModelError("No model is loaded.", fix="Choose a finished job first.")
        if self._child is None or not self._child.alive:
            self._drop_child()
            self._load(model.folder, model.name, ignore_progress, cancel)
        return model

    # Classifying -------------------------------------------------------------------------------------------------

    def _classify(
        self,
        sources: Sequence[Source],
        start: int,
        top_k: int | None,
        cancel: CancelToken,
        take: Callable[[Answer], None],
    ) -> None:
        """Classify `sources[start:]` in batches, keeping the process busy; `ChildEnded` when it dies."""
        model = self._ready(cancel)
        child = self._running()
        starts = iter(range(start, len(sources), BATCH))
        open_batches: deque[Sequence[Source]] = deque()
        while True:
            while len(open_batches) < _AHEAD and not cancel.cancelled:
                first = next(starts, None)
                if first is None:
                    break
                batch = sources[first : first + BATCH]
                fields, payload = _packed(batch)
                try:
                    child.send({"op": "classify", "id": self._next_id(), "top_k": top_k, **fields}, payload)
                except ChildEnded:
                    self._drop_child()
                    raise
                open_batches.append(batch)
            if not open_batches:
                cancel.raise_if_cancelled()
                return
            # After a cancel the open batches are awaited and thrown away, so that the process stays warm.
            reply, _ = self._receive(child, _ANSWER_TIMEOUT_S, cancel, ignore_progress, end_on_cancel=False)
            batch = open_batches.popleft()
            if not cancel.cancelled:
                for source, fields in zip(batch, reply["answers"], strict=True):
                    take(_answer(source, fields, model.name))

    def _classify_alone(self, source: Source, top_k: int | None, cancel: CancelToken) -> Answer:
        answers: list[Answer] = []
        try:
            self._classify([source], 0, top_k, cancel, answers.append)
        except ChildEnded as ended:
            return Unreadable(source, _killer(source, ended))
        return answers[0]


def _packed(sources: Sequence[Source]) -> tuple[Header, bytes]:
    pictures: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for source in sources:
        if isinstance(source, bytes):
            pictures.append({"size": len(source)})
            parts.append(source)
        else:
            pictures.append({"path": str(source)})
    return {"pictures": pictures}, b"".join(parts)


def _answer(source: Source, fields: Header, model: str) -> Answer:
    if "error" in fields:
        return Unreadable(source, PictureError(**fields["error"]))
    classes = tuple((str(label), float(probability)) for label, probability in fields["classes"])
    return Prediction(source, classes, fields["milliseconds"], model, fields["width"], fields["height"])


def _killer(source: Source, ended: ChildEnded) -> PictureError:
    name = source.name if isinstance(source, Path) else "The pasted picture"
    return PictureError(
        f"{name} made the process that reads pictures fail.",
        f"Most likely the file is damaged in a way its decoder cannot survive: {ended.how}.",
        "Save it anew in another program; other pictures are not affected.",
    )
