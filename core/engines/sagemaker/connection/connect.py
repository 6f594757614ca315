"""Connecting: profiles, who one is, the bucket, the execution role, and the least-privilege policies to copy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from core.cloud.account import Bucket, Identity, Role
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failures import code_of, explain, translated
from core.translation import tr

SERVICE = "sagemaker.amazonaws.com"


def profiles() -> list[str]:
    """Return the names of the profiles configured on this computer."""
    import boto3

    with translated(tr("The AWS configuration cannot be read.")):
        return sorted(boto3.Session().available_profiles)


def identity(aws: Aws) -> Identity:
    """Return who the credentials belong to.

    Raises:
        EngineError: there are none, or AWS does not take them.
    """
    with translated(tr("AWS could not be asked who you are."), aws.profile):
        answer = aws.client("sts").get_caller_identity()
    return Identity(str(answer["Account"]), str(answer["Arn"]), aws.region, aws.profile)


def buckets(aws: Aws) -> list[Bucket]:
    """Return the buckets of the account that are in the region in use."""
    client = aws.client("s3")
    with translated(tr("The buckets could not be listed."), aws.profile):
        names = [item["Name"] for item in client.list_buckets().get("Buckets", ())]
        found = [Bucket(name, bucket_region(aws, name)) for name in names]
    return [bucket for bucket in found if bucket.region == aws.region]


def bucket_region(aws: Aws, name: str) -> str:
    """Return the region a bucket is in; "" where that may not be asked.

    Raises:
        EngineError: there is no such bucket.
    """
    from botocore.exceptions import ClientError

    try:
        answer = aws.client("s3").head_bucket(Bucket=name)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
    except ClientError as error:
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if code_of(error) in ("404", "NoSuchBucket"):
            raise explain("NoSuchBucket", "", tr("The bucket {name} cannot be used.").format(name=name)) from error
    region = headers.get("x-amz-bucket-region")
    if region:
        return str(region)
    try:
        # us-east-1 has no constraint, and EU is its old name of eu-west-1.
        constraint = aws.client("s3").get_bucket_location(Bucket=name).get("LocationConstraint") or "us-east-1"
    except ClientError:
        return ""
    return "eu-west-1" if constraint == "EU" else str(constraint)


def suggested_bucket(account: str, region: str) -> str:
    """Return the name of the bucket that Sagehound would create."""
    return f"sagehound-{region}-{account}"


def create_bucket(aws: Aws, name: str) -> Bucket:
    """Create a bucket in the region in use: private, encrypted, all public access blocked. Idempotent for one's own.

    Raises:
        EngineError: the name is taken by someone else, or the right is missing.
    """
    client = aws.client("s3")
    place: dict[str, Any] = {}
    if aws.region != "us-east-1":  # the one region that must not be named
        place["CreateBucketConfiguration"] = {"LocationConstraint": aws.region}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": True}
    blocked = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    with translated(tr("The bucket {name} could not be created.").format(name=name), aws.profile):
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=name, **place)
        client.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))
        client.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return Bucket(name, aws.region)


def execution_roles(aws: Aws) -> list[Role]:
    """Return the roles that SageMaker may take on, by name."""
    with translated(tr("The roles could not be listed."), aws.profile):
        pages = aws.client("iam").get_paginator("list_roles").paginate()
        found = [_role(item) for page in pages for item in page["Roles"]]
    return sorted((role for role in found if role.trusted), key=lambda role: role.name.lower())


def role(aws: Aws, name_or_arn: str) -> Role:
    """Return one role by name or ARN."""
    with translated(tr("The role {name_or_arn} could not be read.").format(name_or_arn=name_or_arn), aws.profile):
        return _role(aws.client("iam").get_role(RoleName=name_or_arn.rsplit("/", 1)[-1])["Role"])


def role_arn(aws: Aws, name_or_arn: str) -> str:
    """Return the ARN of a role that was given by its ARN or its name."""
    return name_or_arn if name_or_arn.startswith("arn:") else role(aws, name_or_arn).arn


def trusts_sagemaker(policy: Mapping[str, Any] | str) -> bool:
    """Whether a trust policy (a document, or its JSON, URL-encoded or not) lets SageMaker take on the role."""
    document = json.loads(unquote(policy)) if isinstance(policy, str) else policy
    for statement in _list(document.get("Statement", ())):
        principal = statement.get("Principal", {})
        services = ["*"] if principal == "*" else _list(principal.get("Service", ()))
        actions = _list(statement.get("Action", ()))
        if statement.get("Effect") == "Allow" and SERVICE in services and {"sts:AssumeRole", "sts:*"} & set(actions):
            return True
    return False


def user_policy(account: str, bucket: str, role_arn: str, kms_key: str = "") -> str:
    """Return the least-privilege policy of who uses Sagehound, as JSON to copy; `kms_key`: with the use of that key."""
    sagemaker = [f"sagemaker:{action}" for action in _SAGEMAKER_ACTIONS]
    other = [*_READS, "s3:ListAllMyBuckets", "sts:GetCallerIdentity", "pricing:GetProducts"]
    return _policy(
        {"Effect": "Allow", "Action": sagemaker, "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": role_arn or f"arn:aws:iam::{account}:role/SagehoundExecution",
            "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
        },
        {"Effect": "Allow", "Action": list(_BUCKET_ACTIONS), "Resource": _bucket_arns(bucket)},
        {"Effect": "Allow", "Action": other, "Resource": "*"},
        *_key_statements(account, kms_key),
    )


def role_policy(account: str, bucket: str, kms_key: str = "", vpc: bool = False) -> str:
    """Return the least-privilege policy of the execution role, as JSON to copy; `vpc`: for jobs in a VPC."""
    logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    images = ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability"]
    return _policy(
        {"Effect": "Allow", "Action": list(_BUCKET_ACTIONS), "Resource": _bucket_arns(bucket)},
        {"Effect": "Allow", "Action": logs, "Resource": f"arn:aws:logs:*:{account}:log-group:/aws/sagemaker/*"},
        {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", *images], "Resource": "*"},
        {"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*"},
        *_key_statements(account, kms_key),
        *([{"Effect": "Allow", "Action": list(_VPC_ACTIONS), "Resource": "*"}] if vpc else []),
    )


def trust_policy(account: str) -> str:
    """Return the trust policy of the execution role, as JSON to copy."""
    return _policy(
        {
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


_JOBS = ("TrainingJob", "HyperParameterTuningJob", "Model", "EndpointConfig", "Endpoint")
_SAGEMAKER_ACTIONS = (
    *(f"{verb}{kind}" for kind in _JOBS for verb in ("Create", "Describe", "Delete")),
    *(f"List{kind}s" for kind in _JOBS),
    *("ListTrainingJobsForHyperParameterTuningJob", "StopTrainingJob", "StopHyperParameterTuningJob"),
    *("InvokeEndpoint", "UpdateEndpoint", "AddTags", "ListTags"),
)
_BUCKET_ACTIONS = ("s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
# What a disk is encrypted with is handed on by a grant.
_KEY_ACTIONS = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant")
_VPC_ACTIONS = (
    *(f"ec2:{verb}NetworkInterface{what}" for verb in ("Create", "Delete") for what in ("", "Permission")),
    *(f"ec2:Describe{what}" for what in ("NetworkInterfaces", "Vpcs", "DhcpOptions", "Subnets", "SecurityGroups")),
)
_READS = (
    *("logs:DescribeLogStreams", "logs:GetLogEvents", "servicequotas:ListServiceQuotas"),
    *("iam:ListRoles", "iam:GetRole", "iam:SimulatePrincipalPolicy"),
)


def _role(item: Mapping[str, Any]) -> Role:
    policy = item.get("AssumeRolePolicyDocument") or {}
    return Role(str(item["RoleName"]), str(item["Arn"]), trusts_sagemaker(policy))


def _key_statements(account: str, kms_key: str) -> list[dict[str, Any]]:
    """Return what lets a key be used. One named by an alias is any key that has the alias: a policy knows no other."""
    if not kms_key:
        return []
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(_KEY_ACTIONS)}
    alias = kms_key[kms_key.index("alias/") :] if "alias/" in kms_key else ""
    if alias:
        statement["Condition"] = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
    arn = kms_key if kms_key.startswith("arn:") and not alias else ""
    return [statement | {"Resource": arn or f"arn:aws:kms:*:{account}:key/{'*' if alias else kms_key}"}]


def _policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=2)


def _bucket_arns(bucket: str) -> Sequence[str]:
    return [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
