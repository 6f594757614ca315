"""Ask an endpoint about pictures, as encoded bytes; what is too large for it is made smaller, and that is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failures import code_of, translated
from core.errors import EngineError, PictureError, UserFacingError
from core.predict.records import Source
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.outside import UNUSABLE, parse_json

SERVERLESS_BYTES = 4_000_000
INSTANCE_BYTES = 25_000_000
WAKING_S = 180.0
CONCURRENCY = 4
_SIDES = (1024, 768, 512)


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """What an endpoint says of one picture, the most probable class first.

    `strangeness` says how unlike known pictures it is, None where the model cannot say; `unknown`, whether that is too
    much. `milliseconds` is the whole round trip; `woke` says that the endpoint was asleep and part of it was its
    waking up. `notice` is a sentence where the picture was sent smaller than it is.
    """

    source: Source
    classes: tuple[tuple[str, float], ...]
    milliseconds: float
    woke: bool = False
    notice: str = ""
    strangeness: float | None = None
    unknown: bool = False


class EndpointClient:
    """Asks one endpoint. Thread-safe."""

    def __init__(
        self,
        aws: Aws,
        name: str,
        serverless: bool,
        sleep: Callable[[float], None] = time.sleep,
        limit: int | None = None,
    ) -> None:
        """Ask an endpoint of that name, which takes requests of up to `limit` bytes; None: what AWS takes."""
        self._client, self._name, self._profile = aws.client("sagemaker-runtime"), name, aws.profile
        self._limit, self._sleep = limit or (SERVERLESS_BYTES if serverless else INSTANCE_BYTES), sleep

    def classify(self, source: Source, top_k: int | None = 3) -> EndpointAnswer:
        """Ask about one picture.

        Raises:
            PictureError: the file cannot be read, or the picture cannot be made small enough.
            EngineError: the endpoint did not answer, or answered something else.
        """
        body, notice = self._body(source)
        began, woke = time.monotonic(), False
        with translated(tr("The endpoint {name} did not answer.").format(name=self._name), self._profile):
            while True:
                try:
                    answer = self._client.invoke_endpoint(
                        EndpointName=self._name,
                        ContentType="application/x-image",
                        Accept="application/json",
                        Body=body,
                    )
                    break
                except Exception as error:
                    asleep = code_of(error) in ("ModelNotReadyException", "429")
                    if not asleep or time.monotonic() - began > WAKING_S:
                        raise
                    woke = True
                    self._sleep(2.0)
        took = (time.monotonic() - began) * 1000
        classes, strangeness, unknown = self._read(answer["Body"].read())
        return EndpointAnswer(source, classes[:top_k], took, woke, notice, strangeness, unknown)

    def classify_all(
        self,
        sources: Sequence[Source],
        top_k: int | None = 3,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Iterator[EndpointAnswer | UserFacingError]:
        """Ask about many pictures, a few at once; answers, or what went wrong, in the order of the pictures.

        Raises:
            Cancelled: through `cancel`.
        """

        def ask(source: Source) -> EndpointAnswer | UserFacingError:
            if cancel is not None:
                cancel.raise_if_cancelled()
            try:
                return self.classify(source, top_k)
            except UserFacingError as error:
                return error

        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="sagehound-invoke") as pool:
            for done, answer in enumerate(pool.map(ask, sources), 1):
                on_progress(Progress(done, len(sources), f"Asking {self._name}", "pictures"))
                yield answer

    def _body(self, source: Source) -> tuple[bytes, str]:
        from training_scripts.pictures.opening import read_file
        from training_scripts.pictures.structure import PictureUnreadable

        try:
            content = source if isinstance(source, bytes) else read_file(source)
        except PictureUnreadable as error:
            raise PictureError(tr("{source!s} cannot be read.").format(source=source), str(error)) from error
        if len(content) <= self._limit:
            return content, ""
        smaller = _shrink(content, source, self._limit)
        was, now = len(content) / 1e6, len(smaller) / 1e6
        return smaller, tr("Sent as {now:.1f} MB instead of {was:.1f} MB: the endpoint takes {limit:.0f} MB.").format(
            now=now, was=was, limit=self._limit / 1000000.0
        )

    def _read(self, body: bytes) -> tuple[tuple[tuple[str, float], ...], float | None, bool]:
        try:
            found: Any = parse_json(body)
            classes = tuple((str(item["label"]), float(item["probability"])) for item in found["predictions"])
            strangeness = found.get("strangeness")
            return classes, None if strangeness is None else float(strangeness), found.get("unknown") is True
        except UNUSABLE as error:
            raise EngineError(
                tr("The endpoint {name} answered something else than classes.").format(name=self._name),
                tr("It said: {body!r}.").format(body=body[:120].decode("utf-8", "replace")),
                tr("Deploy a model that was trained with Sagehound."),
            ) from error


def _shrink(content: bytes, source: Source, limit: int) -> bytes:
    """Return the picture with sides of at most 1024 pixels, or of fewer where that takes more than `limit` bytes.

    No backbone looks at more.
    """
    from training_scripts.pictures.smaller import smaller
    from training_scripts.pictures.structure import PictureUnreadable

    name = source if isinstance(source, Path) else tr("The picture")
    try:
        sent = next((made for side in _SIDES if len(made := smaller(content, side)) <= limit), None)
    except PictureUnreadable as error:
        raise PictureError(tr("{name} cannot be sent smaller.").format(name=name), str(error)) from error
    if sent is None:
        raise PictureError(
            tr("{name} is too large for the endpoint.").format(name=name),
            tr("With all its frames and channels it stays larger than {limit:.0f} MB.").format(limit=limit / 1e6),
            tr("Save it smaller, or use the model on this computer."),
        )
    return sent
