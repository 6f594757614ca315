"""What can be checked before anything is billed; what could not be checked is said so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from core.cloud.account import Check, Verdict
from core.cloud.managed import Answer
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.connect import bucket_region, identity, role, suggested_bucket
from core.engines.sagemaker.connection.eligibility import Eligibility
from core.engines.sagemaker.connection.failures import code_of, explain, message_of
from core.engines.sagemaker.connection.workspace import Workspace
from core.engines.sagemaker.jobs.images import training_image
from core.errors import UserFacingError
from core.jobs.specs import CloudResources
from core.translation import tr

_NEEDED = ("sagemaker:CreateTrainingJob", "sagemaker:CreateHyperParameterTuningJob")
_PROBE = ".sagehound-probe"
PROCESSING_QUOTA = "Number of instances across all processing jobs"
"""Each of AWS's rules runs on a machine of its own."""


def preflight(
    aws: Aws,
    workspace: Workspace,
    resources: CloudResources | None = None,
    parallel: int = 1,
    endpoint_type: str = "",
    eligibility: Eligibility | None = None,
    jobs: bool = True,
) -> Iterator[Check]:
    """Check identity, region, role, bucket, permissions, quotas and image, one after the other; never raises.

    Args:
        resources: what jobs will run on.
        parallel: how many jobs at once.
        endpoint_type: an instance type to be deployed on, if any.
        eligibility: what AWS said to jobs that asked for its Debugger, if that is known.
        jobs: whether training jobs are to run; False: only what an endpoint needs.
    """
    cloud = resources or CloudResources()
    who = _Who()
    yield _safely("Identity", lambda: _identity(aws, who))
    if not who.arn:
        return
    yield _safely(tr("Execution role"), lambda: _role(aws, workspace, who))
    yield _safely(tr("Right to pass the role"), lambda: _pass_role(aws, who))
    yield _safely(tr("Rights of your user"), lambda: _rights(aws, workspace, who))
    yield _safely("Bucket", lambda: _bucket(aws, workspace, who))
    yield _safely(tr("Right to write to the bucket"), lambda: _writable(aws, workspace))
    for key in dict.fromkeys((workspace.kms_key, cloud.output_kms_key, cloud.volume_kms_key)):
        if key:
            yield _safely(f"Key {key}", partial(_key, aws, key))
    use = "spot training job usage" if cloud.spot else "training job usage"
    wanted = parallel * cloud.instance_count
    if jobs:
        yield _safely(tr("Quota for jobs"), lambda: _quota(aws, f"{cloud.instance_type} for {use}", wanted))
        features = cloud.for_features
        if features.instance_count > 1 or features.instance_type != cloud.instance_type:
            quota = f"{features.instance_type} for {use}"
            yield _safely(tr("Quota for features"), lambda: _quota(aws, quota, features.instance_count))
    if endpoint_type:
        yield _safely(tr("Quota for endpoints"), lambda: _quota(aws, f"{endpoint_type} for endpoint usage", 1))
    if not jobs:
        return
    yield _safely(tr("Container image"), lambda: _image(aws, workspace, cloud))
    if cloud.managed is not None:
        rules = parallel * (len(cloud.managed.rules) + cloud.managed.report)
        yield _safely(tr("Quota for AWS's rules"), lambda: _quota(aws, PROCESSING_QUOTA, rules))
    yield _managed(eligibility.of(who.account) if eligibility is not None else None, cloud.managed is not None)


def _managed(answer: Answer | None, wanted: bool) -> Check:
    """Whether the account has AWS's Debugger: only a job that asks for it finds out."""
    name = "AWS Debugger"
    if answer is None:
        text = tr(
            "AWS closed it to new accounts on 2026-07-30 and has no way to ask; Sagehound's own rules do without it."
        )
        return Check(name, Verdict.UNKNOWN, text, tr("A job that asks for it finds out.") if wanted else "")
    if answer.taken:
        return Check(name, Verdict.PASS, answer.sentence)
    again = tr("“Ask AWS again” in the Tuning tab, or `sagehound preflight --reset-aws-debugger`")
    fix = tr("Start jobs without it, or let the next one ask again: {again}.").format(again=again)
    return Check(name, Verdict.FAIL if wanted else Verdict.WARN, answer.sentence, fix)


@dataclass(slots=True)
class _Who:
    account: str = ""
    arn: str = ""
    role_arn: str = ""


def _identity(aws: Aws, who: _Who) -> Check:
    found = identity(aws)
    who.account, who.arn = found.account, found.arn
    return Check("Identity", Verdict.PASS, f"{found.arn} in {found.region}.")


