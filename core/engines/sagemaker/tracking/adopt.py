"""Jobs that Sagehound did not start, or that another computer did: found in the account, and taken into the store."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.cloud.account import AccountJob
from core.engines.local.recovery import write_record
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.bucket_layout import join, split_uri
from core.engines.sagemaker.connection.failures import code_of, translated
from core.engines.sagemaker.jobs.definition import TAG, own_hyperparameter
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.managed_request import managed_in
from core.errors import JobNotFound, SpecError
from core.jobs.contract import JobFolder
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range, Scaling
from core.jobs.records import JobKind
from core.jobs.specs import (
    CloudResources,
    DebuggerConfig,
    MetricDefinition,
    Objective,
    Spec,
    Strategy,
    TrainingSpec,
    TuningSpec,
    spec_from_json,
)
from core.paths import AppPaths
from core.store import Store
from core.store.rows import new_record
from core.translation import tr
from training_scripts.outside import UNUSABLE, parse_json
from training_scripts.packed.order import CHANNEL as ORDER_CHANNEL
from training_scripts.packed.order import FILE as ORDER_FILE

_LISTED = 100
# A job needs one metric to be judged by; this one never matches.
_NO_METRIC = MetricDefinition("objective", r"(?!)(x)")

Description = Mapping[str, Any]


def list_jobs(aws: Aws, store: Store, limit: int = _LISTED) -> list[AccountJob]:
    """Return the latest tuning jobs and single training jobs of the region, newest first."""
    known = {job.name for job in store.jobs("sagemaker")}
    latest = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": min(100, limit)}
    client = aws.sagemaker
    with translated(tr("The jobs of the account could not be listed."), aws.profile):
        tuning = client.list_hyper_parameter_tuning_jobs(**latest)["HyperParameterTuningJobSummaries"]
        training = client.list_training_jobs(**latest)["TrainingJobSummaries"]
    names = [str(item["HyperParameterTuningJobName"]) for item in tuning]
    found = [_found(item, "HyperParameterTuningJob", "tuning", known) for item in tuning]
    found += [
        _found(item, "TrainingJob", "training", known)
        for item in training
        if not any(
            re.fullmatch(rf"{re.escape(name)}-\d{{3,}}-[0-9a-f]{{8}}", item["TrainingJobName"]) for name in names
        )
    ]
    return sorted(found, key=lambda item: item.created, reverse=True)[:limit]


def adopt(aws: Aws, store: Store, paths: AppPaths, name: str) -> JobKind:
    """Take a job of the account into the store; from then on it is followed like any other. Returns its kind.

    Raises:
        SpecError: it is here already.
        JobNotFound: there is none of that name in this account and region.
    """
    client = aws.sagemaker
    with translated(tr("{name} could not be adopted.").format(name=name), aws.profile):
        tuning = _described(client.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)
        training = None if tuning else _described(client.describe_training_job, TrainingJobName=name)
        if tuning is None and training is None:
            raise JobNotFound(
                tr("There is no job called {name} in {region}.").format(name=name, region=aws.region),
                tr("It is of another account or region, or was deleted."),
                tr("List what there is with `sagehound adopt`."),
            )
        arn = (tuning or training or {}).get("HyperParameterTuningJobArn") or (training or {}).get("TrainingJobArn")
        tags = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=arn)["Tags"]}
    version = tags.get(f"{TAG}:dataset", "")
    description = tuning or training or {}
    packed = packed_spec(aws, description)
    described = tuning_spec if tuning else training_spec
    spec: Spec = packed or described(name, description, version)
    if description.get("TuningJobArn"):
        parent = str(description["TuningJobArn"]).rsplit("/", 1)[-1]
        raise SpecError(
            f"{name} is a trial.", tr("Trials come with their tuning job."), f"Adopt {parent}.", field="name"
        )
    record = dataclasses.replace(
        new_record(spec, "sagemaker"),
        created=description["CreationTime"].timestamp(),
        secondary_status="Adopted",
        code_version="",  # no one here knows what it runs
    )
    store.add_job(record, spec)
    definition = description.get("TrainingJobDefinition", description)
    checkpoints = str(definition.get("CheckpointConfig", {}).get("S3Uri", ""))
    folder = JobFolder(paths.jobs / name)
    notes = CloudJobState(region=aws.region, launched=True, adopted=True, checkpoints=checkpoints)
    dataclasses.replace(notes, packed=packed is not None).save(folder.root)
    write_record(store, folder, name)
    return record.kind


def packed_spec(aws: Aws, description: Description) -> TuningSpec | None:
    """Return the spec of a search that is one training job, as its order has it; None where it is none."""
    for channel in description.get("InputDataConfig", ()):
        uri = channel["DataSource"].get("S3DataSource", {}).get("S3Uri", "")
        if channel["ChannelName"] != ORDER_CHANNEL or not uri:
            continue
        bucket, prefix = split_uri(uri)
        with translated(tr("What the job searches could not be read."), aws.profile):
            body = aws.client("s3").get_object(Bucket=bucket, Key=join(prefix, ORDER_FILE))["Body"].read()
        try:
            spec = spec_from_json(parse_json(body)["spec"])
        except (*UNUSABLE, SpecError):
            return None
        return spec if isinstance(spec, TuningSpec) and spec.packed else None
    return None


def training_spec(name: str, description: Description, version: str = "") -> TrainingSpec:
    """Return the spec that a description amounts to: DescribeTrainingJob's, or a tuning job's training definition."""
    instance = description.get("ResourceConfig") or {}
    stopping = description.get("StoppingCondition", {})
    vpc = description.get("VpcConfig") or {}
    given = description.get("HyperParameters") or description.get("StaticHyperParameters") or {}
    metrics = _metrics(description.get("AlgorithmSpecification", {}).get("MetricDefinitions", ()))
    return TrainingSpec(
        name=name,
        channels={
            channel["ChannelName"]: channel["DataSource"].get("S3DataSource", {}).get("S3Uri", "").rstrip("/")
            for channel in description.get("InputDataConfig", ())
        },
        hyperparameters={key: _plain(value) for key, value in given.items() if not own_hyperparameter(key)},
        metrics=metrics,
        objective=_objective(metrics),
        dataset_version=version,
        max_runtime_s=int(stopping.get("MaxRuntimeInSeconds", 24 * 3600)),
        debugger=DebuggerConfig(enabled=False, profiler=False),
        cloud=CloudResources(
            instance_type=str(instance.get("InstanceType", "ml.m5.xlarge")),
            instance_count=int(instance.get("InstanceCount", 1)),
            volume_gb=int(instance.get("VolumeSizeInGB", 30)),
            spot=bool(description.get("EnableManagedSpotTraining", False)),
            max_wait_s=stopping.get("MaxWaitTimeInSeconds"),
            subnets=tuple(vpc.get("Subnets", ())),
            security_groups=tuple(vpc.get("SecurityGroupIds", ())),
            network_isolation=bool(description.get("EnableNetworkIsolation", False)),
            encrypt_traffic=bool(description.get("EnableInterContainerTrafficEncryption", False)),
            output_kms_key=str(description.get("OutputDataConfig", {}).get("KmsKeyId", "")),
            volume_kms_key=str(instance.get("VolumeKmsKeyId", "")),
            managed=managed_in(description),
        ),
    )


def tuning_spec(name: str, description: Description, version: str = "") -> TuningSpec:
    """Return the spec that DescribeHyperParameterTuningJob's answer amounts to."""
    config = description["HyperParameterTuningJobConfig"]
    definition = description.get("TrainingJobDefinition") or (description.get("TrainingJobDefinitions") or [{}])[0]
    training = training_spec(name, definition, version)
    asked = config.get("HyperParameterTuningJobObjective") or definition.get("TuningObjective") or {}
    if (metric := asked.get("MetricName")) and metric not in {item.name for item in training.metrics}:
        metrics = (*training.metrics, dataclasses.replace(_NO_METRIC, name=metric))
        training = dataclasses.replace(training, metrics=metrics)
    if metric:
        training = dataclasses.replace(training, objective=Objective(metric, asked.get("Type") == "Maximize"))
    ranges = _ranges(config.get("ParameterRanges") or definition.get("HyperParameterRanges") or {})
    searched = {item.name for item in ranges}
    fixed = {key: value for key, value in training.hyperparameters.items() if key not in searched}
    limits, criteria = config.get("ResourceLimits", {}), config.get("TuningJobCompletionCriteria", {})
    parents = (description.get("WarmStartConfig") or {}).get("ParentHyperParameterTuningJobs", ())
    return TuningSpec(
        training=dataclasses.replace(training, hyperparameters=fixed),
        ranges=ranges,
        strategy=Strategy(config.get("Strategy", "Bayesian")),
        max_jobs=int(limits.get("MaxNumberOfTrainingJobs", 1)),
        max_parallel_jobs=int(limits.get("MaxParallelTrainingJobs", 1)),
        early_stopping=config.get("TrainingJobEarlyStoppingType") == "Auto",
        seed=int(config.get("RandomSeed", 0)),
        warm_start=tuple(parent["HyperParameterTuningJobName"] for parent in parents),
        target=criteria.get("TargetObjectiveMetricValue"),
        patience=criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving"),
        max_search_s=limits.get("MaxRuntimeInSeconds"),
        until_converged=criteria.get("ConvergenceDetected", {}).get("CompleteOnConvergence") == "Enabled",
    )


