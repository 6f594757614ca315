"""`sagehound deploy`, `endpoints` and `undeploy`, and pictures asked at an endpoint."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.cloud import connection_of, use_cloud
from core.cli.console import Console
from core.cloud.hosting import PATIENCE_S, Container, EndpointBusy, Hosting
from core.cloud.money import snapshot
from core.durations import duration
from core.engine import Endpoint
from core.errors import EngineError, UsageError
from core.jobs.records import TuningJob
from core.jobs.tracebacks import traceback_of
from core.paths import ROOT, AppPaths
from core.progress import CancelToken, Progress
from core.translation import tr
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.cloud.interface import Cloud

_ENDPOINT_POLL_S = 1.0
_LOG_LINES = 20
_LATER = tr("It is deleted as soon as AWS lets it, while this computer runs.")


def deploy(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Rehearse a job's model here, then deploy it, or put it behind an endpoint; wait until that is in service."""
    if options.update and options.name:
        raise UsageError("--update says which endpoint it is; --name is for a new one.")
    workbench = Workbench(paths)
    try:
        engine = use_cloud(workbench, options)
        job = workbench.jobs.find(options.job)
        name = job.best_trial if isinstance(job, TuningJob) else job.name
        if name is None:
            raise EngineError(
                tr("{job} has no model yet.").format(job=options.job),
                tr("None of its trials has finished."),
                tr("Wait for one."),
            )
        endpoint = options.update or options.name or name
        hosting = _hosting(options, engine.serving.hosting(endpoint) if options.update else Hosting())
        _say_hosting_cost(engine, hosting, console)
        console.note(hosting.runs_in.explanation)
        picture = Path(options.picture) if options.picture else _some_picture(workbench, name)
        bring = engine.update_endpoint if options.update else engine.deploy
        rehearsal = bring(name, endpoint, hosting, picture, console.progress, CancelToken(), options.trust_code)
        workbench.remember_connection()
        console.note(
            tr("Rehearsed with {name}: {label} ({classes:.1%}), as here.").format(
                name=picture.name, label=rehearsal.label, classes=rehearsal.classes[0][1]
            )
        )
        found = _look(engine, endpoint) if options.detach else _wait_for_endpoint(engine, endpoint, console)
        failed = found.status == "Failed" or bool(found.notice)
        log = engine.serving.log(endpoint) if failed else ()
    finally:
        workbench.close()
    console.result(_endpoint_json(found, log), lambda: _endpoint_text(found, log))
    return int(failed)


