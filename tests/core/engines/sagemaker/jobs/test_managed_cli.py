"""AWS's managed Debugger by command line: attached, refused, started without, checked, reset, its report saved."""

from __future__ import annotations

import json

import pytest

from core.cli.main import run
from core.engines.sagemaker.connection.connect import trust_policy
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.jobs.training_source import Source
from core.engines.sagemaker.timing import Timing
from tests.cloud.rule_jobs import CLOSED, wants_managed


@pytest.fixture
def sagehound(cloud, aws, bucket, tmp_path, monkeypatch, capsys):
    """Runs a command on the stand-in; returns its JSON and what it said."""
    cloud.forget()
    if "Cli" not in {role["RoleName"] for role in aws.client("iam").list_roles()["Roles"]}:
        aws.client("iam").create_role(RoleName="Cli", AssumeRolePolicyDocument=trust_policy(aws.account))
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    source = Source({"mini.py": b"print('Average loss: 0.5')"}, program="mini.py", features="")
    monkeypatch.setattr(SageMakerEngine.__init__, "__defaults__", (source, Timing(0.1, 0.3), None))

    def command(*arguments, status=0):
        capsys.readouterr()
        assert run([*map(str, arguments), "--json"]) == status, capsys.readouterr().err
        said = capsys.readouterr()
        return (json.loads(said.out) if said.out else None), said.err

    yield command
    cloud.forget()


def test_refused_then_without_then_reset_and_attached(sagehound, cloud, bucket, pictures, tmp_path):
    connection = ("--engine", "sagemaker", "--bucket", bucket, "--role", "Cli")
    train = ("train", pictures, *connection, "--weights", "none")
    cloud.faults.add("CreateTrainingJob", CLOSED, when=wants_managed)
    _, said = sagehound(*train, "--name", "refused", "--aws-debugger", status=1)
    assert "no longer open to new customers" in said
    assert "--without-if-refused does that by itself" in said
    rest = ("--aws-debugger", "--without-if-refused", "--detach")
    job, said = sagehound(*train, "--name", "without", *rest)
    assert job["name"] == "without"
    assert "without is started without it." in said
    checks, _ = sagehound("preflight")
    (check,) = [check for check in checks if check["name"] == "AWS Debugger"]
    assert check["verdict"] == "warn"
    assert "--reset-aws-debugger" in check["fix"]
    cloud.account.quotas["Number of instances across all processing jobs"] = 3
    checks, _ = sagehound("preflight", "--aws-debugger", "--reset-aws-debugger", status=1)
    found = {check["name"]: check["verdict"] for check in checks}
    assert found["AWS Debugger"] == "unknown"
    assert found["Quota “Number of instances across all processing jobs”"] == "fail"  # three rules and the report

    asked = ("--aws-debugger", "--aws-rule", "VanishingGradient:threshold=1e-6", "--detach")
    sagehound(*train, "--name", "attached", *asked)
    (request,) = [item for item in cloud.asked("CreateTrainingJob") if item["TrainingJobName"] == "attached"]
    assert [item["RuleConfigurationName"] for item in request["DebugRuleConfigurations"]] == ["VanishingGradient"]
    cloud.training.get("attached").thread.join(60)
    outcomes, _ = sagehound("rules", "attached")
    said = {item["name"]: item["status"] for item in outcomes if item["name"].endswith("(AWS)")}
    assert said["VanishingGradient (AWS)"] == said["ProfilerReport (AWS)"] == "NoIssuesFound"
    saved, _ = sagehound("report", "attached", "--aws", "-o", tmp_path / "aws.html")
    assert "SageMaker Debugger Profiling Report" in (tmp_path / "aws.html").read_text(encoding="utf-8")
    place = f"s3://{bucket}/sagehound/jobs/attached"
    sagehound("report", place, "--aws", "-o", tmp_path / "s3.html")
    assert (tmp_path / "s3.html").read_bytes() == (tmp_path / "aws.html").read_bytes()
    assert saved["path"].endswith("aws.html")
    _, said = sagehound("report", f"s3://{bucket}/sagehound/nothing", "--aws", "-o", tmp_path / "no.html", status=1)
    assert "no report of AWS's" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--aws-debugger",), "runs on AWS only"),
        (("--aws-rule", "Overfit"), "need --aws-debugger"),
        (("--engine", "sagemaker", "--aws-debugger", "--aws-rule", "Overfitting"), "AWS's rules are AllZero"),
        (("--engine", "sagemaker", "--aws-debugger", "--no-debugger"), "wait for tensors in vain"),
    ],
)
def test_wrong_use_is_said_before_anything_is_read(sagehound, capsys, arguments, said, pictures):
    assert run(["train", str(pictures), *arguments]) in (1, 2)
    assert said in capsys.readouterr().err
