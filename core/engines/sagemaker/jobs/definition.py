"""What is asked of SageMaker, as the requests of its API. One training definition serves single jobs and trials alike.

The scripts come in the way that both understand: `sagemaker_program` and `sagemaker_submit_directory`, which the
containers' sagemaker-training toolkit reads. A trial has no ContainerEntrypoint. The archive of the scripts is a
channel: the toolkit would fetch an s3:// address from inside the container, which an isolated one cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.debugger.job_rules import job_variables
from core.engines.sagemaker.jobs.creation import MARK
from core.engines.sagemaker.jobs.managed_request import members
from core.errors import SpecError
from core.jobs.managed_rules import check_managed
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, combinations
from core.jobs.spec_parts import has_own_disk
from core.jobs.specs import CloudResources, Spec, Strategy, TrainingSpec, TuningSpec
from core.translation import tr
from core.tuning.wanted_features import choices, over_features, wanted_features
from training_scripts.job import SYNCED

TAG = "sagehound"
MAX_ENVIRONMENT_VALUE = 512
MAX_HYPERPARAMETERS = 100
MAX_PARENTS = 5
MIN_PATIENCE = 3
MIN_VOLUME_GB, MAX_VOLUME_GB = 30, 16_384
SEARCH_SECONDS = (120, 15_768_000)
"""The shortest and the longest limit of a search's run time that the API takes."""

_OWN = ("sagemaker_", "_tuning_")

