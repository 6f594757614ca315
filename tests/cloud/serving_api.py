"""The calls of models, endpoint configurations and endpoints, and InvokeEndpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from moto.core.common_types import TYPE_RESPONSE
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from tests.cloud.faults import AwsError

if TYPE_CHECKING:
    from tests.cloud.server import Cloud

Answer = Mapping[str, Any] | None


class RuntimeApi(SageMakerRuntimeResponse):
    """moto's handler of the runtime API with our InvokeEndpoint."""

    cloud: ClassVar[Cloud]
    use_raw_body = True

    def invoke_endpoint(self) -> TYPE_RESPONSE:
        """Ask the endpoint's process."""
        cloud = type(self).cloud
        name = unquote(self.path.split("/")[2])
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = {"EndpointName": name, "ContentType": headers.get("content-type", "")}
        cloud.requests.append(("InvokeEndpoint", request))
        try:
            cloud.faults.check("InvokeEndpoint", request)
            body = self.body if isinstance(self.body, bytes) else str(self.body).encode()
            kind, answer = cloud.serving.invoke(
                name, body, request["ContentType"], headers.get("accept", "application/json")
            )
        except AwsError as error:
            message = json.dumps({"message": error.message, "Message": error.message})
            headers = {"x-amzn-errortype": error.code, "content-type": "application/json", "status": str(error.status)}
            return error.status, headers, message  # moto takes the status from the headers
        return 200, {"Content-Type": kind}, answer


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


def _list_endpoints(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    names = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    rows = [cloud.serving.describe_endpoint(name) for name in list(cloud.serving.endpoints)]
    rows.sort(key=lambda row: row["CreationTime"], reverse=True)
    return {"Endpoints": [{key: row[key] for key in names} for row in rows[: request.get("MaxResults", 10)]]}


def _delete_model(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.serving.delete(cloud.serving.models, request["ModelName"], "model")
    return None


def _delete_config(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.serving.delete(cloud.serving.configs, request["EndpointConfigName"], "endpoint configuration")
    return None


def _delete_endpoint(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.serving.delete_endpoint(request["EndpointName"])
    return None


HANDLERS: dict[str, Callable[[Any, Mapping[str, Any]], Answer]] = {
    "CreateModel": _create_model,
    "DescribeModel": _describe_model,
    "DeleteModel": _delete_model,
    "CreateEndpointConfig": _create_config,
    "DescribeEndpointConfig": _describe_config,
    "DeleteEndpointConfig": _delete_config,
    "CreateEndpoint": _create_endpoint,
    "DescribeEndpoint": _describe_endpoint,
    "ListEndpoints": _list_endpoints,
    "DeleteEndpoint": _delete_endpoint,
}
