"""Many askers, one model: what waits is classified together, and the next is decoded meanwhile."""

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

_ASKING = 2
"""So many threads ask the model: the predictor decodes the pictures of one while it answers the other."""


class TooMany(SagehoundError):
    """More pictures wait than may."""


class Batcher:
    """Classifies pictures of many threads with one model, on threads of its own.

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
        self._threads = [threading.Thread(target=self._run, name="serve-model", daemon=True) for _ in range(_ASKING)]
        for thread in self._threads:
            thread.start()

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
        """End the threads; pictures that still wait get an error."""
        self._cancel.cancel()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        with suppress(queue.Empty):
            while True:
                if (item := self._queue.get_nowait()) is not None:
                    self._fail([item], ModelError(tr("The server is being stopped.")))

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            with suppress(queue.Empty):
                while len(batch) < BATCH:
                    if (item := self._queue.get_nowait()) is None:
                        self._queue.put(None)  # the next round's
                        break
                    batch.append(item)
            try:
                self._ask([picture for picture, _ in batch], [future for _, future in batch])
            except Cancelled:
                self._fail(batch, ModelError(tr("The server is being stopped.")))
            except Exception as error:
                self._fail(batch, error)

    def _ask(self, pictures: list[bytes], futures: list[Future[Answer]]) -> None:
        self._model.classify(
            pictures, None, cancel=self._cancel, on_answer=lambda number, answer: futures[number].set_result(answer)
        )

    def _fail(self, batch: Sequence[tuple[bytes, Future[Answer]]], error: Exception) -> None:
        for _, future in batch:
            with suppress(InvalidStateError):  # answered before
                future.set_exception(error)
