"""Connecting to the stand-in account: identity, bucket, roles, policies."""

from __future__ import annotations

import json
import socket
import time

import pytest

from core.engines.sagemaker.connection import connect
from core.engines.sagemaker.connection.aws import Aws
from core.errors import EngineError

TRUST = connect.trust_policy("123456789012")
LAMBDA = TRUST.replace("sagemaker.amazonaws.com", "lambda.amazonaws.com")


def test_the_identity_is_that_of_the_credentials(aws):
    found = connect.identity(aws)
    assert found.account == "123456789012"
    assert found.arn.startswith("arn:aws:")
    assert (found.region, aws.account) == ("us-east-1", "123456789012")


def test_a_proxy_that_does_not_answer_is_found_out_soon(cloud, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        began = time.monotonic()
        with pytest.raises(EngineError, match="Check the network, the proxy"):
            connect.identity(Aws(region="eu-west-1"))
        assert time.monotonic() - began < 30  # 100 s with as many attempts as other calls have
        patience = Aws(region="eu-west-1").client("sts").meta.config
        assert patience.read_timeout * patience.retries["total_max_attempts"] <= 20, (
            "one that connects and says nothing"
        )


def test_a_created_bucket_is_private_and_encrypted(aws):
    name = connect.suggested_bucket(aws.account, aws.region)
    assert connect.create_bucket(aws, name) == connect.Bucket(name, "us-east-1")
    assert connect.create_bucket(aws, name).name == name  # again: it is one's own
    s3 = aws.client("s3")
    blocked = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert blocked == dict.fromkeys(blocked, True)
    assert len(blocked) == 4
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_only_buckets_of_the_region_are_offered(aws):
    connect.create_bucket(aws, "of-this-region")
    far = Aws(region="eu-west-1")
    connect.create_bucket(far, "of-another-region")
    names = {bucket.name for bucket in connect.buckets(aws)}
    assert "of-this-region" in names
    assert "of-another-region" not in names
    assert "of-another-region" in {bucket.name for bucket in connect.buckets(far)}


def test_only_roles_that_trust_sagemaker_are_offered(aws):
    iam = aws.client("iam")
    iam.create_role(RoleName="Execution", AssumeRolePolicyDocument=TRUST)
    iam.create_role(RoleName="Function", AssumeRolePolicyDocument=LAMBDA)
    names = [role.name for role in connect.execution_roles(aws)]
    assert "Execution" in names
    assert "Function" not in names
    assert connect.role_arn(aws, "Execution") == "arn:aws:iam::123456789012:role/Execution"
    assert connect.role_arn(aws, "arn:aws:iam::1:role/x") == "arn:aws:iam::1:role/x"
    assert not connect.role(aws, "Function").trusted


@pytest.mark.parametrize(
    ("statement", "trusted"),
    [
        ({"Effect": "Allow", "Principal": {"Service": ["a", connect.SERVICE]}, "Action": ["sts:AssumeRole"]}, True),
        ({"Effect": "Deny", "Principal": {"Service": connect.SERVICE}, "Action": "sts:AssumeRole"}, False),
        ({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sts:AssumeRole"}, False),
    ],
)
def test_trust_is_read_from_the_policy(statement, trusted):
    assert connect.trusts_sagemaker({"Statement": statement}) is trusted


def test_the_policies_name_account_bucket_and_role_and_nothing_wider():
    user = json.loads(connect.user_policy("1", "pictures", "arn:aws:iam::1:role/r"))
    by_action = {action: item for item in user["Statement"] for action in _actions(item)}
    assert by_action["iam:PassRole"]["Resource"] == "arn:aws:iam::1:role/r"
    assert by_action["s3:PutObject"]["Resource"] == ["arn:aws:s3:::pictures", "arn:aws:s3:::pictures/*"]
    assert "sagemaker:CreateHyperParameterTuningJob" in by_action
    role = json.loads(connect.role_policy("1", "pictures"))
    assert not any(
        "*" in action for document in (user, role) for item in document["Statement"] for action in _actions(item)
    )


def test_a_missing_profile_is_said():
    with pytest.raises(EngineError, match="no such AWS profile"):
        Aws("nobody-has-this", "us-east-1").client("sts")


def _actions(statement):
    found = statement["Action"]
    return [found] if isinstance(found, str) else found


def test_the_policies_name_the_key_and_what_a_vpc_needs():
    def key_statement(text):
        found = [item for item in json.loads(text)["Statement"] if "kms:Decrypt" in item["Action"]]
        return found[0] if found else None

    arn = "arn:aws:kms:eu-west-1:1:key/2"
    assert key_statement(connect.user_policy("1", "b", "r")) is None
    assert key_statement(connect.user_policy("1", "b", "r", arn))["Resource"] == arn
    assert key_statement(connect.role_policy("1", "b", "2"))["Resource"] == "arn:aws:kms:*:1:key/2"
    named = key_statement(connect.role_policy("1", "b", "alias/pets"))
    assert named["Resource"] == "arn:aws:kms:*:1:key/*"
    assert named["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/pets"}}
    assert "ec2:CreateNetworkInterfacePermission" in connect.role_policy("1", "b", vpc=True)
    assert "ec2:" not in connect.role_policy("1", "b")