def _role(aws: Aws, workspace: Workspace, who: _Who) -> Check:
    name = tr("Execution role")
    if not workspace.role:
        return Check(
            name, Verdict.FAIL, tr("No execution role is chosen."), tr("Give --role; `--roles` lists those there are.")
        )
    who.role_arn = workspace.role if workspace.role.startswith("arn:") else ""
    try:
        found = role(aws, workspace.role)
    except UserFacingError as error:
        if not who.role_arn or "does not exist" in str(error):
            return Check(name, Verdict.FAIL, f"{error.what} {error.why}", error.fix)
        return Check(
            name,
            Verdict.UNKNOWN,
            tr("{role} could not be looked at. {why}").format(role=workspace.role, why=error.why),
            error.fix,
        )
    who.role_arn = found.arn
    if found.trusted:
        return Check(name, Verdict.PASS, tr("{name} trusts sagemaker.amazonaws.com.").format(name=found.name))
    fix = tr("Add sagemaker.amazonaws.com to its trust policy: see the policies to copy (`--policies`).")
    return Check(name, Verdict.FAIL, tr("SageMaker may not take on {name}.").format(name=found.name), fix)


def _pass_role(aws: Aws, who: _Who) -> Check:
    name = tr("Right to pass the role")
    if not who.role_arn:
        return Check(name, Verdict.UNKNOWN, tr("There is no role to check it with."))
    denied = _denied(aws, who.arn, ["iam:PassRole"], who.role_arn)
    if not denied:
        return Check(name, Verdict.PASS, tr("Your user may hand the role to SageMaker."))
    fix = tr("Add iam:PassRole on this role to your user: see the policies to copy (`--policies`).")
    return Check(
        name, Verdict.FAIL, tr("Your user may not hand {role_arn} to SageMaker.").format(role_arn=who.role_arn), fix
    )


def _rights(aws: Aws, workspace: Workspace, who: _Who) -> Check:
    name = tr("Rights of your user")
    denied = _denied(aws, who.arn, list(_NEEDED), "*")
    denied += _denied(aws, who.arn, ["s3:PutObject"], f"arn:aws:s3:::{workspace.bucket}/*") if workspace.bucket else []
    if not denied:
        return Check(name, Verdict.PASS, tr("Your user may create training and tuning jobs."))
    return Check(
        name,
        Verdict.FAIL,
        tr("Your user lacks {denied}.").format(denied=", ".join(denied)),
        tr("The policies to copy (`--policies`) name what is needed."),
    )


def _bucket(aws: Aws, workspace: Workspace, who: _Who) -> Check:
    if not workspace.bucket:
        suggestion = suggested_bucket(who.account, aws.region)
        fix = tr("Give --bucket; `--create-bucket {suggestion}` makes one.").format(suggestion=suggestion)
        return Check("Bucket", Verdict.FAIL, tr("No bucket is chosen."), fix)
    region = bucket_region(aws, workspace.bucket)
    if not region:
        return Check(
            "Bucket", Verdict.UNKNOWN, tr("The region of {bucket} may not be asked.").format(bucket=workspace.bucket)
        )
    if region != aws.region:
        fix = tr("Choose a bucket of {region}, or work in {region_2}.").format(region=aws.region, region_2=region)
        return Check(
            "Bucket", Verdict.FAIL, tr("{bucket} is in {region}.").format(bucket=workspace.bucket, region=region), fix
        )
    return Check("Bucket", Verdict.PASS, tr("{bucket} is in {region}.").format(bucket=workspace.bucket, region=region))


def _writable(aws: Aws, workspace: Workspace) -> Check:
    name = tr("Right to write to the bucket")
    if not workspace.bucket:
        return Check(name, Verdict.UNKNOWN, tr("There is no bucket to check it with."))
    from botocore.exceptions import ClientError

    client, key = aws.client("s3"), workspace.key(_PROBE)
    client.put_object(Bucket=workspace.bucket, Key=key, Body=b"", **workspace.encryption)
    try:
        client.get_object(Bucket=workspace.bucket, Key=key)["Body"].read()
    finally:
        with suppress(ClientError):  # without the right to delete the empty object stays; nothing else needs that right
            client.delete_object(Bucket=workspace.bucket, Key=key)
    return Check(
        name,
        Verdict.PASS,
        tr("{place} can be written and read.").format(place=workspace.uri()),
    )


