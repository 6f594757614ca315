"""The stand-in's managed Debugger: what it takes and refuses, and what lies in S3 afterwards."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

IMAGE = "503895931360.dkr.ecr.us-east-1.amazonaws.com/sagemaker-debugger-rules:latest"


def rule(**changes):
    parameters = {"rule_to_invoke": "VanishingGradient"}
    asked = {"RuleConfigurationName": "V", "RuleEvaluatorImage": IMAGE, "RuleParameters": parameters, **changes}
    return {"DebugRuleConfigurations": [asked]}


def test_tensors_are_copied_and_rules_end_after_the_job(aws, ended, until, cloud):
    client, output = aws.client("sagemaker"), f"s3://{aws.bucket}/{aws.prefix}/out"
    hook = {"S3OutputPath": output, "LocalPath": "/opt/ml/checkpoints"}
    checkpoints = {"S3Uri": f"s3://{aws.bucket}/{aws.prefix}/state/"}
    cloud.training.rules.verdicts = {"V": ("IssuesFound", "met")}
    cloud.training.rules.go_on.clear()
    client.create_training_job(**aws.training("one", DebugHookConfig=hook, CheckpointConfig=checkpoints, **rule()))
    (status,) = ended("one")["DebugRuleEvaluationStatuses"]
    assert status["RuleEvaluationStatus"] == "InProgress"
    assert aws.get(f"{aws.prefix}/out/{aws.prefix}-one/debug-output/epoch") == b"3"
    cloud.training.rules.go_on.set()
    done = until(lambda: ended("one")["DebugRuleEvaluationStatuses"][0], lambda it: "StatusDetails" in it)
    assert (done["RuleEvaluationStatus"], done["StatusDetails"]) == ("IssuesFound", "met")


@pytest.mark.parametrize(
    "changes", [{"RuleEvaluatorImage": IMAGE.replace("us-east-1", "eu-west-1")}, {"RuleParameters": {}}]
)
def test_what_aws_would_not_run_is_refused(aws, changes):
    with pytest.raises(ClientError, match=r"Invalid RuleEvaluatorImage|rule_to_invoke"):
        aws.client("sagemaker").create_training_job(**aws.training("two", **rule(**changes)))
