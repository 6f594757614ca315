"""Endpoints in the predictor's words: the same answers, whether a picture is asked about here or on AWS."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.endpoints.invoke import EndpointAnswer, EndpointClient
from core.errors import PictureError
from core.predict.records import Answer, Prediction, Source, Unreadable
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr


def ask_endpoint(
    aws: Aws,
    name: str,
    serverless: bool,
    sources: Sequence[Source],
    top_k: int | None = 5,
    thumbnail: int = 0,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    on_answer: Callable[[int, Answer], None] | None = None,
) -> tuple[list[Answer], str]:
    """Ask an endpoint about pictures, a few at once; answers in their order, and what is to be said about them.

    Args:
        thumbnail: a small JPEG comes with each answer, its longer side at most that many pixels; 0: none.
        on_answer: called with a picture's number and its answer as they come.

    Raises:
        EngineError: the endpoint answered none of the pictures so far.
        Cancelled: through `cancel`.
    """
    client = EndpointClient(aws, name, serverless)
    answers: list[Answer] = []
    notices: list[str] = []
    for source, said in zip(sources, client.classify_all(sources, top_k, on_progress, cancel), strict=True):
        if isinstance(said, EndpointAnswer):
            answers.append(_prediction(name, said, thumbnail))
            notices += [said.notice] if said.notice else []
            if said.woke:
                notices.append(
                    tr("{name} was asleep and was woken up; the next answer comes sooner.").format(name=name)
                )
        elif isinstance(said, PictureError):
            answers.append(Unreadable(source, said))
        elif any(isinstance(answer, Prediction) for answer in answers):  # it answers, but not about this one
            answers.append(Unreadable(source, PictureError(said.what, said.why, said.fix)))
        else:
            raise said
        if on_answer is not None:
            on_answer(len(answers) - 1, answers[-1])
    return answers, " ".join(dict.fromkeys(notices))


def _prediction(name: str, said: EndpointAnswer, thumbnail: int) -> Prediction:
    width, height = _size(said.source)
    small = _thumbnail(said.source, thumbnail) if thumbnail else b""
    return Prediction(
        said.source, said.classes, said.milliseconds, name, width, height, small, said.strangeness, said.unknown
    )


def _size(source: Source) -> tuple[int, int]:
    from training_scripts.pictures.reading import size_of
    from training_scripts.pictures.structure import PictureUnreadable

    try:
        return size_of(source)
    except PictureUnreadable:  # the endpoint could read it; its size is not worth an error
        return (0, 0)


def _thumbnail(source: Source, edge: int) -> bytes:
    from PIL import Image

    from core.predict.decoding import render

    try:
        shown = render(source, edge)
    except Exception:  # as above
        return b""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (shown.width, shown.height), shown.pixels).save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