CODE_CHANNEL, CODE_ARCHIVE = "code", "sourcedir.tar.gz"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a request needs besides the spec.

    `source` is the s3:// prefix that `CODE_ARCHIVE` is under; `channels` maps names to s3:// prefixes; `checkpoints`
    is the job's own s3:// prefix; `kms_key` encrypts output and disk where the spec names no other key; `aliases` maps
    keys' aliases to their ARNs, for a disk takes no alias; `mark` tells this job from another one of its name.
    """

    role_arn: str
    image: str
    source: str
    program: str
    output: str
    checkpoints: str
    channels: Mapping[str, str]
    region: str
    environment: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)
    mark: str = ""


def check(spec: Spec) -> None:
    """Raise `SpecError` where SageMaker cannot do what a spec asks for; `field` is the one at fault."""
    training = spec.training
    cloud = training.cloud or CloudResources()
    if bool(cloud.subnets) != bool(cloud.security_groups):
        raise SpecError(
            tr("A VPC needs both, subnets and security groups."), fix=tr("Give both or none."), field="subnets"
        )
    if cloud.max_wait_s is not None and not cloud.spot:
        fix = tr("Ask for spot machines, or leave it out.")
        raise SpecError(tr("A longest wait is for spot machines alone."), fix=fix, field="max_wait_s")
    if cloud.instance_count > 1 and any(map(over_features, choices(spec))):
        raise SpecError(
            tr("A head over frozen features trains on one instance."),
            tr("Its steps are too small to be shared, so the others would cost money for nothing."),
            tr("Choose one instance, or mode fine_tune."),
            field="instance_count",
        )
    if cloud.feature_machines > 1 and not (len(wanted_features(spec)) == 1 and all(map(over_features, choices(spec)))):
        raise no_shared_features()
    if cloud.spot and cloud.max_wait_s is not None and cloud.max_wait_s < training.max_runtime_s:
        raise SpecError(
            tr("The longest wait for spot instances is shorter than the longest run time."),
            tr("It counts both, waiting and running."),
            tr("Allow a longer wait."),
            field="max_wait_s",
        )
    check_managed(spec)
    if len(training.hyperparameters) + len(spec.ranges) + 4 > MAX_HYPERPARAMETERS:
        raise SpecError(
            tr("There are too many hyperparameters."),
            tr("SageMaker takes {max_hyperparameters}.").format(max_hyperparameters=MAX_HYPERPARAMETERS),
            tr("Remove some."),
        )
    for value in job_variables(training.debugger, watch=True).values():
        if len(value) > MAX_ENVIRONMENT_VALUE:
            raise SpecError(
                tr("The settings of the Debugger rules are too long for SageMaker."),
                tr(
                    "They have {count} characters, a job's environment takes {max_environment_value} in one value."
                ).format(count=len(value), max_environment_value=MAX_ENVIRONMENT_VALUE),
                tr("Choose fewer rules or fewer parameters."),
                field="debugger",
            )
    if cloud.volume_kms_key and has_own_disk(cloud.instance_type):
        raise SpecError(
            tr("{instance_type} takes no key for its disk.").format(instance_type=cloud.instance_type),
            tr("It has a disk of its own, which its hardware encrypts."),
            tr("Give no key for the disk."),
            field="volume_kms_key",
        )
    if isinstance(spec, TuningSpec) and not spec.packed:
        _check_search(spec)
    elif isinstance(spec, TuningSpec) and cloud.instance_count > 1:
        raise SpecError(
            tr("A search as one job runs on one machine."), fix=tr("Choose one instance."), field="instance_count"
        )


def no_shared_features() -> SpecError:
    """Return the refusal of several machines for features where there are none that all trials share."""
    return SpecError(
        tr("Several machines have no features to compute."),
        tr("Only trials in head mode over the same backbone, weights and preprocessing share their features."),
        tr("Choose one machine for features, or fix what the ranges search."),
        field="feature_machines",
    )


def _check_search(spec: TuningSpec) -> None:
    if spec.patience is not None and spec.patience < MIN_PATIENCE:
        raise SpecError(
            tr("SageMaker does not give a search up after {patience} trials.").format(patience=spec.patience),
            tr("It waits for {min_patience} without a better one at least.").format(min_patience=MIN_PATIENCE),
            tr("Give a patience of {min_patience} or more.").format(min_patience=MIN_PATIENCE),
            field="patience",
        )
    shortest, longest = SEARCH_SECONDS
    if spec.max_search_s is not None and not shortest <= spec.max_search_s <= longest:
        raise SpecError(
            tr("SageMaker does not end a search after {max_search_s} s.").format(max_search_s=spec.max_search_s),
            tr("It takes from {shortest} s to {longest} days.").format(shortest=shortest, longest=longest // 86400),
            tr("Give a time between them, or none."),
            field="max_search_s",
        )
    if len(spec.warm_start) > MAX_PARENTS:
        raise SpecError(
            tr("A search on SageMaker cannot learn from {count} earlier ones.").format(count=len(spec.warm_start)),
            fix=tr("Name {max_parents} or fewer.").format(max_parents=MAX_PARENTS),
            field="warm_start",
        )
    if spec.strategy.tries_all:
        _check_grid(spec)


def _check_grid(spec: TuningSpec) -> None:
    for item in spec.ranges:
        if not isinstance(item, CategoricalRange):
            raise SpecError(
                tr("Grid cannot search {name} on SageMaker.").format(name=item.name),
                tr("There it takes categorical ranges only."),
                tr("Make the range Categorical, or take another strategy."),
                field=item.name,
            )
    total = combinations(spec.ranges) or 0
    if total > spec.max_jobs:
        raise SpecError(
            tr("{max_jobs} trials are fewer than the grid's {total:,} combinations.").format(
                max_jobs=spec.max_jobs, total=total
            ),
            tr("On SageMaker a grid is tried whole, and paid for."),
            tr("Allow {total:,} trials, make the grid coarser, or take another strategy.").format(total=total),
            field="max_jobs",
        )


def volume_for(dataset_bytes: int) -> int:
    """Return the GB of a disk that pictures, their features, and what a job writes fit on."""
    return min(MAX_VOLUME_GB, max(MIN_VOLUME_GB, 10 + math.ceil(1.5 * dataset_bytes / 1e9)))


def training_request(spec: TrainingSpec, context: RequestContext) -> dict[str, Any]:
    """Return the CreateTrainingJob request of a single job."""
    return {
        "TrainingJobName": spec.name,
        "HyperParameters": {**spec.hyperparameters, **_own_hyperparameters(context)},
        **_definition(spec, context, "job"),
        **members(spec, context.region, context.output),
        "Tags": tags(spec, context.mark),
    }


def tuning_request(spec: TuningSpec, context: RequestContext) -> dict[str, Any]:
    """Return the CreateHyperParameterTuningJob request."""
    request = {
        "HyperParameterTuningJobName": spec.name,
        "HyperParameterTuningJobConfig": _tuning_config(spec),
        "TrainingJobDefinition": {
            "StaticHyperParameters": {**spec.training.hyperparameters, **_own_hyperparameters(context)},
            **_definition(spec.training, context, "trials"),
        },
        "Tags": tags(spec.training, context.mark),
    }
    if spec.warm_start:
        parents = [{"HyperParameterTuningJobName": name} for name in spec.warm_start]
        # The other type refuses any change of data or ranges; this one learns from what is comparable.
        request["WarmStartConfig"] = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "TransferLearning"}
    return request


def packed_request(spec: TuningSpec, context: RequestContext) -> dict[str, Any]:
    """Return the CreateTrainingJob request of a whole search; its log has the lines of all trials, and no metrics."""
    definition = _definition(spec.training, context, "job")
    # The values of many trials in one curve would say nothing.
    definition["AlgorithmSpecification"] = {**definition["AlgorithmSpecification"], "MetricDefinitions": []}
    return {
        "TrainingJobName": spec.name,
        "HyperParameters": {**spec.training.hyperparameters, **_own_hyperparameters(context)},
        **definition,
        "Tags": tags(spec.training, context.mark),
    }


def tags(spec: TrainingSpec, mark: str = "") -> list[dict[str, str]]:
    """Return what marks a resource as ours."""
    own = {TAG: "job", f"{TAG}:dataset": spec.dataset_version, MARK: mark}
    asked = {**(spec.cloud or CloudResources()).tags, **{key: value for key, value in own.items() if value}}
    return [{"Key": key, "Value": value} for key, value in asked.items()]


def own_hyperparameter(name: str) -> bool:
    """Whether a hyperparameter is the container's, not the training script's."""
    return name.startswith(_OWN)


def _definition(spec: TrainingSpec, context: RequestContext, synced: str) -> dict[str, Any]:
    """Return what CreateTrainingJob and a tuning job's training definition say in the same words.

    `synced` is the job's variable SYNCED. Trials share one checkpoint folder, and each fetches what others left there:
    they have one only where they need it, on machines that may be taken away.
    """
    cloud = spec.cloud or CloudResources()
    instance: dict[str, Any] = {
        "InstanceType": cloud.instance_type,
        "InstanceCount": cloud.instance_count,
        "VolumeSizeInGB": cloud.volume_gb or volume_for(spec.dataset_bytes),
    }
    output: dict[str, Any] = {"S3OutputPath": context.output}
    if key := cloud.output_kms_key or context.kms_key:
        output["KmsKeyId"] = key
    if (key := cloud.volume_kms_key or context.kms_key) and not has_own_disk(cloud.instance_type):
        instance["VolumeKmsKeyId"] = context.aliases.get(key, key)
    stopping: dict[str, Any] = {"MaxRuntimeInSeconds": spec.max_runtime_s}
    if cloud.spot:
        stopping["MaxWaitTimeInSeconds"] = cloud.max_wait_s or 2 * spec.max_runtime_s
    definition: dict[str, Any] = {
        "AlgorithmSpecification": {
            "TrainingImage": context.image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": item.name, "Regex": item.regex} for item in spec.metrics],
        },
        "RoleArn": context.role_arn,
        "InputDataConfig": [
            _channel(name, uri) for name, uri in {**context.channels, CODE_CHANNEL: context.source}.items()
        ],
        "OutputDataConfig": output,
        "ResourceConfig": instance,
        "StoppingCondition": stopping,
        "EnableNetworkIsolation": cloud.network_isolation,
        "EnableInterContainerTrafficEncryption": cloud.encrypt_traffic,
        "EnableManagedSpotTraining": cloud.spot,
        "Environment": {**job_variables(spec.debugger, watch=True), SYNCED: synced, **context.environment},
    }
    if synced == "job" or cloud.spot:
        definition["CheckpointConfig"] = {"S3Uri": context.checkpoints}
    if cloud.subnets:
        definition["VpcConfig"] = {
            "Subnets": list(cloud.subnets),
            "SecurityGroupIds": list(cloud.security_groups),
        }
    return definition


def _channel(name: str, uri: str) -> dict[str, Any]:
    # The slash at the end: else a sibling whose name begins alike would come along.
    place = {"S3DataType": "S3Prefix", "S3Uri": f"{uri.rstrip('/')}/", "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": place}, "InputMode": "File"}


def _own_hyperparameters(context: RequestContext) -> dict[str, str]:
    return {
        "sagemaker_program": context.program,
        "sagemaker_submit_directory": f"/opt/ml/input/data/{CODE_CHANNEL}/{CODE_ARCHIVE}",
        "sagemaker_region": context.region,
    }


def _tuning_config(spec: TuningSpec) -> dict[str, Any]:
    objective = spec.training.objective
    limits: dict[str, Any] = {"MaxParallelTrainingJobs": min(spec.max_parallel_jobs, spec.max_jobs)}
    if not spec.strategy.tries_all:  # there it must be the number of combinations, or be left out
        limits["MaxNumberOfTrainingJobs"] = spec.max_jobs
    if spec.max_search_s is not None:
        limits["MaxRuntimeInSeconds"] = spec.max_search_s
    config: dict[str, Any] = {
        "Strategy": str(spec.strategy),
        "HyperParameterTuningJobObjective": {
            "Type": "Maximize" if objective.maximize else "Minimize",
            "MetricName": objective.metric,
        },
        "ResourceLimits": limits,
        "ParameterRanges": _ranges(spec),
        "TrainingJobEarlyStoppingType": "Auto" if spec.early_stopping else "Off",
        "RandomSeed": spec.seed,
    }
    if spec.strategy is Strategy.HYPERBAND:
        epochs = int(spec.training.hyperparameters.get("num_epochs", "10"))
        config["StrategyConfig"] = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": max(epochs, 2)}}
    criteria: dict[str, Any] = {}
    if spec.target is not None:
        criteria["TargetObjectiveMetricValue"] = spec.target
    if spec.patience is not None:
        criteria["BestObjectiveNotImproving"] = {"MaxNumberOfTrainingJobsNotImproving": spec.patience}
    if spec.until_converged:
        criteria["ConvergenceDetected"] = {"CompleteOnConvergence": "Enabled"}
    if criteria:
        config["TuningJobCompletionCriteria"] = criteria
    return config


def _ranges(spec: TuningSpec) -> dict[str, list[dict[str, Any]]]:
    ranges: dict[str, list[dict[str, Any]]] = {}
    for item in spec.ranges:
        match item:
            case CategoricalRange():
                ranges.setdefault("CategoricalParameterRanges", []).append(
                    {"Name": item.name, "Values": list(item.values)}
                )
            case IntegerRange() | ContinuousRange():
                kind = "Integer" if isinstance(item, IntegerRange) else "Continuous"
                ranges.setdefault(f"{kind}ParameterRanges", []).append(
                    {
                        "Name": item.name,
                        "MinValue": repr(item.low),
                        "MaxValue": repr(item.high),
                        "ScalingType": str(item.scaling),
                    }
                )
    return ranges
