"""Faults by plan, for each protocol AWS speaks; rights, quotas, prices; the guard."""

from __future__ import annotations

import json
import socket

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ResponseStreamingError

from tests.cloud.faults import (
    LOST_CONNECTION,
    SERVER_ERROR,
    THROTTLED,
    access_denied,
    quota_zero,
)

CALLS = {
    "s3": ("list_buckets", {}, "ExpiredToken"),
    "sts": ("get_caller_identity", {}, "ExpiredToken"),
    "iam": ("list_roles", {}, "ExpiredToken"),
    "sagemaker": ("list_endpoints", {}, "ExpiredTokenException"),
    "sagemaker-runtime": ("invoke_endpoint", {"EndpointName": "x", "Body": b"\x80\x00"}, "ExpiredTokenException"),
    "logs": ("describe_log_groups", {}, "ExpiredTokenException"),
    "service-quotas": ("list_service_quotas", {"ServiceCode": "sagemaker"}, "ExpiredTokenException"),
    "pricing": ("get_products", {"ServiceCode": "AmazonSageMaker"}, "ExpiredTokenException"),
}


@pytest.mark.parametrize("service", CALLS)
def test_expired_credentials_are_refused_everywhere_until_renewed(service, aws, cloud):
    name, arguments, code = CALLS[service]
    call = getattr(aws.client(service), name)
    cloud.faults.expire()
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    assert "expired" in str(caught.value)
    cloud.faults.renew()
    if service == "sagemaker-runtime":
        with pytest.raises(ClientError, match="not found"):
            call(**arguments)
    else:
        call(**arguments)


def test_throttling_has_each_services_own_words(aws, cloud):
    cloud.faults.add("*", THROTTLED, times=3)
    codes = []
    for service in ("s3", "iam", "sagemaker"):
        name, arguments, _ = CALLS[service]
        with pytest.raises(ClientError) as caught:
            getattr(aws.client(service), name)(**arguments)
        codes.append(
            (caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"])
        )
    assert codes == [("SlowDown", 503), ("Throttling", 400), ("ThrottlingException", 400)]
    assert cloud.faults.raised == ["ListBuckets", "ListRoles", "ListEndpoints"]


def test_a_client_that_retries_gets_over_throttling_and_server_errors(aws, cloud):
    patient = boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}))
    cloud.faults.add("PutObject", THROTTLED, times=2)
    cloud.faults.add("PutObject", SERVER_ERROR)
    patient.put_object(Bucket=aws.bucket, Key="a", Body=b"x" * 200_000)
    assert aws.get("a") == b"x" * 200_000
    assert cloud.calls["s3:PutObject"] == 4


def test_a_fault_waits_and_chooses(aws, cloud):
    cloud.faults.add("s3:PutObject", access_denied("s3:PutObject"), when=lambda call: call["Key"] == "ä b+c", after=1)
    aws.put("other", b"1")
    aws.put("ä b+c", b"1")
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.put("ä b+c", b"2")
    aws.put("ä b+c", b"3")
    assert aws.get("ä b+c") == b"3"


def test_a_connection_lost_in_the_middle_of_an_upload_leaves_no_object(aws, cloud):
    cloud.faults.add("PutObject", LOST_CONNECTION)
    with pytest.raises(ConnectionClosedError):
        aws.put("a", b"x" * 500_000)
    assert aws.client("s3").list_objects_v2(Bucket=aws.bucket).get("Contents", []) == []


def test_a_part_of_a_multipart_upload_can_be_lost(aws, cloud):
    cloud.faults.add("UploadPart", LOST_CONNECTION, when=lambda call: call["partNumber"] == "2")
    client = aws.client("s3")
    upload = client.create_multipart_upload(Bucket=aws.bucket, Key="a")["UploadId"]
    parts = {"Bucket": aws.bucket, "Key": "a", "UploadId": upload}
    first = client.upload_part(**parts, PartNumber=1, Body=b"1" * 5_242_880)
    with pytest.raises(ConnectionClosedError):
        client.upload_part(**parts, PartNumber=2, Body=b"2" * 1000)
    second = client.upload_part(**parts, PartNumber=2, Body=b"2" * 1000)
    etags = [{"PartNumber": number, "ETag": part["ETag"]} for number, part in ((1, first), (2, second))]
    client.complete_multipart_upload(**parts, MultipartUpload={"Parts": etags})
    assert len(aws.get("a")) == 5_243_880


def test_a_connection_lost_in_the_middle_of_a_download_is_noticed(aws, cloud):
    aws.put("a", b"x" * 500_000)
    cloud.faults.add("GetObject", LOST_CONNECTION)
    with pytest.raises(ResponseStreamingError):
        aws.get("a")
    assert len(aws.get("a")) == 500_000


