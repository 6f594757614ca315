"""`--engine sagemaker`, and the commands that work with an AWS account."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.cli.aws_debugger import managed_from
from core.cli.console import Console, table
from core.cli.data import open_dataset
from core.cli.describe import job_json
from core.cli.spec_options import given
from core.cli.wait import wait_for
from core.cloud.account import Check, Connection, Verdict
from core.errors import EngineError
from core.jobs.spec_parts import CLOUD_RUNTIME_S
from core.jobs.specs import CloudResources, ManagedDebugger, Spec
from core.paths import AppPaths
from core.translation import tr
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.cloud.interface import Cloud, CloudProvider
    from core.dataset.manifest import Manifest

_CONNECTION = ("profile", "region", "bucket", "role", "prefix", "image", "kms_key")


def connection_of(options: argparse.Namespace, workbench: Workbench) -> Connection:
    """Return the connection that the options ask for, over the one used last."""
    given = {name: getattr(options, name, None) for name in _CONNECTION}
    return Connection.recall(workbench.settings).changed(**given)


def use_cloud(workbench: Workbench, options: argparse.Namespace) -> Cloud:
    """Start jobs on the cloud."""
    return workbench.use_cloud(connection_of(options, workbench))


@contextmanager
def connected(options: argparse.Namespace, workbench: Workbench) -> Iterator[Connection]:
    """Give the connection that the options ask for; it is remembered once what it was needed for is done."""
    connection = connection_of(options, workbench)
    yield connection
    connection.remember(workbench.settings)


def with_resources(spec: Spec, options: argparse.Namespace) -> Spec:
    """Return a spec with what it runs on."""
    cloud = CloudResources(**given(options, CloudResources), managed=managed_from(options))
    runtime = CLOUD_RUNTIME_S if options.max_runtime_s is None else options.max_runtime_s
    return spec.with_training(cloud=cloud, max_runtime_s=runtime)


def show_cost(
    engine: Cloud, workbench: Workbench, spec: Spec, manifest: Manifest, options: Any, console: Console
) -> None:
    """Say what a job will cost, before it is started.

    Raises:
        EngineError: it may cost more than --max-cost, or no one knows.
    """
    forecast = engine.forecast(spec, manifest)
    console.note(forecast.text)
    limit, worst = options.max_cost, forecast.cost.worst
    if limit is not None and (worst is None or worst > limit):
        may = (
            tr("What it costs is not known.")
            if worst is None
            else tr("It may cost up to ${worst:.2f}.").format(worst=worst)
        )
        raise EngineError(
            tr("{name} was not started.").format(name=spec.name),
            may,
            tr("Allow more, fewer trials, or a shorter --max-runtime."),
        )


def upload(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Upload a dataset version to S3."""
    workbench = Workbench(paths)
    try:
        _, manifest = open_dataset(workbench, options, console)
        with connected(options, workbench) as connection:
            result = workbench.provider.send(manifest, connection, options.destination, console.progress)
    except KeyboardInterrupt:
        console.note(tr("What was sent stays: the same command continues from there."))
        raise
    finally:
        workbench.close()
    data = dataclasses.asdict(result) | {"dataset_version": manifest.version}
    counts = tr("{sent} sent, {copied} copied inside S3, {kept} there already").format(
        sent=result.sent, copied=result.copied, kept=result.kept
    )
    console.result(data, f"{result.uri}: {result.files} pictures, {counts}, {result.seconds:.1f} s")
    return 0


def preflight(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Check what can be checked before anything is billed; 1 when something fails."""
    workbench = Workbench(paths)
    try:
        connection, provider = connection_of(options, workbench), workbench.provider
        if options.buckets:
            found = provider.buckets(connection)
            text = "\n".join(item.name for item in found) or tr("There is no bucket in this region that you may see.")
            console.result([dataclasses.asdict(item) for item in found], text)
            status = 0
        elif options.policies:
            status = _show_policies(provider, connection, options, console)
        elif options.roles:
            status = _show_roles(provider, connection, console)
        else:
            if options.create_bucket:
                made = provider.create_bucket(connection, options.create_bucket)
                console.note(tr("{name} is there, private and encrypted.").format(name=made.name))
                connection = connection.changed(bucket=options.create_bucket)
            status = _check_all(connection, options, workbench, console)
        if status == 0:  # the connection has worked
            connection.remember(workbench.settings)
        return status
    finally:
        workbench.close()


def _check_all(connection: Connection, options: argparse.Namespace, workbench: Workbench, console: Console) -> int:
    provider, paths = workbench.provider, workbench.paths
    if options.reset_aws_debugger:
        provider.forget_managed_answer(connection, paths)
        console.note(tr("What AWS said of its Debugger is forgotten: the next job that wants it asks again."))
    managed = ManagedDebugger() if options.aws_debugger else None
    cloud = CloudResources(
        options.instance_type,
        options.instance_count,
        feature_machines=options.feature_machines,
        feature_instance_type=options.feature_instance_type,
        spot=options.spot,
        managed=managed,
    )
    checks: list[Check] = []
    for check in provider.preflight(connection, paths, cloud, options.parallel, options.endpoint_type or ""):
        checks.append(check)
        if not console.as_json:
            console.result(None, f"{check.verdict:<8} {check.name}: {check.text} {check.fix}".rstrip())
    if console.as_json:
        console.result([dataclasses.asdict(check) | {"verdict": str(check.verdict)} for check in checks], "")
    return int(any(check.verdict is Verdict.FAIL for check in checks))


def _show_roles(provider: CloudProvider, connection: Connection, console: Console) -> int:
    roles = provider.roles(connection)
    text = "\n".join(f"{role.name}  {role.arn}" for role in roles) or tr("No role trusts sagemaker.amazonaws.com.")
    console.result([dataclasses.asdict(role) for role in roles], text)
    return 0


def _show_policies(
    provider: CloudProvider, connection: Connection, options: argparse.Namespace, console: Console
) -> int:
    made = provider.policies(connection)
    found = {"user": made.user, "role": made.role_in_vpc if options.vpc else made.role, "trust": made.trust}
    titles = {
        "user": tr("Policy of your user"),
        "role": tr("Policy of the execution role"),
        "trust": tr("Its trust policy"),
    }
    text = "\n\n".join(f"{titles[key]}:\n{value}" for key, value in found.items())
    console.result({key: json.loads(value) for key, value in found.items()}, text)
    return 0


def adopt(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Take a job of the account into this installation; without a name, list what there is."""
    workbench = Workbench(paths)
    try:
        engine = use_cloud(workbench, options)
        if not options.job:
            found = engine.account_jobs()
            rows = [(item.name, item.kind, item.status, "yes" if item.known else "no") for item in found]
            text = (
                table(("name", "kind", "status", tr("known here")), rows)
                if rows
                else tr("There is no job in this region.")
            )
            console.result([dataclasses.asdict(item) for item in found], text)
            workbench.remember_connection()
            return 0
        engine.adopt(options.job)
        workbench.remember_connection()
        if not options.detach:
            return wait_for(workbench, options.job, console)
        console.result(job_json(engine.job(options.job)), tr("{job} is followed.").format(job=options.job))
        return 0
    finally:
        workbench.close()
