"""Training jobs on the stand-in: they run, and everything AWS would leave behind is there."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from botocore.exceptions import ClientError

from tests.cloud.training import JobFaults

LOGS = "/aws/sagemaker/TrainingJobs"


def log_of(aws, name):
    logs = aws.client("logs")
    streams = logs.describe_log_streams(logGroupName=LOGS, logStreamNamePrefix=f"{aws.prefix}-{name}/")["logStreams"]
    return [
        [event["message"] for event in logs.get_log_events(logGroupName=LOGS, logStreamName=name)["events"]]
        for name in sorted(stream["logStreamName"] for stream in streams)
    ]


def names_in(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


def test_a_job_from_its_request_to_its_artifacts(aws, ended):
    aws.put("data/red/a b+ä.png", b"1")
    place = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{aws.bucket}/data/", "S3DataDistributionType": "FullyReplicated"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": place}}
    checkpoints = {"S3Uri": f"s3://{aws.bucket}/checkpoints"}
    tags = [{"Key": "team", "Value": "dogs"}]
    request = aws.training("job", {"x": "0.3"}, InputDataConfig=[channel], CheckpointConfig=checkpoints, Tags=tags)
    arn = aws.client("sagemaker").create_training_job(**request)["TrainingJobArn"]
    job = ended("job")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    statuses = [item["Status"] for item in job["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert [(item["MetricName"], round(item["Value"], 4)) for item in job["FinalMetricDataList"]] == [("loss", 0.3333)]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    for asked in ("HyperParameters", "InputDataConfig", "ResourceConfig", "RoleArn", "AlgorithmSpecification"):
        assert job[asked] == request[asked]
    base = f"{aws.prefix}/out/{aws.prefix}-job/output"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{aws.bucket}/{base}/model.tar.gz"
    assert names_in(aws.get(f"{base}/model.tar.gz")) == ["model.json"]
    assert names_in(aws.get(f"{base}/output.tar.gz")) == ["told.txt"]
    assert aws.get("checkpoints/epoch") == b"3"
    (lines,) = log_of(aws, "job")
    told = [line for line in lines if line.startswith(("from ", "epoch="))]
    assert told[0] == "from 1 with ['-x', '0.3'] and ['train']"
    assert told[-1] == "epoch=3 Average loss: 0.333333"
    assert aws.client("sagemaker").list_tags(ResourceArn=arn)["Tags"] == tags


def test_machines_divide_the_keys_and_leave_plain_files(aws, ended, cloud):
    for number in range(5):
        aws.put(f"data/red/{number}.png", b"1")
    base = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{aws.bucket}/data/"}
    channels = [
        {
            "ChannelName": name,
            "DataSource": {"S3DataSource": {**base, "S3DataDistributionType": how}},
            "InputMode": mode,
        }
        for name, how, mode in (("share", "ShardedByS3Key", "FastFile"), ("all", "FullyReplicated", "File"))
    ]
    request = aws.training("job", {"share": "yes"}, InputDataConfig=channels)
    request["ResourceConfig"] = {**request["ResourceConfig"], "InstanceCount": 2}
    request["OutputDataConfig"] = {**request["OutputDataConfig"], "CompressionType": "NONE"}
    aws.client("sagemaker").create_training_job(**request)
    job = ended("job")
    assert job["TrainingJobStatus"] == "Completed"
    place = f"{aws.prefix}/out/{aws.prefix}-job/output/model"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{aws.bucket}/{place}/"
    shares = [aws.get(f"{place}/algo-{host}/files").decode().split() for host in (1, 2)]
    assert [len(share) for share in shares] == [3, 2]
    assert sorted(shares[0] + shares[1]) == [f"{number}.png" for number in range(5)]
    machines = cloud.training.get(f"{aws.prefix}-job").container.folders
    config = json.loads((machines[1].configuration / "inputdataconfig.json").read_text())
    assert config["share"]["S3DistributionType"] == "ShardedByS3Key"
    assert config["share"]["TrainingInputMode"] == "FastFile"


def test_who_writes_into_a_fast_file_channel_fails(aws, ended):
    aws.put("data/red/1.png", b"1")
    place = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{aws.bucket}/data/", "S3DataDistributionType": "FullyReplicated"}
    channel = {"ChannelName": "share", "DataSource": {"S3DataSource": place}, "InputMode": "FastFile"}
    request = aws.training("job", {"share": "write"}, InputDataConfig=[channel])
    aws.client("sagemaker").create_training_job(**request)
    job = ended("job")
    assert job["TrainingJobStatus"] == "Failed"
    assert "read-only" in job["FailureReason"]


def test_a_failure_says_what_the_script_wrote(aws, ended):
    aws.client("sagemaker").create_training_job(**aws.training("job", {"fail": "The well ran dry."}))
    job = ended("job")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: The well ran dry., exit code: 1"
    assert "ModelArtifacts" not in job


def test_a_stopped_job_ends_soon(aws, ended, until, cloud):
    client = aws.client("sagemaker")
    client.create_training_job(**aws.training("job", {"epochs": "500", "sleep": "0.1"}))
    name = f"{aws.prefix}-job"
    until(lambda: client.describe_training_job(TrainingJobName=name), lambda job: job["FinalMetricDataList"] != [])
    client.stop_training_job(TrainingJobName=name)
    assert client.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] in ("Stopping", "Stopped")
    assert ended("job")["TrainingJobStatus"] == "Stopped"
    with pytest.raises(ClientError, match="is in status Stopped"):
        client.stop_training_job(TrainingJobName=name)


def test_the_longest_run_time_is_kept(aws, ended):
    request = aws.training("job", {"epochs": "500", "sleep": "0.1"}, StoppingCondition={"MaxRuntimeInSeconds": 1})
    aws.client("sagemaker").create_training_job(**request)
    job = ended("job")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_reclaimed_spot_instance_goes_on_from_its_checkpoint(aws, ended, cloud):
    cloud.training.plan("-job$", JobFaults(after_lines=2, sign="epoch=", reclaim=True))
    stopping = {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900}
    request = aws.training(
        "job",
        {"epochs": "4", "sleep": "0.7"},
        EnableManagedSpotTraining=True,
        StoppingCondition=stopping,
        CheckpointConfig={"S3Uri": f"s3://{aws.bucket}/checkpoints/"},
    )
    aws.client("sagemaker").create_training_job(**request)
    job = ended("job")
    assert job["TrainingJobStatus"] == "Completed"
    statuses = [item["Status"] for item in job["SecondaryStatusTransitions"]]
    assert statuses[:6] == ["Starting", "Downloading", "Training", "Interrupted", "Starting", "Downloading"]
    assert job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    first, second = log_of(aws, "job")
    assert any(line.startswith("from 1 ") for line in first)
    assert not any(line.startswith("from 1 ") for line in second)
    assert [line for line in second if line.startswith("epoch=")][-1].startswith("epoch=4 ")


def test_a_job_that_dies_after_some_lines(aws, ended, cloud):
    reason = "InternalServerError: We encountered an internal error."
    cloud.training.plan("-job$", JobFaults(reason, after_lines=1, sign="epoch="))
    aws.client("sagemaker").create_training_job(**aws.training("job", {"epochs": "500", "sleep": "0.1"}))
    job = ended("job")
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", reason)


def test_no_capacity_and_no_logs(aws, ended, cloud):
    cloud.training.plan("-poor$", JobFaults(reason="CapacityError: Unable to provision requested ML compute capacity."))
    cloud.training.plan("-mute$", JobFaults(no_logs=True))
    client = aws.client("sagemaker")
    for name in ("poor", "mute"):
        client.create_training_job(**aws.training(name))
    assert ended("poor")["FailureReason"].startswith("CapacityError")
    assert ended("mute")["TrainingJobStatus"] == "Completed"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        log_of(aws, "mute")


def test_what_aws_refuses_is_refused(aws, ended):
    client = aws.client("sagemaker")
    client.create_training_job(**aws.training("job"))
    with pytest.raises(ClientError, match=r"ResourceInUse.*must be unique"):
        client.create_training_job(**aws.training("job"))
    place = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{aws.bucket}/nothing"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": place}}
    refused = {
        "No S3 objects found": {"InputDataConfig": [channel]},
        "EnableManagedSpotTraining": {"StoppingCondition": {"MaxRuntimeInSeconds": 9, "MaxWaitTimeInSeconds": 9}},
        "enum value set": {"ResourceConfig": {"InstanceType": "ml.m5.tiny", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        "regular expression pattern": {"RoleArn": "Execution-role-without-arn"},
        "length": {"Environment": {f"K{n}": "v" for n in range(101)}},
    }
    for words, changes in refused.items():
        with pytest.raises(ClientError, match=words):
            client.create_training_job(**aws.training("other", **changes))
    ended("job")
    client.delete_training_job(TrainingJobName=f"{aws.prefix}-job")
    with pytest.raises(ClientError, match="not found"):
        client.describe_training_job(TrainingJobName=f"{aws.prefix}-job")


def test_jobs_are_listed_filtered_and_in_pages(aws, ended):
    client = aws.client("sagemaker")
    for name, how in (("a", {}), ("b", {"fail": "no"}), ("c", {})):
        client.create_training_job(**aws.training(name, how))
        ended(name)
    pages = client.get_paginator("list_training_jobs").paginate(SortBy="Name", PaginationConfig={"PageSize": 2})
    found = [[job["TrainingJobName"][-1] for job in page["TrainingJobSummaries"]] for page in pages]
    assert found == [["c", "b"], ["a"]]
    failed = client.list_training_jobs(StatusEquals="Failed", NameContains=aws.prefix)["TrainingJobSummaries"]
    assert [job["TrainingJobName"] for job in failed] == [f"{aws.prefix}-b"]


def test_the_sdk_creates_reads_and_stops_a_job(aws, until):
    from sagemaker.core.resources import TrainingJob
    from sagemaker.core.shapes import AlgorithmSpecification, OutputDataConfig, ResourceConfig, StoppingCondition

    request = aws.training("sdk", {"epochs": "500", "sleep": "0.1"})
    job = TrainingJob.create(
        training_job_name=request["TrainingJobName"],
        role_arn=request["RoleArn"],
        hyper_parameters=request["HyperParameters"],
        algorithm_specification=AlgorithmSpecification(
            training_image=request["AlgorithmSpecification"]["TrainingImage"], training_input_mode="File"
        ),
        output_data_config=OutputDataConfig(s3_output_path=request["OutputDataConfig"]["S3OutputPath"]),
        resource_config=ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
    )
    job.stop()
    until(lambda: {"status": job.refresh().training_job_status}, lambda answer: answer["status"] == "Stopped")
    assert [item.training_job_name for item in TrainingJob.get_all(name_contains="sdk")] == [job.training_job_name]