def test_refusals_have_awss_words(aws, cloud):
    cloud.faults.add("CreateTrainingJob", quota_zero("ml.g5.xlarge for training job usage"))
    cloud.faults.add("CreateTrainingJob", access_denied("sagemaker:CreateTrainingJob"))
    client = aws.client("sagemaker")
    with pytest.raises(ClientError, match=r"LimitExceeded.*'ml.g5.xlarge for training job usage' is 0 Instances"):
        client.create_training_job(**aws.training("job"))
    with pytest.raises(ClientError, match=r"AccessDenied.*not authorized to perform: sagemaker:CreateTraining"):
        client.create_training_job(**aws.training("job"))
    assert len(cloud.asked("CreateTrainingJob")) == 2
    assert client.list_training_jobs()["TrainingJobSummaries"] == []


def test_quotas_are_listed_in_pages_and_kept(aws, cloud):
    name = "ml.m5.large for training job usage"
    cloud.account.quotas[name] = 1
    quotas = aws.client("service-quotas")
    pages = quotas.get_paginator("list_service_quotas").paginate(
        ServiceCode="sagemaker", PaginationConfig={"PageSize": 4}
    )
    found = {quota["QuotaName"]: quota for page in pages for quota in page["Quotas"]}
    assert (found[name]["Value"], found[name]["QuotaCode"]) == (1.0, "L-611FA074")
    assert quotas.get_service_quota(ServiceCode="sagemaker", QuotaCode="L-611FA074")["Quota"]["QuotaName"] == name
    client = aws.client("sagemaker")
    client.create_training_job(**aws.training("one", {"epochs": "500", "sleep": "0.1"}))
    with pytest.raises(ClientError, match="is 1 Instances, with current utilization of 1 Instances"):
        client.create_training_job(**aws.training("two"))
    client.create_training_job(**aws.training("spot", EnableManagedSpotTraining=True))  # has a quota of its own


def test_prices_are_found_by_their_attributes(aws):
    wanted = {"instanceName": "ml.g5.xlarge", "regionCode": "us-east-1", "component": "Hosting"}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
    found = aws.client("pricing").get_products(ServiceCode="AmazonSageMaker", Filters=filters)["PriceList"]
    (product,) = [json.loads(item) for item in found]
    (term,) = product["terms"]["OnDemand"].values()
    (dimension,) = term["priceDimensions"].values()
    assert float(dimension["pricePerUnit"]["USD"]) == 1.408
    filters[0]["Value"] = "ml.unknown"
    assert aws.client("pricing").get_products(ServiceCode="AmazonSageMaker", Filters=filters)["PriceList"] == []


def test_rights_are_simulated_from_the_policies(aws, cloud, unique):
    iam = aws.client("iam")
    arn = iam.create_role(RoleName=unique, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::mine/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def decisions(principal, *actions, resource="arn:aws:s3:::mine/a"):
        answer = iam.simulate_principal_policy(
            PolicySourceArn=principal, ActionNames=list(actions), ResourceArns=[resource]
        )
        return [item["EvalDecision"] for item in answer["EvaluationResults"]]

    assert decisions(arn, "s3:GetObject") == ["implicitDeny"]
    iam.put_role_policy(RoleName=unique, PolicyName="p", PolicyDocument=policy)
    assert decisions(arn, "s3:GetObject", "s3:PutObject") == ["allowed", "implicitDeny"]
    assert decisions(arn, "s3:GetObject", resource="arn:aws:s3:::other/a") == ["implicitDeny"]
    user = aws.client("sts").get_caller_identity()["Arn"]
    assert decisions(user, "sagemaker:CreateEndpoint") == ["allowed"]
    cloud.account.denied.add("sagemaker:Create*")
    assert decisions(user, "sagemaker:CreateEndpoint", "sagemaker:ListTags") == ["explicitDeny", "allowed"]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        decisions("arn:aws:iam::123456789012:role/nobody", "s3:GetObject")


def test_unknown_calls_are_refused_at_once(aws):
    with pytest.raises(ClientError, match="UnknownOperationException"):
        aws.client("sagemaker").list_hubs()


def test_the_guard_refuses_what_is_not_loopback(cloud, socket_guard):
    before = len(socket_guard.refused)
    with pytest.raises(OSError, match="socket guard refuses"):
        socket.getaddrinfo("sagemaker.us-east-1.amazonaws.com", 443)
    with socket.socket() as plain, pytest.raises(OSError, match="socket guard refuses"):
        plain.connect(("192.0.2.1", 443))
    with socket.create_connection(("127.0.0.1", int(cloud.url.rpartition(":")[2])), timeout=5):
        pass
    refused = socket_guard.refused[before:]
    del socket_guard.refused[before:]
    assert refused == ["sagemaker.us-east-1.amazonaws.com", "192.0.2.1"]
