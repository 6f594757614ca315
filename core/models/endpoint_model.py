"""A model at an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.engine import Endpoint
from core.errors import EngineError
from core.models.model import Model, ModelAddress, OnAnswer, OnNotice, ignore_notice
from core.predict.records import Answer, Source
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr

if TYPE_CHECKING:
    from core.cloud.interface import Serving


class EndpointModel(Model):
    """What answers at an endpoint.

    Raises:
        EngineError: the endpoint is not in service.
    """

    def __init__(self, serving: Serving, endpoint: Endpoint) -> None:
        if endpoint.status != "InService":
            status = tr("Its status is {status}.").format(status=endpoint.status)
            raise EngineError(
                tr("{name} is not in service.").format(name=endpoint.name), status, endpoint.failure_reason
            )
        whose = f"{endpoint.model_job}  ·  " if endpoint.model_job else ""
        address = ModelAddress.endpoint(endpoint.name)
        super().__init__(
            endpoint.name,
            address,
            None,
            tr("{whose}endpoint on {instance_type}").format(whose=whose, instance_type=endpoint.instance_type),
        )
        self._serving, self._endpoint = serving, endpoint

    def classify(
        self,
        pictures: Sequence[Source],
        top_k: int | None = 5,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        on_answer: OnAnswer | None = None,
        on_notice: OnNotice = ignore_notice,
        *,
        thumbnail: int = 0,
    ) -> list[Answer]:
        """Send the pictures there, a few at once."""
        answers, notice = self._serving.ask(self._endpoint, pictures, top_k, thumbnail, on_progress, cancel, on_answer)
        if notice:
            on_notice(notice)
        return answers