def _found(item: Description, kind: str, ours: JobKind, known: set[str]) -> AccountJob:
    name = str(item[f"{kind}Name"])
    return AccountJob(name, ours, str(item[f"{kind}Status"]), item["CreationTime"].timestamp(), name in known)


def _described(method: Any, **arguments: str) -> Description | None:
    try:
        found: Description = method(**arguments)
        return found
    except Exception as error:
        if code_of(error) in ("ResourceNotFound", "ValidationException"):
            return None
        raise


def _metrics(definitions: Sequence[Description]) -> tuple[MetricDefinition, ...]:
    found = []
    for item in definitions:
        try:
            found.append(MetricDefinition(item["Name"], item["Regex"]))
        except SpecError:
            continue  # AWS takes expressions that have no or several groups; nothing can be drawn from them
    return tuple(found) or (_NO_METRIC,)


def _objective(metrics: Sequence[MetricDefinition]) -> Objective:
    name = next((item.name for item in metrics if item.name == Objective().metric), metrics[0].name)
    return Objective(name, "acc" in name.lower())


def _ranges(data: Description) -> tuple[Range, ...]:
    found: list[Range] = [
        CategoricalRange(item["Name"], tuple(item["Values"])) for item in data.get("CategoricalParameterRanges", ())
    ]
    for item in data.get("IntegerParameterRanges", ()):
        low, high = int(float(item["MinValue"])), int(float(item["MaxValue"]))
        found.append(IntegerRange(item["Name"], low, high, Scaling(item.get("ScalingType", "Auto"))))
    for item in data.get("ContinuousParameterRanges", ()):
        low_, high_ = float(item["MinValue"]), float(item["MaxValue"])
        found.append(ContinuousRange(item["Name"], low_, high_, Scaling(item.get("ScalingType", "Auto"))))
    return tuple(found)


def _plain(value: str) -> str:
    """Return the SDK's launchers put JSON strings into hyperparameters."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
