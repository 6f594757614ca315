"""`sagehound deploy`, `endpoints` and `undeploy`, and pictures asked at an endpoint."""

from __future__ import annotations

import argparse
import dataclasses
import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.cloud import connection_of, use_sagemaker
from core.cli.console import Console, duration
from core.engines.base import Endpoint
from core.engines.sagemaker.aws import Aws
from core.engines.sagemaker.endpoints import Endpoints, Hosting
from core.engines.sagemaker.guardian import Guardian
from core.engines.sagemaker.invoke import EndpointClient
from core.engines.sagemaker.open import Connection
from core.engines.sagemaker.pricing import PriceList, snapshot
from core.errors import EngineError, PictureError, UserFacingError
from core.jobs.records import TuningJob
from core.paths import ROOT, AppPaths
from core.predict.records import Answer, Prediction, Source, Unreadable
from core.progress import CancelToken, Progress
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.engines.sagemaker.engine import SageMakerEngine

_ENDPOINT_POLL_S = 1.0


def deploy(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Rehearse a job's model here, then deploy it, and wait until the endpoint is in service."""
    workbench = Workbench(paths)
    try:
        engine = use_sagemaker(workbench, options)
        job = workbench.find_job(options.job)
        name = job.best_trial if isinstance(job, TuningJob) else job.name
        if name is None or workbench.store.job(name).engine != "sagemaker":
            raise EngineError(
                f"{options.job} has no model in S3.", "Only what was trained on SageMaker is there.", "Train it there."
            )
        lifetime = None if options.lifetime == 0 else options.lifetime * 3600
        hosting = Hosting(options.instance_type or "", options.memory_mb, lifetime)
        endpoint = options.name or name
        _say_hosting_cost(engine, hosting, console)
        picture = Path(options.picture) if options.picture else _some_picture(workbench, name)
        rehearsal = engine.deploy(name, endpoint, hosting, picture, console.progress, CancelToken())
        console.note(f"Rehearsed with {picture.name}: {rehearsal.label} ({rehearsal.classes[0][1]:.1%}), as here.")
        found = _wait_for_endpoint(engine, endpoint, console) if not options.detach else engine.hosted.get(endpoint)
    finally:
        workbench.close()
    assert found is not None
    console.result(_endpoint_json(found), _endpoint_text(found))
    return int(found.status == "Failed")


def endpoints(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """List the endpoints of the region, with age, price and cost so far."""
    workbench = Workbench(paths)
    try:
        hosted = _hosted(connection_of(options, workbench))
        if options.delete_expired:
            for name in hosted.delete_expired():  # also what another computer deployed
                console.note(f"{name} is deleted: its life was over.")
        found = hosted.all()
    finally:
        workbench.close()
    text = "\n".join(map(_endpoint_text, found)) or "There is no endpoint in this region."
    console.result([_endpoint_json(item) for item in found], text)
    return 0


def undeploy(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Delete an endpoint with its configuration and model."""
    workbench = Workbench(paths)
    try:
        hosted = _hosted(connection_of(options, workbench))
        hosted.delete(options.name, others_too=options.force)
        Guardian(paths, hosted.aws, hosted).forget(options.name)
    finally:
        workbench.close()
    console.result({"name": options.name, "deleted": True}, f"{options.name} is deleted.")
    return 0


def classify(
    workbench: Workbench, name: str, pictures: Sequence[Source], top: int, console: Console
) -> list[Answer] | None:
    """Ask the endpoint `name` about pictures; None where there is no such endpoint, or no account is known."""
    connection = Connection.recall(workbench.settings)
    if not connection.bucket:
        return None
    hosted = _hosted(connection)
    endpoint = hosted.get(name)
    if endpoint is None:
        return None
    if endpoint.status != "InService":
        raise EngineError(f"{name} is not in service.", f"Its status is {endpoint.status}.", endpoint.failure_reason)
    client = EndpointClient(hosted.aws, name, endpoint.instance_type == "serverless")
    answers: list[Answer] = []
    for source, found in zip(
        pictures, client.classify_all(pictures, top, console.progress, CancelToken()), strict=True
    ):
        if isinstance(found, UserFacingError):
            answers.append(Unreadable(source, PictureError(found.what, found.why, found.fix)))
            continue
        if found.woke:
            console.note(f"{name} was asleep: {found.milliseconds / 1000:.1f} s of this were its waking up.")
        if found.notice:
            console.note(found.notice)
        answers.append(Prediction(source, found.classes, found.milliseconds, name, *_size(source)))
    return answers


def _size(source: Source) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
            return picture.size
    except OSError:
        return 0, 0  # the endpoint could read it all the same


def _hosted(connection: Connection) -> Endpoints:
    aws = Aws(connection.profile, connection.region)
    return Endpoints(aws, PriceList(aws))


def _say_hosting_cost(engine: SageMakerEngine, hosting: Hosting, console: Console) -> None:
    """What an endpoint costs, before it is created."""
    if not hosting.instance_type:
        per_gb = float(snapshot()["serverless_usd_per_gb_second"])
        rate = per_gb * hosting.memory_mb / 1024
        console.note(f"Serverless: about ${rate:.5f} for each second of answering, nothing while nobody asks.")
        return
    price = engine.prices.price(hosting.instance_type, "Hosting")
    if price.usd_per_hour is None:
        console.note(f"What this costs is not known: {price.source}.")
        return
    life = "until it is deleted" if hosting.lifetime_s is None else f"for {hosting.lifetime_s / 3600:.1f} h"
    daily = price.usd_per_hour * 24
    console.note(f"${price.usd_per_hour:.3f} per hour ({price.source}), ${daily:.2f} a day, {life}.")
    if hosting.lifetime_s is not None:
        console.note("It is deleted then if Sagehound runs, or by `sagehound endpoints --delete-expired`.")


def _some_picture(workbench: Workbench, job: str) -> Path:
    """A picture to rehearse with: one of the job's dataset if that is here, else one of the sample's."""
    manifest = workbench.manifest(workbench.store.job(job).dataset_version)
    if manifest is not None:
        for entry in (*manifest.of("test"), *manifest.of("valid"), *manifest.of("train")):
            if manifest.path_of(entry).is_file():
                return manifest.path_of(entry)
    return next(iter(sorted((ROOT / "resources" / "sample" / "clipart" / "test").rglob("*.jpg"))))


def _wait_for_endpoint(engine: SageMakerEngine, name: str, console: Console) -> Endpoint:
    while True:
        found = engine.hosted.get(name)
        if found is None:
            raise EngineError(f"{name} was deleted meanwhile.")
        if found.status in ("InService", "Failed"):
            return found
        console.progress(Progress(0, None, f"{name}: {found.status}; this takes some minutes"))
        time.sleep(_ENDPOINT_POLL_S)


def _endpoint_json(endpoint: Endpoint) -> dict[str, Any]:
    age = time.time() - endpoint.created
    so_far = None if endpoint.hourly_usd is None else endpoint.hourly_usd * age / 3600
    return dataclasses.asdict(endpoint) | {"age_seconds": round(age), "usd_so_far": so_far}


def _endpoint_text(endpoint: Endpoint) -> str:
    data = _endpoint_json(endpoint)
    price = "serverless, billed by use"
    if endpoint.hourly_usd is not None:
        price = f"{endpoint.instance_type}, ${endpoint.hourly_usd:.3f}/h, ${data['usd_so_far']:.2f} so far"
    elif endpoint.instance_type != "serverless":
        price = f"{endpoint.instance_type}, price unknown"
    life = ""
    if endpoint.expires is not None:
        left = endpoint.expires - time.time()
        life = f", {duration(left)} left" if left > 0 else ", its life is over"
    whose = "" if endpoint.ours else ", not made by Sagehound"
    reason = f"\n  {endpoint.failure_reason}" if endpoint.failure_reason else ""
    return f"{endpoint.name}  {endpoint.status}  {duration(data['age_seconds'])} old, {price}{life}{whose}{reason}"
