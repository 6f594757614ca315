"""The endpoints of a region as the application sees them: listed, asked, and deleted when their time has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from core.cloud.hosting import SERVERLESS, Hosting
from core.cloud.interface import Serving
from core.engine import Endpoint
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.endpoints.ask_endpoint import ask_endpoint
from core.engines.sagemaker.endpoints.endpoint_log import endpoint_log
from core.engines.sagemaker.endpoints.endpoints import MOVING, Endpoints
from core.engines.sagemaker.endpoints.lifetimes import EndpointLifetimes
from core.predict.records import Answer, Source
from core.progress import CancelToken, OnProgress, ignore_progress


class SageMakerServing(Serving):
    """Endpoints of SageMaker; `on_change` is called after a deletion was asked for."""

    def __init__(
        self, aws: Aws, hosted: Endpoints, lifetimes: EndpointLifetimes, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._aws, self._hosted, self._lifetimes, self._on_change = aws, hosted, lifetimes, on_change

    def endpoints(self) -> Sequence[Endpoint]:
        """See `Serving.endpoints`."""
        return self._lifetimes.marked(self._hosted.all())

    def endpoint(self, name: str) -> Endpoint | None:
        """Return one endpoint, with what is to be done about it."""
        found = self._hosted.get(name)
        return None if found is None else self._lifetimes.marked([found])[0]

    def is_settled(self, name: str) -> bool:
        """Whether it is neither created nor updated; an update that is over is finished."""
        found = self._hosted.get(name)
        if found is not None and found.status in MOVING:
            return False
        self._lifetimes.run_due(time.time())
        return self._lifetimes.watched(name).update is None

    def hosting(self, name: str) -> Hosting:
        """See `Serving.hosting`."""
        return self._hosted.hosting_of(name)

    def log(self, name: str) -> tuple[str, ...]:
        """Return the last lines that it wrote to CloudWatch."""
        return endpoint_log(self._aws, name)

    def ask(
        self,
        endpoint: Endpoint,
        sources: Sequence[Source],
        top_k: int | None = 5,
        thumbnail: int = 0,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        on_answer: Callable[[int, Answer], None] | None = None,
    ) -> tuple[list[Answer], str]:
        """Ask InvokeEndpoint, a few pictures at once."""
        serverless = endpoint.instance_type == SERVERLESS
        return ask_endpoint(
            self._aws, endpoint.name, serverless, sources, top_k, thumbnail, on_progress, cancel, on_answer
        )

    def delete(
        self,
        name: str,
        others_too: bool = False,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        wait_s: float = 0.0,
    ) -> None:
        """Delete it now, or as soon as AWS lets it."""
        try:
            self._lifetimes.delete(name, others_too, on_progress, cancel, wait_s)
        finally:
            self._on_change()

    def keep(self, name: str) -> bool:
        """Take a waiting deletion back."""
        return self._lifetimes.cancel_deletion(name)

    def run_due(self, expired_too: bool = True) -> list[str]:
        """Do what waited for AWS and what is over; with `expired_too` by the tags of all our endpoints."""
        gone = self._lifetimes.run_due(time.time())
        return gone + self._hosted.delete_expired() if expired_too else gone
