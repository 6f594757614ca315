"""How a model is served at an endpoint: on what, in which container, in which network, how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from core.engines.sagemaker.endpoints.containers import Container, proposed
from core.engines.sagemaker.jobs.definition import has_own_disk
from core.errors import EngineError

SERVERLESS = "serverless"
DEFAULT_LIFETIME_S = 2 * 3600
SERVERLESS_MEMORY_MB = 4096
_VARIANT, _CONCURRENCY = "AllTraffic", 5


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a model is served: an instance type, or "" for serverless with `memory_mb` (1024…6144, whole GB).

    `lifetime_s`: the endpoint is deleted that many seconds from now; None: it stays until it is deleted.
    `container`: what answers there; None: the proposed one. `subnets` and `security_groups`: the container runs in that
    VPC. `kms_key` encrypts the machine's disk; "": AWS's own key.

    Raises:
        EngineError: AWS has no such endpoint.
    """

    instance_type: str = ""
    memory_mb: int = SERVERLESS_MEMORY_MB
    lifetime_s: float | None = DEFAULT_LIFETIME_S
    container: Container | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    kms_key: str = ""

    def __post_init__(self) -> None:
        if not self.instance_type and (self.memory_mb % 1024 or not 1024 <= self.memory_mb <= 6144):
            raise EngineError(
                f"A serverless endpoint cannot have {self.memory_mb} MB.", fix="Choose 1024, 2048, … or 6144."
            )
        if bool(self.subnets) != bool(self.security_groups):
            raise EngineError("A VPC needs both, subnets and security groups.", fix="Name one of each at least.")
        if not self.instance_type and (self.subnets or self.kms_key):
            raise EngineError(
                "A serverless endpoint runs in no VPC of yours, and takes no key.",
                "AWS has neither for it.",
                "Choose an instance type, or leave out subnets and key.",
            )
        if self.kms_key and has_own_disk(self.instance_type):
            raise EngineError(
                f"{self.instance_type} takes no key for its disk.",
                "It has a disk of its own, which its hardware encrypts.",
                "Leave out the key.",
            )

    @property
    def runs_in(self) -> Container:
        """Return the container."""
        return self.container or proposed(self.instance_type)

    @property
    def network(self) -> dict[str, Any]:
        """Return the members of CreateModel that name the VPC."""
        if not self.subnets:
            return {}
        return {"VpcConfig": {"Subnets": list(self.subnets), "SecurityGroupIds": list(self.security_groups)}}

    @property
    def encryption(self) -> dict[str, Any]:
        """Return the members of CreateEndpointConfig that name the key."""
        return {"KmsKeyId": self.kms_key} if self.kms_key else {}

    def variant(self, model: str) -> dict[str, Any]:
        """Return the production variant that serves a model so."""
        variant: dict[str, Any] = {"VariantName": _VARIANT, "ModelName": model}
        if not self.instance_type:
            serverless = {"MemorySizeInMB": self.memory_mb, "MaxConcurrency": _CONCURRENCY}
            return {**variant, "ServerlessConfig": serverless}
        machine = {"InstanceType": self.instance_type, "InitialInstanceCount": 1, "InitialVariantWeight": 1.0}
        return {**variant, **machine}

    def expires(self) -> float | None:
        """Return when the life of an endpoint that is created now ends, in Unix seconds; None: never."""
        return None if self.lifetime_s is None else time.time() + self.lifetime_s


@dataclass(frozen=True, slots=True)
class Update:
    """An endpoint on its way from the configuration `before` to `config`, which serves `job`."""

    endpoint: str
    job: str
    config: str
    before: str
    container: str = ""
    expires: float | None = None