def endpoints(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """List the endpoints of the region, with age, price and cost so far; or show one of them with its log."""
    workbench = Workbench(paths)
    try:
        with workbench.provider.serving(connection_of(options, workbench), paths) as serving:
            for name in serving.run_due(expired_too=options.delete_expired):
                console.note(
                    tr("{name} is deleted: its life was over, or it was to be deleted before.").format(name=name)
                )
            if options.name:
                found = serving.endpoint(options.name)
                if found is None:
                    raise EngineError(
                        tr("There is no endpoint called {name}.").format(name=options.name),
                        fix=tr("List them without a name."),
                    )
                log = serving.log(options.name)
                console.result(_endpoint_json(found, log), lambda: _endpoint_text(found, log))
                return 0
            listed = serving.endpoints()
    finally:
        workbench.close()
    text = "\n".join(map(_endpoint_text, listed)) or tr("There is no endpoint in this region.")
    console.result([_endpoint_json(item) for item in listed], text)
    return 0


def undeploy(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Delete an endpoint with its configuration and model, as soon as AWS lets it; or keep it after all."""
    workbench, name = Workbench(paths), options.name
    try:
        with workbench.provider.serving(connection_of(options, workbench), paths) as serving:
            if options.keep:
                if not serving.keep(name):
                    raise EngineError(
                        tr("{name} was not to be deleted.").format(name=name),
                        fix=tr("List the endpoints with `sagehound endpoints`."),
                    )
                console.result(
                    {"name": name, "deleted": False, "deletion_pending": False}, tr("{name} is kept.").format(name=name)
                )
                return 0
            try:
                wait_s = 0.0 if options.detach else PATIENCE_S
                serving.delete(name, options.force, console.progress, wait_s=wait_s)
            except EndpointBusy as busy:
                if not options.detach:
                    raise
                console.result({"name": name, "deleted": False, "deletion_pending": True}, f"{busy.what} {_LATER}")
                return 0
            except KeyboardInterrupt:
                console.note(tr("{name} is not deleted yet. {later}").format(name=name, later=_LATER))
                raise
    finally:
        workbench.close()
    console.result({"name": name, "deleted": True}, tr("{name} is deleted.").format(name=name))
    return 0


def _hosting(options: argparse.Namespace, usual: Hosting) -> Hosting:
    """Return what was asked for; what was not is `usual`."""
    lifetime = usual.lifetime_s
    if options.lifetime is not None:
        lifetime = options.lifetime * 3600 or None
    instance = usual.instance_type if options.instance_type is None else options.instance_type
    container = Container(options.container) if options.container else usual.container
    return Hosting(
        instance,
        options.memory_mb or usual.memory_mb,
        lifetime,
        container,
        usual.subnets if options.subnet is None else tuple(options.subnet),
        usual.security_groups if options.security_group is None else tuple(options.security_group),
        usual.kms_key if options.disk_kms_key is None else options.disk_kms_key,
    )


def _say_hosting_cost(engine: Cloud, hosting: Hosting, console: Console) -> None:
    """Say what an endpoint costs, before it is created."""
    if not hosting.instance_type:
        per_gb = float(snapshot()["serverless_usd_per_gb_second"])
        rate = per_gb * hosting.memory_mb / 1024
        console.note(
            tr("Serverless: about ${rate:.5f} for each second of answering, nothing while it is not asked.").format(
                rate=rate
            )
        )
        return
    price = engine.price(hosting.instance_type, "Hosting")
    if price.usd_per_hour is None:
        console.note(tr("What this costs is not known: {source}.").format(source=price.source))
        return
    life = tr("until it is deleted") if hosting.lifetime_s is None else f"for {hosting.lifetime_s / 3600:.1f} h"
    daily = price.usd_per_hour * 24
    console.note(
        tr("${usd_per_hour:.3f} per hour ({source}), ${daily:.2f} a day, {life}.").format(
            usd_per_hour=price.usd_per_hour, source=price.source, daily=daily, life=life
        )
    )
    if hosting.lifetime_s is not None:
        console.note(tr("It is deleted then if this computer runs, or by `sagehound endpoints --delete-expired`."))


def _some_picture(workbench: Workbench, job: str) -> Path:
    """Return a picture to rehearse with: one of the job's dataset if that is here, else one of the sample's."""
    manifest = workbench.data.manifest(workbench.store.job(job).dataset_version)
    if manifest is not None:
        for entry in (*manifest.of("test"), *manifest.of("valid"), *manifest.of("train")):
            if manifest.path_of(entry).is_file():
                return manifest.path_of(entry)
    return next(iter(sorted((ROOT / "resources" / "sample" / "clipart" / "test").rglob("*.jpg"))))


def _wait_for_endpoint(engine: Cloud, name: str, console: Console) -> Endpoint:
    while not engine.serving.is_settled(name):
        console.progress(
            Progress(
                0,
                None,
                tr("{name}: {status}; this takes some minutes").format(name=name, status=_look(engine, name).status),
            )
        )
        time.sleep(_ENDPOINT_POLL_S)
    return _look(engine, name)


def _look(engine: Cloud, name: str) -> Endpoint:
    found = engine.serving.endpoint(name)
    if found is None:
        raise EngineError(tr("{name} was deleted meanwhile.").format(name=name))
    return found


def _endpoint_json(endpoint: Endpoint, log: Sequence[str] | None = None) -> dict[str, Any]:
    age = time.time() - endpoint.created
    so_far = None if endpoint.hourly_usd is None else endpoint.hourly_usd * age / 3600
    data = dataclasses.asdict(endpoint) | {"age_seconds": round(age), "usd_so_far": so_far}
    return data if log is None else data | {"log": list(log)}


def _endpoint_text(endpoint: Endpoint, log: Sequence[str] = ()) -> str:
    data = _endpoint_json(endpoint)
    price = tr("serverless, billed by use")
    if endpoint.hourly_usd is not None:
        price = tr("{instance_type}, ${hourly_usd:.3f}/h, ${usd_so_far:.2f} so far").format(
            instance_type=endpoint.instance_type, hourly_usd=endpoint.hourly_usd, usd_so_far=data["usd_so_far"]
        )
    elif endpoint.instance_type != "serverless":
        price = tr("{instance_type}, price unknown").format(instance_type=endpoint.instance_type)
    facts = [tr("{age} old").format(age=duration(data["age_seconds"]))]
    if endpoint.model_job:
        facts.append(tr("serves {job}").format(job=endpoint.model_job))
    facts.append(price)
    if endpoint.expires is not None:
        left = endpoint.expires - time.time()
        facts.append(tr("{left} left").format(left=duration(left)) if left > 0 else tr("its life is over"))
    if endpoint.deletion_pending:
        facts.append(tr("deleted as soon as AWS lets it"))
    if not endpoint.ours:
        facts.append(tr("not made by Sagehound"))
    lines = [f"{endpoint.name}  {endpoint.status}  {', '.join(facts)}"]
    said = dict.fromkeys((endpoint.notice, endpoint.failure_reason))
    lines += [f"  {text}" for text in said if text]
    if log or any(said):
        lines += [f"  {line}" for line in (*traceback_of(log), *log[-_LOG_LINES:])]
        said_of_log = tr("Its log: {url}").format(url=endpoint.log_url)
        lines.append(f"  {said_of_log}")
    return "\n".join(lines)
