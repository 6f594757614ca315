"""How a model is served at an endpoint: on what, in which container, in which network, how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from core.errors import EngineError, ModelError
from core.jobs.spec_parts import has_own_disk
from core.translation import tr

SERVERLESS = "serverless"
DEFAULT_LIFETIME_S = 2 * 3600
SERVERLESS_MEMORY_MB = 4096
PATIENCE_S = 1800.0
"""How long a deletion waits for the cloud; what is not deleted by then is watched on."""


class EndpointBusy(EngineError):
    """The endpoint is being created or updated; it can be changed or deleted only after that."""


class StrangersCode(ModelError):
    """A model's archive has code that is not Sagehound's, which would run on this computer and at the endpoint."""


class Container(StrEnum):
    """What answers at an endpoint."""

    RAY_SERVE = "ray-serve"
    PYTORCH = "pytorch"

    @property
    def label(self) -> str:
        """Return its name for people."""
        return "Ray Serve" if self is Container.RAY_SERVE else "PyTorch 2.6"

    @property
    def explanation(self) -> str:
        """Return what speaks for it and against it."""
        if self is Container.RAY_SERVE:
            return tr(
                "Ray Serve is the container that AWS supports and patches. It takes longer to "
                "start: at least 15 seconds before the model is loaded, which a serverless "
                "endpoint does again after each sleep."
            )
        return tr(
            "The PyTorch 2.6 inference container starts sooner, which a serverless endpoint "
            "needs after each sleep. It is AWS's last of its kind, and has had no security "
            "patches since 2026-06-30."
        )


def proposed(instance_type: str) -> Container:
    """Return Ray Serve on an instance; on serverless ("") the one that wakes up sooner."""
    return Container.RAY_SERVE if instance_type else Container.PYTORCH


@dataclass(frozen=True, slots=True)
class Hosting:
    """How a model is served: an instance type, or "" for serverless with `memory_mb` (1024…6144, whole GB).

    `lifetime_s`: the endpoint is deleted that many seconds from now; None: it stays until it is deleted.
    `container`: what answers there; None: the proposed one. `subnets` and `security_groups`: the container runs in that
    VPC. `kms_key` encrypts the machine's disk; "": AWS's own key. `unknown_threshold` is how strange a picture
    may be before it is unknown, where the user has moved it; None: the model's own.

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
    unknown_threshold: float | None = None

    def __post_init__(self) -> None:
        if not self.instance_type and (self.memory_mb % 1024 or not 1024 <= self.memory_mb <= 6144):
            raise EngineError(
                tr("A serverless endpoint cannot have {memory_mb} MB.").format(memory_mb=self.memory_mb),
                fix="Choose 1024, 2048, … or 6144.",
            )
        if bool(self.subnets) != bool(self.security_groups):
            raise EngineError(
                tr("A VPC needs both, subnets and security groups."), fix=tr("Name one of each at least.")
            )
        if not self.instance_type and (self.subnets or self.kms_key):
            raise EngineError(
                tr("A serverless endpoint runs in no VPC of yours, and takes no key."),
                tr("AWS has neither for it."),
                tr("Choose an instance type, or leave out subnets and key."),
            )
        if self.kms_key and has_own_disk(self.instance_type):
            raise EngineError(
                tr("{instance_type} takes no key for its disk.").format(instance_type=self.instance_type),
                tr("It has a disk of its own, which its hardware encrypts."),
                tr("Leave out the key."),
            )

    @property
    def runs_in(self) -> Container:
        """Return the container."""
        return self.container or proposed(self.instance_type)

    def expires(self) -> float | None:
        """Return when the life of an endpoint that is created now ends, in Unix seconds; None: never."""
        return None if self.lifetime_s is None else time.time() + self.lifetime_s


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the archive answered, the most probable class first, and how long it took in seconds."""

    classes: tuple[tuple[str, float], ...]
    load_s: float
    answer_s: float

    @property
    def label(self) -> str:
        """Return the most probable class."""
        return self.classes[0][0]