def _key(aws: Aws, key: str) -> Check:
    name = f"Key {key}"
    try:
        found = aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]
    except Exception as error:
        if code_of(error) != "NotFoundException":
            raise
        return Check(
            name,
            Verdict.FAIL,
            tr("There is no such key in {region}.").format(region=aws.region),
            tr("Name a KMS key of this region."),
        )
    if found["KeyState"] != "Enabled":
        return Check(
            name,
            Verdict.FAIL,
            tr("Its state is {KeyState}.").format(KeyState=found["KeyState"]),
            tr("Enable it, or name another key."),
        )
    if found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        return Check(
            name, Verdict.FAIL, tr("It is not a symmetric key."), tr("S3 and SageMaker encrypt with symmetric keys.")
        )
    return Check(name, Verdict.PASS, tr("It is there and enabled."))


def _quota(aws: Aws, quota: str, wanted: int) -> Check:
    name = f"Quota “{quota}”"
    pages = aws.client("service-quotas").get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    for page in pages:
        for item in page["Quotas"]:
            if item["QuotaName"].lower() == quota.lower():
                return _quota_check(name, aws.region, item, wanted)
    return Check(name, Verdict.UNKNOWN, tr("Service Quotas does not name it for this account."))


def _quota_check(name: str, region: str, item: Any, wanted: int) -> Check:
    allowed, code = int(item["Value"]), item.get("QuotaCode", "")
    if allowed >= wanted:
        return Check(
            name,
            Verdict.PASS,
            tr("{allowed}, and {wanted} at once are asked for.").format(allowed=allowed, wanted=wanted),
        )
    page = f"https://{region}.console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas/{code}"
    fix = (
        tr("Choose another instance type, run at most {allowed} at once, or ask for more: {page}")
        if allowed
        else tr("Choose another instance type, or ask for more: {page}")
    ).format(allowed=allowed, page=page)
    return Check(
        name,
        Verdict.FAIL,
        tr("It is {allowed}, and {wanted} at once are asked for.").format(allowed=allowed, wanted=wanted),
        fix,
    )


def _image(aws: Aws, workspace: Workspace, cloud: CloudResources) -> Check:
    if workspace.image:
        found = re.fullmatch(r"\d{12}\.dkr\.ecr\.([\w-]+)\.amazonaws\.com(?:\.cn)?/.+", workspace.image)
        if found and found[1] != aws.region:
            fix = tr("Use the image of the job's region.")
            return Check(
                tr("Container image"),
                Verdict.FAIL,
                tr("{image} is in {found}.").format(image=workspace.image, found=found[1]),
                fix,
            )
        return Check(
            tr("Container image"),
            Verdict.UNKNOWN,
            tr("{image} is your own; it is not looked into.").format(image=workspace.image),
        )
    return Check(tr("Container image"), Verdict.PASS, f"{training_image(aws.region, cloud.instance_type)}.")


def _denied(aws: Aws, arn: str, actions: list[str], resource: str) -> list[str]:
    """Return which of the actions IAM's simulator denies to a user or role."""
    context = [
        {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyValues": ["sagemaker.amazonaws.com"],
            "ContextKeyType": "string",
        }
    ]
    answer = aws.client("iam").simulate_principal_policy(
        PolicySourceArn=_principal(arn), ActionNames=actions, ResourceArns=[resource], ContextEntries=context
    )
    return [item["EvalActionName"] for item in answer["EvaluationResults"] if item["EvalDecision"] != "allowed"]


def _principal(arn: str) -> str:
    """Return the role behind an assumed role's session, which the simulator wants; others as they are."""
    found = re.fullmatch(r"arn:(aws[\w-]*):sts::(\d+):assumed-role/([^/]+)/.+", arn)
    return f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}" if found else arn


def _safely(name: str, check: Callable[[], Check]) -> Check:
    """Return a check's outcome; one that AWS does not let us do is unknown, not failed."""
    try:
        return check()
    except UserFacingError as error:
        failed = name in ("Identity", "Bucket", "Container image")
        return Check(name, Verdict.FAIL if failed else Verdict.UNKNOWN, f"{error.what} {error.why}".strip(), error.fix)
    except Exception as error:
        if not type(error).__module__.startswith("botocore") and not hasattr(error, "response"):
            raise
        said = explain(code_of(error), message_of(error), "")
        fatal = name in ("Identity", "Bucket", "Right to write to the bucket")
        return Check(
            name,
            Verdict.FAIL if fatal else Verdict.UNKNOWN,
            tr("It could not be checked. {why}").format(why=said.why).strip(),
            said.fix,
        )
