"""Many askers, one model: what waits is classified together, as the predictor is fastest."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

from core.errors import Cancelled, ModelError, SagehoundError
from core.models.model import Model
from core.predict.predictor import BATCH
from core.predict.records import Answer
from core.progress import CancelToken
from core.translation import tr

_AT_ONCE = 4 * BATCH


class TooMany(SagehoundError):
    """More pictures wait than may."""


class Batcher:
    """Classifies pictures of many threads with one model, on a thread of its own.

    Args:
        model: what is asked.
        waiting: how many pictures may wait at once.
    """

    def __init__(self, model: Model, waiting: int) -> None:
        self._model, self._most = model, waiting
        self._queue: queue.SimpleQueue[tuple[bytes, Future[Answer]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._cancel = CancelToken()
        self._thread = threading.Thread(target=self._run, name="serve-model", daemon=True)
        self._thread.start()

    def classify(self, pictures: Sequence[bytes]) -> list[Answer]:
        """Return the answers with every class, in the order of the pictures.

        Raises:
            TooMany: too many wait already.
            SagehoundError: the model does not answer.
        """
        with self._lock:
            if self._waiting + len(pictures) > self._most:
                raise TooMany(tr("Too many pictures wait for an answer."))
            self._waiting += len(pictures)
        try:
            futures: list[Future[Answer]] = []
            for picture in pictures:
                futures.append(Future())
                self._queue.put((picture, futures[-1]))
            return [future.result() for future in futures]
        finally:
            with self._lock:
                self._waiting -= len(pictures)

    def close(self) -> None:
        """End the thread; pictures that still wait get an error."""
        self._cancel.cancel()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            taken = [self._queue.get()]
            with suppress(queue.Empty):
                while len(taken) < _AT_ONCE:
                    taken.append(self._queue.get_nowait())
            ended = None in taken
            batch = [item for item in taken if item is not None]
            try:
                if batch:
                    self._ask([picture for picture, _ in batch], [future for _, future in batch])
            except Cancelled:
                self._fail(batch, ModelError(tr("The server is being stopped.")))
            except Exception as error:
                self._fail(batch, error)
        with suppress(queue.Empty):
            while True:
                if (item := self._queue.get_nowait()) is not None:
                    self._fail([item], ModelError(tr("The server is being stopped.")))

    def _ask(self, pictures: list[bytes], futures: list[Future[Answer]]) -> None:
        self._model.classify(
            pictures, None, cancel=self._cancel, on_answer=lambda number, answer: futures[number].set_result(answer)
        )

    def _fail(self, batch: Sequence[tuple[bytes, Future[Answer]]], error: Exception) -> None:
        for _, future in batch:
            with suppress(InvalidStateError):  # answered before
                future.set_exception(error)
