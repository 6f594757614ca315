"""What AWS's requests say of how a model is served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.cloud.hosting import Hosting

_VARIANT, _CONCURRENCY = "AllTraffic", 5


def network_of(hosting: Hosting) -> dict[str, Any]:
    """Return the members of CreateModel that name the VPC."""
    if not hosting.subnets:
        return {}
    return {"VpcConfig": {"Subnets": list(hosting.subnets), "SecurityGroupIds": list(hosting.security_groups)}}


def encryption_of(hosting: Hosting) -> dict[str, Any]:
    """Return the members of CreateEndpointConfig that name the key."""
    return {"KmsKeyId": hosting.kms_key} if hosting.kms_key else {}


def variant_of(hosting: Hosting, model: str) -> dict[str, Any]:
    """Return the production variant that serves a model so."""
    variant: dict[str, Any] = {"VariantName": _VARIANT, "ModelName": model}
    if not hosting.instance_type:
        serverless = {"MemorySizeInMB": hosting.memory_mb, "MaxConcurrency": _CONCURRENCY}
        return {**variant, "ServerlessConfig": serverless}
    machine = {"InstanceType": hosting.instance_type, "InitialInstanceCount": 1, "InitialVariantWeight": 1.0}
    return {**variant, **machine}


@dataclass(frozen=True, slots=True)
class Update:
    """An endpoint on its way from the configuration `before` to `config`, which serves `job`."""

    endpoint: str
    job: str
    config: str
    before: str
    container: str = ""
    expires: float | None = None
