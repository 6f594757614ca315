"""The calls of models, endpoint configurations and endpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tests.cloud.listing import page

if TYPE_CHECKING:
    from tests.cloud.server import Cloud

Answer = Mapping[str, Any] | None


def _create_model(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    arn = cloud.serving.create_model(request)
    cloud.tag(arn, request.get("Tags", ()))
    return {"ModelArn": arn}


def _create_config(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    arn = cloud.serving.create_config(request)
    cloud.tag(arn, request.get("Tags", ()))
    return {"EndpointConfigArn": arn}


def _create_endpoint(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    arn = cloud.serving.create_endpoint(request)
    cloud.tag(arn, request.get("Tags", ()))
    return {"EndpointArn": arn}


def _describe_model(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    return cloud.serving.find(cloud.serving.models, request["ModelName"], "model")


def _describe_config(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    return cloud.serving.find(cloud.serving.configs, request["EndpointConfigName"], "endpoint configuration")


def _describe_endpoint(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    return cloud.serving.describe_endpoint(request["EndpointName"])


def _list_models(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    rows = _rows(cloud.serving.models.values(), "ModelName", "ModelArn", "CreationTime")
    return page(request, rows, "Models", "ModelName")


def _list_configs(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    rows = _rows(cloud.serving.configs.values(), "EndpointConfigName", "EndpointConfigArn", "CreationTime")
    return page(request, rows, "EndpointConfigs", "EndpointConfigName")


def _list_endpoints(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    described = [cloud.serving.describe_endpoint(name) for name in list(cloud.serving.endpoints)]
    names = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    return page(request, _rows(described, *names), "Endpoints", "EndpointName", "EndpointStatus")


def _update_endpoint(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    return {"EndpointArn": cloud.serving.update_endpoint(request)}


def _rows(described: Iterable[Mapping[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{name: item[name] for name in names} for item in list(described)]


def _delete_model(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.serving.delete(cloud.serving.models, request["ModelName"], "model")
    return None


def _delete_config(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.serving.delete(cloud.serving.configs, request["EndpointConfigName"], "endpoint configuration")
    return None


def _delete_endpoint(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    arn = cloud.serving.endpoint(request["EndpointName"]).arn
    cloud.serving.delete_endpoint(request["EndpointName"])
    cloud.untag(arn, [tag["Key"] for tag in cloud.tags_of(arn)])
    return None


HANDLERS: dict[str, Callable[[Any, Mapping[str, Any]], Answer]] = {
    "CreateModel": _create_model,
    "DescribeModel": _describe_model,
    "ListModels": _list_models,
    "DeleteModel": _delete_model,
    "CreateEndpointConfig": _create_config,
    "DescribeEndpointConfig": _describe_config,
    "ListEndpointConfigs": _list_configs,
    "DeleteEndpointConfig": _delete_config,
    "CreateEndpoint": _create_endpoint,
    "DescribeEndpoint": _describe_endpoint,
    "ListEndpoints": _list_endpoints,
    "UpdateEndpoint": _update_endpoint,
    "DeleteEndpoint": _delete_endpoint,
}
