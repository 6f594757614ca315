"""Endpoints on the stand-in: the archive is loaded by AWS's own handler, and it answers."""

from __future__ import annotations

import json
import os

import pytest
from botocore.exceptions import ClientError

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6-cpu-py312"
VARIABLES = {"SAGEMAKER_PROGRAM": "inference.py"}
TAGS = [{"Key": "team", "Value": "dogs"}]
BROKEN = ("raise RuntimeError('a wrong turn')", "model_fn = 1 / 0", "def model_fn(d): raise OSError")
ROLE = "arn:aws:iam::123456789012:role/Execution"


@pytest.fixture
def model(aws, inference):
    """Makes a model whose answers are multiplied by a factor, and a configuration of the same name."""

    def make(name, factor=1, code=inference, serverless=False, instance="ml.m5.large"):
        uri = aws.archive(name, {"model.json": json.dumps({"factor": factor}), "code/inference.py": code})
        client = aws.client("sagemaker")
        client.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={
                "Image": IMAGE,
                "ModelDataUrl": uri,
                "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
            },
        )
        variant = {"VariantName": "AllTraffic", "ModelName": name}
        if serverless:
            variant["ServerlessConfig"] = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
        else:
            variant |= {"InstanceType": instance, "InitialInstanceCount": 1}
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    return make


@pytest.fixture
def settled(aws, until, cloud):
    """Waits until an endpoint is in service or has failed; returns its description."""
    cloud.serving.handler = "miniature"  # these models need no torch; what AWS's handler does is tested below
    client = aws.client("sagemaker")
    return lambda name: until(
        lambda: client.describe_endpoint(EndpointName=name),
        lambda endpoint: endpoint["EndpointStatus"] in ("InService", "Failed"),
    )


@pytest.fixture
def ask(aws):
    """Invokes an endpoint with bytes; returns the answer read as JSON."""

    def invoke(name, body=b"\x01\xff\x00", kind="application/x-image"):
        client = aws.client("sagemaker-runtime")
        answer = client.invoke_endpoint(EndpointName=name, Body=body, ContentType=kind, Accept="application/json")
        assert answer["ContentType"] == "application/json"
        return json.loads(answer["Body"].read())

    return invoke


@pytest.mark.parametrize("handler", ["aws", "miniature"])
def test_an_endpoint_answers_raw_bytes_and_ends(handler, aws, model, settled, ask, cloud):
    if handler == "aws":
        pytest.importorskip("sagemaker_pytorch_serving_container")
    cloud.serving.handler = handler
    client = aws.client("sagemaker")
    client.create_endpoint(EndpointName="live", EndpointConfigName=model("live", factor=2), Tags=TAGS)
    assert client.describe_endpoint(EndpointName="live")["EndpointStatus"] == "Creating"
    found = settled("live")
    assert (found["EndpointStatus"], found["ProductionVariants"][0]["CurrentInstanceCount"]) == ("InService", 1)
    assert ask("live") == {"sum": 512, "bytes": 3}
    assert client.list_tags(ResourceArn=found["EndpointArn"])["Tags"] == TAGS
    logs = aws.client("logs").filter_log_events(logGroupName="/aws/sagemaker/Endpoints/live")["events"]
    assert "loading in model" in [event["message"] for event in logs]
    process = cloud.serving.endpoint("live").worker._process
    client.delete_endpoint(EndpointName="live")
    assert process.poll() is not None
    with pytest.raises(ClientError, match="Could not find endpoint"):
        client.describe_endpoint(EndpointName="live")
    with pytest.raises(ClientError, match="not found"):
        ask("live")


@pytest.mark.parametrize("handler", ["aws", "miniature"])
def test_an_error_of_the_model_is_a_model_error(handler, model, settled, ask, aws, cloud):
    if handler == "aws":
        pytest.importorskip("sagemaker_pytorch_serving_container")
    cloud.serving.handler = handler
    aws.client("sagemaker").create_endpoint(EndpointName="strict", EndpointConfigName=model("strict"))
    settled("strict")
    with pytest.raises(ClientError) as caught:
        ask("strict", kind="text/plain")
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
    assert answer["OriginalStatusCode"] == 500
    assert "not text/plain" in answer["OriginalMessage"]
    assert answer["LogStreamArn"].endswith("/aws/sagemaker/Endpoints/strict")
    assert ask("strict")["bytes"] == 3  # it lives


