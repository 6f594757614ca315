"""Parts of a spec: the Debugger rules of a job, AWS's own Debugger, and what a job runs on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.jobs.declared import check_fields, declare
from core.translation import tr

# Families with disks of their own, after AWS's table of instance types: NVMe in GPU machines, and those with a "d".
_OWN_DISK = re.compile(r"ml\.(g4dn|g5|g6e?|gr6|p3dn|p4de?|p5(e|en)?|p6-\w+|trn\w+|[cmr]\d[a-z]*d[a-z]*)\.")


@dataclass(frozen=True, slots=True)
class DebuggerConfig:
    """Which rules run in a job.

    `rules` maps a rule's name to its parameters (strings); `actions` maps it to "none", "notify" or "stop".
    `save_interval` is in training steps, None: chosen while the job runs; `save_intervals` overrides it for the
    collections losses, gradients, weights, biases, activations, inputs and predictions. `tensor_budget_mb` bounds what
    the hook saves.
    An empty `rules` with `default_rules` set means: the sensible defaults for this kind of training.
    """

    enabled: bool = True
    default_rules: bool = True
    rules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)
    save_interval: int | None = None
    save_intervals: Mapping[str, int] = field(default_factory=dict)
    tensor_budget_mb: int = declare(
        64, tr("Budget for tensors"), tr("save at most so much"), option="--tensor-budget", metavar="MB"
    )
    profiler: bool = True


@dataclass(frozen=True, slots=True)
class ManagedDebugger:
    """AWS's own Debugger on a single training job, in an account that has it.

    `rules` maps AWS's built-in rules to their parameters (strings): AWS evaluates them on the tensors that the job
    saves. `report`: ProfilerReport runs too, on what AWS measures every `interval_ms` milliseconds.
    """

    rules: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {"LossNotDecreasing": {}, "Overfit": {}, "VanishingGradient": {}}
    )
    report: bool = declare(
        True, "ProfilerReport", tr("with --aws-debugger: no ProfilerReport"), option="--no-aws-report"
    )
    interval_ms: int = declare(
        500,
        tr("Profiling interval"),
        tr("with --aws-debugger: measure the machine every so many milliseconds"),
        option="--aws-interval",
        metavar="MS",
        suffix=" ms",
    )


CLOUD_RUNTIME_S = 3600
"""The longest run of one training job in the cloud where no other is asked for: it bounds what a job can cost."""


@dataclass(frozen=True, slots=True)
class CloudResources:
    """Where a job runs on SageMaker; the local engine ignores it. Times in seconds, volume in GB.

    `output_kms_key` encrypts what a job leaves in S3, `volume_kms_key` its disk; "": the connection's key, where it
    has one. `encrypt_traffic` is SageMaker's encryption of what the instances of one job say to each other.

    Raises:
        SpecError: a value is out of its bounds.
    """

    instance_type: str = declare(
        "ml.m5.xlarge",
        tr("Instance type"),
        tr("the machine of each training job, any that SageMaker trains on"),
        option="--instance-type",
        metavar="TYPE",
    )
    instance_count: int = declare(
        1,
        tr("Machines"),
        tr("machines of one training job, which fine-tune the network together"),
        option="--instance-count",
        metavar="N",
        low=1,
        high=64,
    )
    feature_machines: int = declare(
        1,
        tr("Machines for features"),
        tr("machines that compute the frozen features of a large dataset together, each of its share of the pictures"),
        option="--feature-machines",
        metavar="N",
        low=1,
        high=100,
    )
    feature_instance_type: str = declare(
        "",
        tr("Type for features"),
        tr("the machine of each job that computes frozen features (default --instance-type)"),
        option="--feature-instance-type",
        metavar="TYPE",
    )
    volume_gb: int | None = declare(
        None,
        tr("Disk"),
        tr("disk of the machine, for the pictures and what one training job makes (default: by their size)"),
        option="--volume-gb",
        metavar="GB",
        low=1,
        high=16384,
        suffix=" GB",
    )
    spot: bool = declare(
        False,
        tr("Spot instances"),
        tr("use spare machines: cheaper, but AWS may take them away for a while"),
        option="--spot",
    )
    max_wait_s: int | None = declare(
        None,
        tr("Longest wait and run"),
        tr("longest wait for spot machines and run together; a job that takes longer is ended"),
        option="--max-wait",
        metavar="SECONDS",
        low=1,
        high=2 * 28 * 24 * 3600,
        suffix=" s",
    )
    subnets: tuple[str, ...] = declare((), "Subnets", tr("run in your VPC"), option="--subnet", metavar="ID")
    security_groups: tuple[str, ...] = declare(
        (), tr("Security groups"), tr("of your VPC"), option="--security-group", metavar="ID"
    )
    network_isolation: bool = declare(
        False, tr("Network isolation"), tr("let the container reach no network"), option="--network-isolation"
    )
    encrypt_traffic: bool = declare(
        False, tr("Encrypted traffic"), tr("encrypt what machines of one job exchange"), option="--encrypt-traffic"
    )
    output_kms_key: str = declare(
        "",
        tr("Key for output"),
        tr("another key for output (default --kms-key)"),
        option="--output-kms-key",
        metavar="KEY",
    )
    volume_kms_key: str = declare(
        "",
        tr("Key for disks"),
        tr("another key for disks (default --kms-key)"),
        option="--volume-kms-key",
        metavar="KEY",
    )
    tags: Mapping[str, str] = declare(dict, "Tags", tr("one more tag of the job"), option="--tag", metavar="KEY=VALUE")
    cap_usd: float | None = declare(
        None,
        tr("Cost limit"),
        tr("stop the job once its training has cost about this much"),
        option="--stop-at-cost",
        metavar="USD",
        low=0,
        high=100_000,
    )
    managed: ManagedDebugger | None = None

    @property
    def for_features(self) -> CloudResources:
        """Return what a job runs on that computes frozen features."""
        kind = self.feature_instance_type or self.instance_type
        return replace(self, instance_type=kind, instance_count=self.feature_machines)

    def __post_init__(self) -> None:
        check_fields(self)


def has_own_disk(instance_type: str) -> bool:
    """Whether an instance type's disk comes with the machine: it is encrypted already, and takes no key."""
    return _OWN_DISK.match(instance_type) is not None
