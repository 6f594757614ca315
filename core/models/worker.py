"""The predictor process: answers frames on standard input with frames on standard output, until the input closes.

A reader thread takes requests and starts to decode their pictures at once; the main thread runs the network. When the
input closes, its owner is gone, and the process ends at once, in the middle of anything.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # as a script: the folder above core goes first on the path, this folder off it
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import os
import queue
import signal
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import numpy as np

from core.errors import Cancelled, ModelError, UserFacingError
from core.models.inference_model import InferenceModel, open_model
from core.predict import decoding
from core.predict.explain import explain
from core.predict.protocol import Header, ProtocolError, read_frame, write_frame
from core.predict.records import Source
from core.translation import tr
from training_scripts.pictures.structure import PictureUnreadable

Decoding = Future[decoding.Decoded]


class Worker:
    """Holds one model and answers requests in the order they come.

    Args:
        requests: where frames are read from.
        answers: where frames are written to.
    """

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests, self._answers = requests, answers
        self._model: InferenceModel | None = None
        self._cancelled = threading.Event()
        self._pool = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="decode")
        self._todo: queue.SimpleQueue[tuple[Header, bytes, list[Decoding]]] = queue.SimpleQueue()

    def run(self) -> None:
        """Answer until the input closes; never returns."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        while True:
            request, payload, decodings = self._todo.get()
            try:
                header, data = self._answer(request, payload, decodings)
            except PictureUnreadable as error:
                header, data = {"error": _said_of(request, error)}, b""
            except Cancelled:
                header, data = {"cancelled": True}, b""
            except UserFacingError as error:
                header, data = {"error": {"what": error.what, "why": error.why, "fix": error.fix}}, b""
            write_frame(self._answers, header, data)

    def _read(self) -> None:
        try:
            while (frame := read_frame(self._requests)) is not None:
                request, payload = frame
                if request["op"] == "cancel":  # of the explanation under way
                    self._cancelled.set()
                    continue
                if request["op"] == "explain":
                    self._cancelled.clear()
                self._todo.put((request, payload, self._decode(request, payload)))
        except (OSError, ProtocolError) as error:
            print(tr("The requests ended: {error}").format(error=error), flush=True)
        os._exit(0)

    def _decode(self, request: Header, payload: bytes) -> list[Decoding]:
        model = self._model
        if model is None or request["op"] not in ("classify", "explain", "nearest"):
            return []
        thumbnail = request.get("thumbnail", 0)
        return [
            self._pool.submit(decoding.decode, source, model.card.preprocessing, thumbnail)
            for source in _sources(request, payload)
        ]

    def _answer(self, request: Header, payload: bytes, decodings: list[Decoding]) -> tuple[Header, bytes]:
        match request["op"]:
            case "load":
                return self._load(request), b""
            case "render":
                rendered = decoding.render(_sources(request, payload)[0], request["edge"])
                return {"width": rendered.width, "height": rendered.height}, rendered.pixels
            case "classify":
                return self._classify(request, decodings)
            case "nearest":
                found = self._served().nearest(decodings[0].result().pixels, request["count"])
                return {"nearest": found}, b""
            case "explain":
                began = time.perf_counter()
                decoded = decodings[0].result()
                label, probability, png = explain(self._served(), decoded, request["label"], self._cancelled.is_set)
                spent = 1000 * (time.perf_counter() - began)
                return {"label": label, "probability": probability, "milliseconds": spent}, png
        raise ModelError(tr("The predictor process does not know the request {op!r}.").format(op=request["op"]))

    def _load(self, request: Header) -> Header:
        def say(words: str) -> None:
            write_frame(self._answers, {"progress": words})

        self._model = None
        folder, cache, features = (Path(request[place]) for place in ("folder", "cache", "features"))
        self._model = open_model(folder, request["name"], cache, say, features)
        card = self._model.card
        return {
            "name": card.name,
            "classes": list(card.classes),
            "backbone": card.backbone,
            "runtime": self._model.runtime,
            "why_runtime": self._model.why_runtime,
        }

    def _classify(self, request: Header, decodings: list[Decoding]) -> tuple[Header, bytes]:
        served = self._served()
        answers: list[Header] = []
        read: list[decoding.Decoded] = []
        for number, waiting in enumerate(decodings):
            try:
                read.append(waiting.result())
                answers.append({})
            except PictureUnreadable as error:
                answers.append({"error": _said_of(request, error, number)})
        if read:
            began = time.perf_counter()
            probabilities, strangeness = served.answers(np.stack([decoded.pixels for decoded in read]))
            share = 1000 * (time.perf_counter() - began) / len(read)
            for place, answer in enumerate([answer for answer in answers if not answer]):
                decoded, row = read[place], probabilities[place]
                best = np.argsort(-row, kind="stable")[: request["top_k"]]
                answer["classes"] = [(served.card.classes[index], float(row[index])) for index in best]
                answer["milliseconds"] = decoded.milliseconds + share
                answer["width"], answer["height"] = decoded.size
                answer["thumbnail"] = len(decoded.thumbnail)
                answer["strangeness"] = None if strangeness is None else float(strangeness[place])
        return {"answers": answers}, b"".join(decoded.thumbnail for decoded in read)

    def _served(self) -> InferenceModel:
        if self._model is None:
            raise ModelError(tr("No model is loaded."), fix=tr("Choose a finished job first."))
        return self._model


def _sources(request: Header, payload: bytes) -> list[Source]:
    sources: list[Source] = []
    start = 0
    for picture in request["pictures"]:
        if "path" in picture:
            sources.append(Path(picture["path"]))
        else:
            sources.append(payload[start : start + picture["size"]])
            start += picture["size"]
    return sources


def _said_of(request: Header, error: PictureUnreadable, number: int = 0) -> Header:
    """Return the one sentence of `error`, about the picture by its name."""
    path, sentence = request["pictures"][number].get("path"), str(error)
    if not path:
        return {"what": sentence}
    name = Path(path).name
    for subject in ("The picture ", "The file ", "This "):
        if sentence.startswith(subject):
            return {"what": f"{name} {sentence.removeprefix(subject)}"}
    return {"what": tr("{name} cannot be read: {sentence}").format(name=name, sentence=sentence)}


def main(argv: Sequence[str] = ()) -> None:
    """Serve on standard input and output until the input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end ends this
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries print must not get between the frames.
    os.dup2(2, 1)
    try:
        Worker(sys.stdin.buffer, answers).run()
    except BaseException:
        # Not sys.exit, which would wait for decoding threads; the parent tells the user, the log has the details.
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    main()
