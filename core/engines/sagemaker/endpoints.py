"""Endpoints: create, list, watch over, delete. Only they go on costing money, so none is forgotten.

What Sagehound makes is tagged, with the job it serves and the moment its life ends. Serverless is proposed first: it
costs nothing while nobody asks, and a closed laptop deletes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core.engines.base import Endpoint
from core.engines.sagemaker.aws import Aws
from core.engines.sagemaker.definition import TAG
from core.engines.sagemaker.failures import code_of, explain_reason, translated
from core.engines.sagemaker.images import serving_image
from core.engines.sagemaker.pricing import PriceList
from core.errors import EngineError
from core.jobs.specs import check_job_name

VARIANT = "AllTraffic"
DEFAULT_LIFETIME_S = 2 * 3600
SERVERLESS_MEMORY_MB = 4096
SERVERLESS_CONCURRENCY = 5
_EXPIRES, _JOB = f"{TAG}:expires", f"{TAG}:job"
_CPU_TYPE = "ml.m5.large"
_PAGE = 100
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a model is served: an instance type, or "" for serverless with `memory_mb` (1024…6144, whole GB).

    `lifetime_s`: the endpoint is deleted that many seconds after it was made; None: it stays until it is deleted.
    """

    instance_type: str = ""
    memory_mb: int = SERVERLESS_MEMORY_MB
    lifetime_s: float | None = DEFAULT_LIFETIME_S

    def __post_init__(self) -> None:
        if not self.instance_type and (self.memory_mb % 1024 or not 1024 <= self.memory_mb <= 6144):
            raise EngineError(
                f"A serverless endpoint cannot have {self.memory_mb} MB.", fix="Choose 1024, 2048, … or 6144."
            )