def test_serverless_sleeps_first_and_takes_less(model, settled, ask, aws, cloud):
    aws.client("sagemaker").create_endpoint(EndpointName="sleepy", EndpointConfigName=model("sleepy", serverless=True))
    found = settled("sleepy")
    assert found["ProductionVariants"][0]["CurrentServerlessConfig"]["MemorySizeInMB"] == 2048
    with pytest.raises(ClientError, match="ModelNotReadyException"):
        ask("sleepy")
    assert ask("sleepy")["bytes"] == 3
    with pytest.raises(ClientError, match="exceeds 4194304 bytes"):
        ask("sleepy", b"x" * 5_000_000)
    assert cloud.calls["sagemaker:InvokeEndpoint"] == 3


@pytest.mark.parametrize("code", BROKEN)
def test_what_cannot_be_loaded_fails_with_a_reason_and_a_log(code, model, settled, aws):
    aws.client("sagemaker").create_endpoint(EndpointName="broken", EndpointConfigName=model("broken", code=code))
    found = settled("broken")
    assert found["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in found["FailureReason"]
    logs = aws.client("logs").filter_log_events(logGroupName="/aws/sagemaker/Endpoints/broken")["events"]
    assert any("Error" in event["message"] for event in logs)


def test_an_archive_that_is_gone_fails(model, settled, aws):
    aws.client("s3").delete_object(Bucket=aws.bucket, Key=f"{aws.prefix}/{model('gone')}.tar.gz")
    aws.client("sagemaker").create_endpoint(EndpointName="gone", EndpointConfigName="gone")
    assert "Failed to download model data" in settled("gone")["FailureReason"]


def test_an_update_goes_over_and_a_bad_one_is_rolled_back(model, settled, ask, aws):
    client = aws.client("sagemaker")
    client.create_endpoint(EndpointName="live", EndpointConfigName=model("one"))
    settled("live")
    client.update_endpoint(EndpointName="live", EndpointConfigName=model("three", factor=3))
    assert client.describe_endpoint(EndpointName="live")["EndpointStatus"] == "Updating"
    with pytest.raises(ClientError, match="in-progress"):
        client.update_endpoint(EndpointName="live", EndpointConfigName="one")
    assert ask("live", b"\x01")["sum"] in (1, 3)  # it goes on answering
    assert settled("live")["EndpointConfigName"] == "three"
    assert ask("live", b"\x01")["sum"] == 3
    client.update_endpoint(EndpointName="live", EndpointConfigName=model("bad", code="raise OSError"))
    found = settled("live")
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", "three")
    assert "ping health check" in found["FailureReason"]
    assert ask("live", b"\x01")["sum"] == 3


def test_names_quotas_and_lists(model, settled, aws, cloud):
    client = aws.client("sagemaker")
    for name in ("one", "two"):
        client.create_endpoint(EndpointName=name, EndpointConfigName=model(name))
    with pytest.raises(ClientError, match="already existing endpoint one"):
        client.create_endpoint(EndpointName="one", EndpointConfigName="one")
    with pytest.raises(ClientError, match="Could not find endpoint configuration"):
        client.create_endpoint(EndpointName="three", EndpointConfigName="three")
    cloud.account.quotas["ml.m5.large for endpoint usage"] = 2
    with pytest.raises(ClientError, match=r"'ml.m5.large for endpoint usage' is 2 Instances, with .* of 2"):
        client.create_endpoint(EndpointName="three", EndpointConfigName="one")
    pages = client.get_paginator("list_endpoints").paginate(SortBy="Name", PaginationConfig={"PageSize": 1})
    assert [page["Endpoints"][0]["EndpointName"] for page in pages] == ["two", "one"]
    assert client.list_endpoints(NameContains="ON")["Endpoints"][0]["EndpointName"] == "one"
    assert {item["ModelName"] for item in client.list_models()["Models"]} == {"one", "two"}
    client.delete_endpoint_config(EndpointConfigName="two")
    assert [item["EndpointConfigName"] for item in client.list_endpoint_configs()["EndpointConfigs"]] == ["one"]
    client.delete_model(ModelName="two")
    with pytest.raises(ClientError, match="Could not find model"):
        client.describe_model(ModelName="two")
    for name in ("one", "two"):
        settled(name)


def test_nothing_of_the_endpoints_is_left_running(model, settled, aws, cloud):
    aws.client("sagemaker").create_endpoint(EndpointName="last", EndpointConfigName=model("last"))
    settled("last")
    number = cloud.serving.endpoint("last").worker._process.pid
    cloud.forget()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    assert aws.client("sagemaker").list_endpoints()["Endpoints"] == []
