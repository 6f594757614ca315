"""Classifies pictures with one loaded model, in a process of its own."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from core.errors import Cancelled, ModelError, PictureError
from core.predict.child_process import ChildEnded, ChildProcess, Patience
from core.predict.exchange import answer_of, killer, packed
from core.predict.kept_child import KeptChild
from core.predict.protocol import Header
from core.predict.records import Answer, Explanation, LoadedModel, Rendered, Source, Unreadable
from core.predict.turns import Turns
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

BATCH = 16
_AHEAD = 2  # batches in flight: one is decoded while the other goes through the network

OnAnswer = Callable[[int, Answer], None]


class Predictor:
    """Handle on the predictor process, which is started by the first call and ended by `close`.

    Any thread may call any method, except the UI thread: each may take seconds. Calls wait for one another, but the
    pictures of a small one are sent, and decoded, while the one before still waits for its answers. A process
    that dies is replaced, with its model, and the picture that killed it is answered with an error. One that stands
    still is ended, replaced and asked once more.

    Args:
        cache: a folder for converted models; may be emptied at any time.
        features: where frozen features are kept, with the converted networks that computed them.
        log: where the process writes what libraries print.
        command: what to start instead of the usual process.
        patience: how long to wait for it.
    """

    def __init__(
        self,
        cache: Path,
        *,
        features: Path | None = None,
        log: Path | None = None,
        command: Sequence[str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._cache, self._features = cache, features or cache / "features"
        self._kept = KeptChild(command, log, patience)
        self._turns = Turns()
        self._holder: ChildProcess | None = None  # the process that the model was loaded into
        # The process that a call may be sent to while another receives. One that was started for a call that had sent
        # ahead is that call's alone: it asks there again what the process before did not answer.
        self._shared: ChildProcess | None = None
        self._model: LoadedModel | None = None

    @property
    def model(self) -> LoadedModel | None:
        """Return the model that is loaded; None before the first `load` and after one that failed."""
        return self._model

    @property
    def pid(self) -> int | None:
        """Return the process's number while it runs."""
        child = self._kept.now
        return child.pid if child is not None and child.alive else None

    def start(self) -> None:
        """Start the process; a model that is loaded later finds it ready."""
        with self._turns.take(CancelToken()):
            self._kept.running()

    def load(
        self,
        folder: Path,
        name: str = "",
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> LoadedModel:
        """Load the model in `folder` (an unpacked model.tar.gz); does nothing when it is the one loaded.

        Raises:
            ModelError: there is no usable model in `folder`.
            Cancelled: through `cancel`; no model is loaded then.
        """
        cancel = cancel or CancelToken()
        with self._turns.take(cancel):
            model = self._model
            if model is not None and (model.folder, model.name) == (folder, name or model.name) and self.pid:
                return model
            model = self._replace(folder, name, on_progress, cancel)
            self._shared = self._kept.now
            return model

    def classify(
        self,
        sources: Sequence[Source],
        top_k: int | None = 5,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        on_answer: OnAnswer | None = None,
        *,
        model: LoadedModel | None = None,
        thumbnail: int = 0,
    ) -> list[Answer]:
        """Classify pictures; the answers are in the order of `sources`, `on_answer` gets each as it comes.

        `top_k` None gives every class. `model` is loaded again first if another call has loaded another since.
        `thumbnail` asks for a small JPEG with each answer, its longer side at most that long.

        Raises:
            ModelError: no model is loaded, or it cannot be kept running.
            Cancelled: through `cancel`.
        """
        cancel = cancel or CancelToken()
        asked = {"op": "classify", "top_k": top_k, "thumbnail": thumbnail}
        with self._turns.take(cancel, lambda: self._send_ahead(sources, asked, model)) as ahead:
            alone = ahead is None
            if alone:
                self._take_up(model, on_progress, cancel)
            answers: list[Answer] = []

            def take(answer: Answer) -> None:
                answers.append(answer)
                if on_answer is not None:
                    on_answer(len(answers) - 1, answer)
                on_progress(Progress(len(answers), len(sources), "Classifying", "pictures"))

            while len(answers) < len(sources):
                try:
                    self._classify(sources[len(answers) :], asked, cancel, take, ahead)
                except ChildEnded:
                    # Which picture of the open batches it was is found by asking for each alone.
                    for source in sources[len(answers) : len(answers) + BATCH * _AHEAD]:
                        take(self._classify_alone(source, asked, cancel))
                ahead = None
            if alone:
                self._shared = self._kept.now
            return answers

    def render(self, source: Source, edge: int, cancel: CancelToken | None = None) -> Rendered:
        """Decode a picture to be shown, its longer side at most `edge` pixels. Needs no model.

        Raises:
            PictureError: the picture cannot be read, or the process died of it.
            Cancelled: through `cancel`.
        """
        cancel = cancel or CancelToken()
        with self._turns.take(cancel):
            reply, pixels = self._ask_about(source, {"op": "render", "edge": edge}, cancel)
            return Rendered(reply["width"], reply["height"], pixels)

    def explain(
        self,
        source: Source,
        label: str | None = None,
        cancel: CancelToken | None = None,
        *,
        model: LoadedModel | None = None,
    ) -> Explanation:
        """Show where the model looked to find `label` (the most probable class by default), by occlusion.

        `model` is loaded again first if another call has loaded another since.

        Raises:
            PictureError: the picture cannot be read, or the process died of it.
            ModelError: no model is loaded.
            Cancelled: through `cancel`.
        """
        cancel = cancel or CancelToken()
        with self._turns.take(cancel):
            self._take_up(model, ignore_progress, cancel)
            reply, png = self._ask_about(source, {"op": "explain", "label": label}, cancel, needs_model=True)
            return Explanation(source, reply["label"], reply["probability"], png, reply["milliseconds"])

    def nearest(
        self, source: Source, count: int, cancel: CancelToken | None = None, *, model: LoadedModel | None = None
    ) -> list[tuple[str, float]]:
        """Return the SHA-256 and the distance of the training pictures that are nearest to a picture for the model.

        Empty where the model does not know them. `model` is loaded again first if another has been loaded since.

        Raises:
            PictureError: the picture cannot be read, or the process died of it.
            ModelError: no model is loaded.
            Cancelled: through `cancel`.
        """
        cancel = cancel or CancelToken()
        with self._turns.take(cancel):
            self._take_up(model, ignore_progress, cancel)
            reply, _ = self._ask_about(source, {"op": "nearest", "count": count}, cancel, needs_model=True)
            return [(str(sha256), float(distance)) for sha256, distance in reply["nearest"]]

    def close(self) -> None:
        """End the process; calls that wait end with `Cancelled`. Idempotent; any thread, the UI's too."""
        self._kept.close()

    # One call at a time ------------------------------------------------------------------------------------------

    def _send_ahead(self, sources: Sequence[Source], asked: Header, model: LoadedModel | None) -> ChildProcess | None:
        """Send one batch if the process is up with the right model; returns it, or None where nothing was sent."""
        child, loaded = self._kept.now, self._model
        if self._kept.closed or loaded is None or child is None or not (child is self._holder is self._shared):
            return None
        if not 0 < len(sources) <= BATCH or (model is not None and not _same(model, loaded)):
            return None
        fields, payload = packed(sources)
        try:
            child.send({**asked, **fields}, payload)
        except ChildEnded:
            return None
        return child

    # Loading -----------------------------------------------------------------------------------------------------

    def _take_up(self, model: LoadedModel | None, on_progress: OnProgress, cancel: CancelToken) -> None:
        """Load `model` if it is not the one that is loaded."""
        loaded = self._model
        if model is not None and (loaded is None or not _same(model, loaded)):
            self._replace(model.folder, model.name, on_progress, cancel)

    def _replace(self, folder: Path, name: str, on_progress: OnProgress, cancel: CancelToken) -> LoadedModel:
        self._model = None
        self._model = self._load(folder, name, on_progress, cancel)
        return self._model

    def _load(self, folder: Path, name: str, on_progress: OnProgress, cancel: CancelToken) -> LoadedModel:
        began = time.perf_counter()
        on_progress(Progress(0, None, tr("Loading model")))
        places = {"folder": str(folder), "cache": str(self._cache), "features": str(self._features)}
        request = {"op": "load", "name": name, **places}

        def ask() -> tuple[ChildProcess, Header]:
            child = self._kept.running()
            child.send(request)
            return child, self._kept.receive(child, self._kept.patience.load_s, cancel, on_progress, self._kept.drop)[0]

        try:
            child, reply = self._kept.twice(ask, cancel, on_progress)
        except ChildEnded as ended:
            cancel.raise_if_cancelled()  # loading cannot be interrupted: a cancel ends the process
            raise ModelError(
                tr("The model {name} could not be loaded.").format(name=name or folder.name),
                tr("The process that loads it failed: {how}.").format(how=ended.how),
                tr("Close other programs if memory is short, then try again."),
            ) from None
        if "error" in reply:
            raise ModelError(**reply["error"])
        self._holder = child
        return LoadedModel(
            reply["name"],
            folder,
            tuple(reply["classes"]),
            reply["backbone"],
            reply["runtime"],
            time.perf_counter() - began,
            reply["why_runtime"],
        )

    def _ready(self, cancel: CancelToken) -> LoadedModel:
        """Return the loaded model, loaded again first when the process was replaced."""
        if self._kept.closed:
            raise Cancelled
        model = self._model
        if model is None:
            raise ModelError(tr("No model is loaded."), fix=tr("Choose a finished job first."))
        child = self._kept.now
        if child is None or child is not self._holder or not child.alive:
            self._load(model.folder, model.name, ignore_progress, cancel)
        return model

    # Asking ------------------------------------------------------------------------------------------------------

    def _ask_about(
        self, source: Source, asked: Header, cancel: CancelToken, needs_model: bool = False
    ) -> tuple[Header, bytes]:
        fields, payload = packed([source])

        def ask() -> tuple[Header, bytes]:
            if needs_model:
                self._ready(cancel)
            child = self._kept.running()
            child.send({**asked, **fields}, payload)
            return self._kept.receive(
                child, self._kept.patience.answer_s, cancel, on_cancel=lambda: child.send({"op": "cancel"})
            )

        try:
            reply, data = self._kept.twice(ask, cancel)
        except ChildEnded as ended:
            raise killer(source, ended) from None
        cancel.raise_if_cancelled()
        if "error" in reply:
            raise PictureError(**reply["error"])
        return reply, data

    def _classify(
        self,
        sources: Sequence[Source],
        asked: Header,
        cancel: CancelToken,
        take: Callable[[Answer], None],
        ahead: ChildProcess | None = None,
    ) -> None:
        """Classify in batches, keeping the process busy; `ChildEnded` when it dies, after the answers that came.

        `ahead` is the process that was sent all of them already.
        """
        batches = (sources[first : first + BATCH] for first in range(0, len(sources), BATCH))
        under_way: deque[Sequence[Source]] = deque()
        if ahead is None:
            model, child = self._ready(cancel), self._kept.running()
        elif ahead is self._kept.now and self._model is not None:
            model, child = self._model, ahead
            under_way.append(next(batches))
        else:
            raise ChildEnded(tr("it was replaced"))
        while True:
            while len(under_way) < _AHEAD and not cancel.cancelled and (batch := next(batches, None)):
                fields, payload = packed(batch)
                try:
                    child.send({**asked, **fields}, payload)
                except ChildEnded:
                    self._kept.drop()
                    raise
                under_way.append(batch)
            if not under_way:
                cancel.raise_if_cancelled()
                return
            # After a cancel the batches under way are awaited and thrown away, so that the process stays warm.
            reply, thumbnails = self._kept.receive(child, self._kept.patience.answer_s, cancel)
            batch = under_way.popleft()
            if not cancel.cancelled:
                for source, answer in zip(batch, reply["answers"], strict=True):
                    size = answer.get("thumbnail", 0)
                    take(answer_of(source, answer, model.name, thumbnails[:size]))
                    thumbnails = thumbnails[size:]

    def _classify_alone(self, source: Source, asked: Header, cancel: CancelToken) -> Answer:
        answers: list[Answer] = []
        try:
            self._classify([source], asked, cancel, answers.append)
        except ChildEnded as ended:
            return Unreadable(source, killer(source, ended))
        return answers[0]


def _same(one: LoadedModel, other: LoadedModel) -> bool:
    return (one.folder, one.name) == (other.folder, other.name)
