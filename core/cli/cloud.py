"""`--engine sagemaker`, and the commands that work with an AWS account."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from core.cli.console import Console
from core.cli.data import open_dataset
from core.engines.sagemaker.open import Connection
from core.errors import EngineError, UsageError
from core.jobs.specs import CloudResources, Spec, TuningSpec
from core.paths import AppPaths
from core.progress import CancelToken
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.engines.sagemaker.engine import SageMakerEngine

_CONNECTION = ("profile", "region", "bucket", "role", "prefix", "image")


def connection_of(options: argparse.Namespace, workbench: Workbench) -> Connection:
    """The connection that the options ask for, over the one used last."""
    given = {name: getattr(options, name, None) for name in _CONNECTION}
    return Connection.recall(workbench.settings).changed(**given)


def use_sagemaker(workbench: Workbench, options: argparse.Namespace) -> SageMakerEngine:
    """Start jobs on SageMaker, and remember where."""
    connection = connection_of(options, workbench)
    engine = workbench.use_sagemaker(connection)
    connection.remember(workbench.settings)
    return engine


def with_resources(spec: Spec, options: argparse.Namespace) -> Spec:
    """A spec with what it runs on."""
    tags = dict(_tag(text) for text in options.tag)
    cloud = CloudResources(
        instance_type=options.instance_type,
        volume_gb=options.volume_gb,
        spot=options.spot,
        max_wait_s=options.max_wait,
        subnets=tuple(options.subnet),
        security_groups=tuple(options.security_group),
        network_isolation=options.network_isolation,
        kms_key=options.kms_key,
        tags=tags,
    )
    if options.subnet and not options.security_group:
        raise UsageError("--subnet needs a --security-group.")
    training = spec.training if isinstance(spec, TuningSpec) else spec
    runtime = options.max_runtime or training.max_runtime_s
    training = dataclasses.replace(training, cloud=cloud, max_runtime_s=runtime)
    return dataclasses.replace(spec, training=training) if isinstance(spec, TuningSpec) else training


def show_cost(
    engine: SageMakerEngine, workbench: Workbench, spec: Spec, manifest: Manifest, options: Any, console: Console
) -> None:
    """Say what a job will cost, before it is started.

    Raises:
        EngineError: it may cost more than --max-cost, or nobody knows.
    """
    forecast = engine.forecast(spec, manifest)
    console.note(forecast.text)
    limit, worst = options.max_cost, forecast.cost.worst
    if limit is not None and (worst is None or worst > limit):
        may = "What it costs is not known." if worst is None else f"It may cost up to ${worst:.2f}."
        raise EngineError(f"{spec.name} was not started.", may, "Allow more, fewer trials, or a shorter --max-runtime.")


def bill_text(engine: SageMakerEngine, name: str) -> str:
    """What a finished job was billed, in a sentence."""
    bill = engine.bill(name)
    cost = "" if bill.usd is None else f", about ${bill.usd:.2f}"
    saved = f"; spot saved {bill.saved:.0%}" if bill.saved else ""
    return f"Billed: {bill.billable_seconds} s of training{cost}{saved}."


def upload(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Upload a dataset version to S3."""
    from core.engines.sagemaker.aws import Aws
    from core.engines.sagemaker.layout import split_uri
    from core.engines.sagemaker.upload import upload as send

    bucket, prefix = split_uri(options.destination)
    workbench = Workbench(paths)
    try:
        connection = connection_of(options, workbench)
        _, manifest = open_dataset(workbench, options, console)
        client = Aws(connection.profile, connection.region).client("s3")
        result = send(manifest, client, bucket, prefix, console.progress, CancelToken())
    finally:
        workbench.close()
    data = dataclasses.asdict(result) | {"dataset_version": manifest.version}
    told = f"{result.sent} sent, {result.copied} copied inside S3, {result.kept} there already"
    console.result(data, f"{result.uri}: {result.files} pictures, {told}, {result.seconds:.1f} s")
    return 0


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{text!r} is no tag.", fix="Write --tag KEY=VALUE.")
    return key, value
