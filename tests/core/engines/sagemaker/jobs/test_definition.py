"""What is asked of SageMaker: requests, checks, differences, the archive of scripts."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import sys
import tarfile

import botocore.session
import pytest
from botocore.validate import ParamValidator

from core.engines.sagemaker.jobs.definition import RequestContext, check, training_request, tuning_request
from core.engines.sagemaker.jobs.request_diff import differences
from core.engines.sagemaker.jobs.training_source import FEATURES_PROGRAM, PART_PROGRAM, Source, pack, training_source
from core.engines.sagemaker.jobs.validation import check_parents
from core.engines.sagemaker.tracking.adopt import tuning_spec
from core.errors import SpecError
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from core.jobs.spec_parts import has_own_disk
from core.jobs.specs import (
    CloudResources,
    DebuggerConfig,
    MetricDefinition,
    Objective,
    Strategy,
    TrainingSpec,
    TuningSpec,
    spec_from_json,
    spec_to_json,
)
from core.store.rows import new_record
from training_scripts.artifact import extract

AROUND = RequestContext(
    role_arn="arn:aws:iam::123456789012:role/Execution",
    image="1.dkr.ecr.eu-west-1.amazonaws.com/pytorch:2",
    source="s3://b/sagehound/code/x",
    program="train.py",
    output="s3://b/sagehound/jobs",
    checkpoints="s3://b/sagehound/checkpoints/one/",
    channels={"train": "s3://b/d/train", "valid": "s3://b/d/valid/"},
    region="eu-west-1",
)
CLOUD = CloudResources(
    instance_type="ml.m5.xlarge",
    volume_gb=55,
    spot=True,
    max_wait_s=7200,
    subnets=("subnet-0123456789abcdef0",),
    security_groups=("sg-0123456789abcdef0",),
    network_isolation=True,
    encrypt_traffic=True,
    output_kms_key="arn:aws:kms:eu-west-1:1:key/2",
    volume_kms_key="arn:aws:kms:eu-west-1:1:key/3",
    tags={"team": "birds"},
)
TRAINING = TrainingSpec(
    "one",
    {"train": "s3://b/d/train"},
    {"num_epochs": "7", "backbone": "resnet18"},
    (MetricDefinition("Average loss", r"Average loss: ([0-9\.]+)"),),
    dataset_version="abc123",
    max_runtime_s=3600,
    cloud=CLOUD,
)
TUNING = TuningSpec(
    TRAINING,
    (
        ContinuousRange("learning_rate", 1e-4, 5e-2, Scaling.LOGARITHMIC),
        ContinuousRange("momentum", 0.0, 0.99, Scaling.REVERSE_LOGARITHMIC),
        IntegerRange("batch_size", 8, 64, Scaling.LINEAR),
        CategoricalRange("optimizer", ("adam", "sgd")),
    ),
    max_jobs=20,
    max_parallel_jobs=4,
    early_stopping=True,
    seed=0,
    warm_start=("earlier",),
    target=0.0,
    patience=5,
    max_search_s=7200,
    until_converged=True,
)


def valid(operation: str, request: dict) -> str:
    model = botocore.session.get_session().get_service_model("sagemaker").operation_model(operation)
    return ParamValidator().validate(request, model.input_shape).generate_report()


def test_everything_that_was_asked_is_in_the_training_request():
    request = training_request(TRAINING, AROUND)
    assert valid("CreateTrainingJob", request) == ""
    assert request["HyperParameters"] == {
        "num_epochs": "7",
        "backbone": "resnet18",
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        "sagemaker_region": "eu-west-1",
    }
    assert request["ResourceConfig"] == {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 55,
        "VolumeKmsKeyId": CLOUD.volume_kms_key,
    }
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    assert request["EnableManagedSpotTraining"] is True
    assert request["EnableNetworkIsolation"] is True
    assert request["VpcConfig"]["Subnets"] == list(CLOUD.subnets)
    assert request["EnableInterContainerTrafficEncryption"] is True
    assert request["OutputDataConfig"]["KmsKeyId"] == CLOUD.output_kms_key
    assert {"Key": "team", "Value": "birds"} in request["Tags"]
    assert {"Key": "sagehound:dataset", "Value": "abc123"} in request["Tags"]
    uris = {c["ChannelName"]: c["DataSource"]["S3DataSource"]["S3Uri"] for c in request["InputDataConfig"]}
    # The scripts come as a channel: an isolated container fetches nothing from S3 by itself.
    assert uris == {"train": "s3://b/d/train/", "valid": "s3://b/d/valid/", "code": f"{AROUND.source}/"}


def test_the_connections_key_serves_where_no_other_is_named():
    around = dataclasses.replace(AROUND, kms_key="alias/ours")
    plain = dataclasses.replace(TRAINING, cloud=CloudResources("ml.m5.xlarge"))
    request = training_request(plain, around)
    assert (request["OutputDataConfig"]["KmsKeyId"], request["ResourceConfig"]["VolumeKmsKeyId"]) == ("alias/ours",) * 2
    named = dataclasses.replace(around, aliases={"alias/ours": "arn:aws:kms:eu-west-1:1:key/9"})
    assert training_request(plain, named)["ResourceConfig"]["VolumeKmsKeyId"] == "arn:aws:kms:eu-west-1:1:key/9"
    assert training_request(TRAINING, around)["OutputDataConfig"]["KmsKeyId"] == CLOUD.output_kms_key
    own_disk = dataclasses.replace(TRAINING, cloud=CloudResources("ml.g5.xlarge"))
    assert "VolumeKmsKeyId" not in training_request(own_disk, around)["ResourceConfig"]  # AWS refuses one there
    types = ("ml.g4dn.xlarge", "ml.m5d.large", "ml.c6id.large", "ml.p4d.24xlarge", "ml.trn1.2xlarge")
    assert all(map(has_own_disk, types))
    assert not any(map(has_own_disk, ("ml.m5.large", "ml.c5.xlarge", "ml.p3.2xlarge", "ml.c5n.xlarge", "ml.r5.large")))


def test_the_disk_holds_the_pictures():
    def size(cloud, dataset_bytes):
        spec = dataclasses.replace(TRAINING, cloud=cloud, dataset_bytes=dataset_bytes)
        return training_request(spec, AROUND)["ResourceConfig"]["VolumeSizeInGB"]

    sizes = [size(CloudResources(), int(gigabytes * 1e9)) for gigabytes in (0, 1, 100, 100_000)]
    assert sizes == [30, 30, 160, 16384]
    assert size(CloudResources(volume_gb=200), int(1e9)) == 200


def test_a_job_and_a_trial_get_the_same_definition():
    single, tuned = training_request(TRAINING, AROUND), tuning_request(TUNING, AROUND)
    assert valid("CreateHyperParameterTuningJob", tuned) == ""
    definition = tuned["TrainingJobDefinition"]
    assert definition.pop("StaticHyperParameters") == single["HyperParameters"]
    assert definition.pop("Environment") == single["Environment"] | {"SAGEHOUND_SYNCED": "trials"}
    assert definition == {key: single[key] for key in definition}
    assert set(single) - set(definition) == {"TrainingJobName", "HyperParameters", "Tags", "Environment"}
    steady = dataclasses.replace(TRAINING, cloud=CloudResources())
    tuned = tuning_request(dataclasses.replace(TUNING, training=steady), AROUND)
    # Trials share it, and each fetches what earlier ones left: they have it only on machines that may be taken away.
    assert "CheckpointConfig" not in tuned["TrainingJobDefinition"]
    assert "CheckpointConfig" in training_request(steady, AROUND)


def test_ranges_seed_target_and_warm_start_reach_aws_even_where_they_are_zero():
    config = tuning_request(TUNING, AROUND)["HyperParameterTuningJobConfig"]
    assert config["RandomSeed"] == 0
    assert config["TuningJobCompletionCriteria"] == {
        "TargetObjectiveMetricValue": 0.0,
        "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
        "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
    }
    assert config["ResourceLimits"]["MaxRuntimeInSeconds"] == 7200
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    ranges = config["ParameterRanges"]
    assert ranges["IntegerParameterRanges"] == [
        {"Name": "batch_size", "MinValue": "8", "MaxValue": "64", "ScalingType": "Linear"}
    ]
    assert ranges["CategoricalParameterRanges"] == [{"Name": "optimizer", "Values": ["adam", "sgd"]}]
    scalings = [item["ScalingType"] for item in ranges["ContinuousParameterRanges"]]
    assert scalings == ["Logarithmic", "ReverseLogarithmic"]
    warm = tuning_request(TUNING, AROUND)["WarmStartConfig"]
    assert warm["ParentHyperParameterTuningJobs"] == [{"HyperParameterTuningJobName": "earlier"}]


def test_what_was_asked_for_is_read_back_when_the_job_is_adopted():
    found = tuning_spec("one", tuning_request(TUNING, AROUND))
    ends = ("target", "patience", "max_search_s", "until_converged", "warm_start", "early_stopping", "strategy")
    assert {name: getattr(found, name) for name in ends} == {name: getattr(TUNING, name) for name in ends}
    assert found.training.cloud == dataclasses.replace(CLOUD, tags={})
    assert spec_from_json(spec_to_json(TUNING)) == TUNING
    older = spec_to_json(TRAINING)
    older["cloud"] = {"instance_type": "ml.m5.large", "subnets": [], "security_groups": [], "kms_key": "one"}
    kept = spec_from_json(older).cloud
    assert (kept.output_kms_key, kept.volume_kms_key) == ("one", "one")


def test_maximize_hyperband_and_grid():
    accuracy = dataclasses.replace(
        TRAINING,
        metrics=(MetricDefinition("valid:accuracy", "a=([0-9.]+)"),),
        objective=Objective("valid:accuracy", True),
    )
    hyperband = dataclasses.replace(TUNING, training=accuracy, strategy=Strategy.HYPERBAND, early_stopping=False)
    config = tuning_request(hyperband, AROUND)["HyperParameterTuningJobConfig"]
    assert config["HyperParameterTuningJobObjective"] == {"Type": "Maximize", "MetricName": "valid:accuracy"}
    assert config["StrategyConfig"] == {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 7}}
    ranges = (CategoricalRange("optimizer", ("adam", "sgd")),)
    grid = tuning_request(dataclasses.replace(TUNING, ranges=ranges, strategy=Strategy.GRID), AROUND)
    assert "MaxNumberOfTrainingJobs" not in grid["HyperParameterTuningJobConfig"]["ResourceLimits"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (dataclasses.replace(TRAINING, cloud=dataclasses.replace(CLOUD, instance_count=2)), "instance_count"),
        (
            dataclasses.replace(
                TRAINING,
                cloud=dataclasses.replace(CLOUD, feature_machines=2),
                hyperparameters={"mode": "fine_tune"},
            ),
            "feature_machines",
        ),
        (dataclasses.replace(TRAINING, max_runtime_s=9000), "max_wait_s"),
        (
            dataclasses.replace(TRAINING, cloud=dataclasses.replace(CLOUD, instance_type="ml.g5.xlarge")),
            "volume_kms_key",
        ),
        (dataclasses.replace(TUNING, strategy=Strategy.GRID, early_stopping=False), "learning_rate"),
        (
            dataclasses.replace(
                TUNING, ranges=(CategoricalRange("x", ("a", "b")),), strategy=Strategy.GRID, max_jobs=1
            ),
            "max_jobs",
        ),
        (dataclasses.replace(TUNING, patience=2), "patience"),
        (dataclasses.replace(TUNING, max_search_s=60), "max_search_s"),
        (dataclasses.replace(TUNING, warm_start=tuple("abcdef")), "warm_start"),
        (
            dataclasses.replace(
                TRAINING, debugger=DebuggerConfig(rules={f"Rule{n}": {"threshold": "1"} for n in range(40)})
            ),
            "debugger",
        ),
    ],
)
def test_what_sagemaker_cannot_do_is_refused_before_anything_is_sent(spec, field):
    with pytest.raises(SpecError) as caught:
        check(spec)
    assert caught.value.field == field


def test_a_search_cannot_learn_from_one_that_aws_does_not_know(store):
    parents = dataclasses.replace(TUNING, warm_start=("here", "there", "unknown"))
    earlier = {"here": "local", "there": "sagemaker"}
    for name, engine in earlier.items():
        spec = dataclasses.replace(TUNING, training=dataclasses.replace(TRAINING, name=name))
        store.add_job(new_record(spec, engine), spec)
    with pytest.raises(SpecError, match="cannot learn from here") as raised:
        check_parents(parents, store)
    assert raised.value.field == "warm_start"
    check_parents(dataclasses.replace(parents, warm_start=("there", "unknown")), store)


def test_several_instances_train_the_network_together():
    two = dataclasses.replace(CLOUD, instance_count=2)
    spec = dataclasses.replace(TRAINING, cloud=two, hyperparameters={"mode": "fine_tune"})
    check(spec)
    assert training_request(spec, AROUND)["ResourceConfig"]["InstanceCount"] == 2
    ranges = (CategoricalRange("mode", ("head", "fine_tune")),)
    with pytest.raises(SpecError, match="one instance"):
        check(TuningSpec(dataclasses.replace(spec, hyperparameters={}), ranges))


def test_differences_between_asked_and_recorded_are_sentences():
    asked = training_request(TRAINING, AROUND)
    recorded = {**asked, "EnableManagedSpotTraining": False, "TrainingJobArn": "arn", "VpcConfig": None}
    found = differences(asked, recorded)
    assert found == [
        "EnableManagedSpotTraining: asked True, AWS recorded False.",
        "VpcConfig: AWS recorded nothing of it.",
    ]
    assert differences(asked, dict(asked)) == []
    flags = {"EnableNetworkIsolation": True, "EnableInterContainerTrafficEncryption": True}
    unasked = training_request(dataclasses.replace(TRAINING, cloud=CloudResources()), AROUND)
    assert differences(unasked, {**unasked, **flags}) == [f"{name}: asked False, AWS recorded True." for name in flags]
    assert differences(unasked, {key: value for key, value in unasked.items() if value is not False}) == []
    untagged = {**asked, "Tags": [tag for tag in asked["Tags"] if tag["Key"] != "team"]}
    assert differences(asked, untagged) == ["Tags.team: asked 'birds', AWS recorded nothing."]
    tuned = tuning_request(TUNING, AROUND)
    lost = {**tuned, "HyperParameterTuningJobConfig": {**tuned["HyperParameterTuningJobConfig"]}}
    del lost["HyperParameterTuningJobConfig"]["RandomSeed"]
    assert differences(tuned, lost) == ["HyperParameterTuningJobConfig.RandomSeed: asked 0, AWS recorded nothing."]


def test_the_archive_is_the_same_everywhere_and_has_lf_only():
    source = training_source()
    assert source.archive == training_source().archive
    assert pack({"a": b"1", "b": b"2"}) == pack({"b": b"2", "a": b"1"})
    with tarfile.open(fileobj=io.BytesIO(source.archive)) as tar:
        names = tar.getnames()
        assert {"train.py", "features.py", "requirements.txt", "training_scripts/train.py"} <= set(names)
        assert not any(name.startswith("/") or "__pycache__" in name for name in names)
        assert all(b"\r\n" not in tar.extractfile(name).read() for name in names)
        assert all((member.mtime, member.uid, member.uname) == (0, 0, "") for member in tar)
    assert "requirements.txt" not in source.offline().files
    assert source.offline().digest != source.digest


@pytest.mark.parametrize("program", ["train.py", FEATURES_PROGRAM, PART_PROGRAM])
def test_the_programs_of_the_archive_start(program, tmp_path):
    with tarfile.open(fileobj=io.BytesIO(training_source().archive)) as tar:
        extract(tar, tmp_path)
    done = subprocess.run(
        [sys.executable, str(tmp_path / program), "--help"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "--backbone" in done.stdout, done.stderr


def test_a_source_without_features_says_so():
    assert Source({}, features="").features == ""