class Endpoints:
    """The endpoints of one account and region."""

    def __init__(self, aws: Aws, prices: PriceList) -> None:
        self.aws, self._prices = aws, prices

    def create(self, name: str, job: str, model_uri: str, role_arn: str, hosting: Hosting) -> None:
        """Create model, configuration and endpoint `name`, and return; it is InService minutes later.

        Raises:
            EngineError: AWS refused; nothing is left behind.
            SpecError: the name is none.
        """
        check_job_name(name, 63)
        tags = self._tags(job, hosting)
        client, made = self.aws.sagemaker, []
        with translated(f"The endpoint {name} could not be created.", self.aws.profile):
            try:
                client.create_model(
                    ModelName=name,
                    ExecutionRoleArn=role_arn,
                    PrimaryContainer=self._container(model_uri, hosting),
                    Tags=tags,
                )
                made.append("model")
                client.create_endpoint_config(
                    EndpointConfigName=name, ProductionVariants=[_variant(name, hosting)], Tags=tags
                )
                made.append("configuration")
                client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)
            except BaseException:
                self._undo(name, made)
                raise

    def all(self) -> list[Endpoint]:
        """All endpoints of the region, ours first, then the newest first; others are marked as not ours."""
        client, found = self.aws.sagemaker, []
        more: dict[str, str] = {}
        with translated("The endpoints could not be listed.", self.aws.profile):
            while True:
                answer = client.list_endpoints(MaxResults=_PAGE, **more)
                found += [self._describe(item["EndpointName"]) for item in answer["Endpoints"]]
                if not answer.get("NextToken"):
                    break
                more = {"NextToken": answer["NextToken"]}
        return sorted(
            (endpoint for endpoint in found if endpoint is not None),
            key=lambda endpoint: (not endpoint.ours, -endpoint.created),
        )

    def get(self, name: str) -> Endpoint | None:
        """One endpoint; None if there is none of that name."""
        with translated(f"The endpoint {name} could not be described.", self.aws.profile):
            return self._describe(name)

    def delete(self, name: str, others_too: bool = False) -> None:
        """Delete an endpoint with its configuration and its model; what is gone already is no error.

        Raises:
            EngineError: there is none, it is not one of Sagehound's, or AWS refused.
        """
        client = self.aws.sagemaker
        with translated(f"The endpoint {name} could not be deleted.", self.aws.profile):
            found = self._describe(name)
            if found is None:
                raise EngineError(f"There is no endpoint called {name}.", fix="List them with `sagehound endpoints`.")
            if not found.ours and not others_too:
                raise EngineError(
                    f"The endpoint {name} was not made by Sagehound.",
                    "Someone else may need it.",
                    "Say --force if it is to go nevertheless.",
                )
            config = client.describe_endpoint(EndpointName=name)["EndpointConfigName"]
            models = []
            with suppress(client.exceptions.ClientError):
                variants = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
                models = [variant["ModelName"] for variant in variants]
            client.delete_endpoint(EndpointName=name)  # first: it alone costs money
            if found.ours:
                _gone(client.delete_endpoint_config, EndpointConfigName=config)
                for model in models:
                    _gone(client.delete_model, ModelName=model)

    def delete_expired(self, now: float | None = None) -> list[str]:
        """Delete our endpoints whose life is over; returns their names."""
        moment = time.time() if now is None else now
        gone = []
        for endpoint in self.all():
            over = endpoint.ours and endpoint.expires is not None and endpoint.expires <= moment
            if over and endpoint.status != "Deleting":
                self.delete(endpoint.name)
                gone.append(endpoint.name)
        return gone

    def _describe(self, name: str) -> Endpoint | None:
        client = self.aws.sagemaker
        try:
            found = client.describe_endpoint(EndpointName=name)
        except client.exceptions.ClientError as error:
            if "Could not find" in str(error) or code_of(error) in ("ResourceNotFound", "ValidationException"):
                return None
            raise
        tags = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=found["EndpointArn"])["Tags"]}
        instance, count = self._instance(found["EndpointConfigName"])
        price = self._prices.price(instance, "Hosting").usd_per_hour if instance else None
        return Endpoint(
            name=name,
            status=str(found["EndpointStatus"]),
            created=found["CreationTime"].timestamp(),
            model_job=tags.get(_JOB, ""),
            instance_type=instance or "serverless",
            hourly_usd=None if price is None else price * count,
            expires=_number(tags.get(_EXPIRES)),
            ours=tags.get(TAG) == "endpoint",
            failure_reason=explain_reason(str(found.get("FailureReason", ""))),
        )

    def _instance(self, config: str) -> tuple[str, int]:
        """Instance type and count of a configuration; "" for serverless."""
        try:
            described = self.aws.sagemaker.describe_endpoint_config(EndpointConfigName=config)
        except self.aws.sagemaker.exceptions.ClientError:
            return "unknown", 1  # the configuration was deleted under the endpoint
        variant: Mapping[str, Any] = described["ProductionVariants"][0]
        return str(variant.get("InstanceType", "")), int(variant.get("InitialInstanceCount", 1))

    def _container(self, model_uri: str, hosting: Hosting) -> dict[str, Any]:
        variables = {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            "SAGEMAKER_CONTAINER_LOG_LEVEL": "20",
            "SAGEMAKER_REGION": self.aws.region,
        }
        image = serving_image(self.aws.region, hosting.instance_type or _CPU_TYPE)
        return {"Image": image, "ModelDataUrl": model_uri, "Environment": variables}

    def _tags(self, job: str, hosting: Hosting) -> Sequence[dict[str, str]]:
        values = {TAG: "endpoint", _JOB: job}
        if hosting.lifetime_s is not None:
            values[_EXPIRES] = str(round(time.time() + hosting.lifetime_s))
        return [{"Key": key, "Value": value} for key, value in values.items()]

    def _undo(self, name: str, made: Sequence[str]) -> None:
        client = self.aws.sagemaker
        for kind in reversed(made):
            try:
                if kind == "model":
                    client.delete_model(ModelName=name)
                else:
                    client.delete_endpoint_config(EndpointConfigName=name)
            except Exception:
                _logger.warning("the %s of %s was left behind; it costs nothing", kind, name, exc_info=True)


def _variant(name: str, hosting: Hosting) -> dict[str, Any]:
    variant: dict[str, Any] = {"VariantName": VARIANT, "ModelName": name}
    if not hosting.instance_type:
        serverless = {"MemorySizeInMB": hosting.memory_mb, "MaxConcurrency": SERVERLESS_CONCURRENCY}
        return {**variant, "ServerlessConfig": serverless}
    return {
        **variant,
        "InstanceType": hosting.instance_type,
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
    }


def _gone(method: Any, **arguments: str) -> None:
    """Delete something that may be gone already."""
    try:
        method(**arguments)
    except Exception as error:
        if code_of(error) not in ("ResourceNotFound", "ValidationException"):
            raise


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
