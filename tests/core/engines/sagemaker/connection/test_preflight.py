"""What is checked before anything is billed."""

from __future__ import annotations

import dataclasses

import pytest

from core.cloud.account import Verdict
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.connect import create_bucket, trust_policy
from core.engines.sagemaker.connection.preflight import preflight
from core.engines.sagemaker.connection.workspace import Workspace
from core.jobs.specs import CloudResources
from tests.cloud.faults import access_denied

QUOTA = "Quota “ml.m5.xlarge for training job usage”"


@pytest.fixture
def workspace(cloud, aws, bucket):
    cloud.forget()
    iam = aws.client("iam")
    if "Preflight" not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName="Preflight", AssumeRolePolicyDocument=trust_policy(aws.account))
        lambdas = trust_policy(aws.account).replace("sagemaker.", "lambda.")
        iam.create_role(RoleName="OfLambda", AssumeRolePolicyDocument=lambdas)
    return Workspace(bucket, "Preflight")


def checked(aws, workspace, *arguments, **more):
    return {check.name: check for check in preflight(aws, workspace, *arguments, **more)}


def test_a_good_account_passes_and_what_cannot_be_asked_is_said(aws, workspace):
    found = checked(aws, workspace, parallel=2, endpoint_type="ml.m5.large")
    verdicts = {name: check.verdict for name, check in found.items()}
    assert verdicts.pop("AWS Debugger") is Verdict.UNKNOWN
    assert set(verdicts.values()) == {Verdict.PASS}, found
    assert len(verdicts) == 9
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=workspace.bucket), "the probe is taken away again"


@pytest.mark.parametrize(
    ("change", "name", "says"),
    [
        ({"role": "OfLambda"}, "Execution role", "may not take on"),
        ({"role": "Nobody"}, "Execution role", "Nobody could not be read"),
        ({"role": ""}, "Execution role", "No execution role"),
        ({"bucket": ""}, "Bucket", "No bucket"),
        ({"bucket": "not-there-at-all"}, "Bucket", "no such bucket"),
        ({"image": "1".zfill(12) + ".dkr.ecr.eu-west-1.amazonaws.com/x:1"}, "Container image", "is in eu-west-1"),
    ],
)
def test_what_is_wrong_fails_with_a_way_out(aws, workspace, change, name, says):
    check = checked(aws, dataclasses.replace(workspace, **change))[name]
    assert check.verdict is Verdict.FAIL
    assert says in check.text
    assert check.fix


def test_a_bucket_of_another_region_fails(aws, workspace):
    create_bucket(Aws(region="eu-west-1"), "far-away-bucket")
    check = checked(aws, Workspace("far-away-bucket", "Preflight"))["Bucket"]
    assert check.verdict is Verdict.FAIL
    assert "is in eu-west-1" in check.text


def test_quotas_are_compared_with_what_is_asked(aws, workspace, cloud):
    cloud.account.quotas["ml.m5.xlarge for training job usage"] = 0
    cloud.account.quotas["ml.m5.xlarge for spot training job usage"] = 3
    none = checked(aws, workspace)[QUOTA]
    assert none.verdict is Verdict.FAIL
    assert "servicequotas" in none.fix
    spot = "Quota “ml.m5.xlarge for spot training job usage”"
    assert checked(aws, workspace, CloudResources(spot=True), 3)[spot].verdict is Verdict.PASS
    few = checked(aws, workspace, CloudResources(spot=True), 4)[spot]
    assert few.verdict is Verdict.FAIL
    assert "at most 3 at once" in few.fix
    rare = checked(aws, workspace, CloudResources("ml.p99.xlarge"))
    assert rare["Quota “ml.p99.xlarge for training job usage”"].verdict is Verdict.UNKNOWN
    large = "ml.c5.2xlarge for training job usage"
    cloud.account.quotas[large] = 3
    machines = {n: CloudResources(feature_machines=n, feature_instance_type="ml.c5.2xlarge") for n in (3, 4)}
    features = {n: checked(aws, workspace, wanted)[f"Quota “{large}”"] for n, wanted in machines.items()}
    assert [features[n].verdict for n in (3, 4)] == [Verdict.PASS, Verdict.FAIL]


def test_an_endpoint_needs_nothing_of_a_jobs_quota(aws, workspace, cloud):
    cloud.account.quotas["ml.m5.large for endpoint usage"] = 0
    found = checked(aws, workspace, endpoint_type="ml.m5.large", jobs=False)
    assert found["Quota “ml.m5.large for endpoint usage”"].verdict is Verdict.FAIL
    assert not {QUOTA, "Container image", "AWS Debugger"} & set(found)


def test_keys_are_looked_at(aws, workspace):
    kms = aws.client("kms")
    good = kms.create_key()["KeyMetadata"]["KeyId"]
    off = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=off)
    found = checked(
        aws, dataclasses.replace(workspace, kms_key=good), CloudResources(volume_kms_key=off, output_kms_key="no")
    )
    assert [found[f"Key {key}"].verdict for key in (good, off, "no")] == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
    assert "Disabled" in found[f"Key {off}"].text
    assert "no such key in us-east-1" in found["Key no"].text


def test_missing_rights_are_named(aws, workspace, cloud):
    cloud.account.denied |= {"iam:PassRole", "sagemaker:CreateHyper*"}
    found = checked(aws, workspace)
    assert found["Right to pass the role"].verdict is Verdict.FAIL
    assert "sagemaker:CreateHyperParameterTuningJob" in found["Rights of your user"].text
    assert "sagemaker:CreateTrainingJob" not in found["Rights of your user"].text


def test_a_check_that_is_not_allowed_is_unknown_and_not_failed(aws, workspace, cloud):
    for operation in ("iam:SimulatePrincipalPolicy", "servicequotas:ListServiceQuotas"):
        cloud.faults.add(operation, access_denied(operation), times=10)
    found = checked(aws, workspace)
    for name in ("Right to pass the role", "Rights of your user", "Quota for jobs"):
        assert found[name].verdict is Verdict.UNKNOWN, found[name]
        assert "could not be checked" in found[name].text


def test_a_bucket_that_cannot_be_written_fails(aws, workspace, cloud):
    cloud.faults.add("s3:PutObject", access_denied("s3:PutObject"), times=10)
    assert checked(aws, workspace)["Right to write to the bucket"].verdict is Verdict.FAIL


def test_without_credentials_nothing_more_is_asked(aws, workspace, cloud):
    cloud.faults.expire()
    found = checked(aws, workspace)
    cloud.faults.renew()
    assert list(found) == ["Identity"]
    assert found["Identity"].verdict is Verdict.FAIL
    assert "aws sso login" in found["Identity"].fix
