"""The same by command line: preflight, upload, tune, watch, evaluate, deploy, ask, delete."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from core.cli.main import run
from core.engines.sagemaker.connection.connect import trust_policy
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.timing import Timing
from core.paths import ROOT
from tests.cloud.faults import LOST_CONNECTION, SLOW, access_denied, quota_zero


@pytest.fixture
def account(cloud, aws, bucket, tmp_path, monkeypatch):
    """A bucket and a role, and a private home."""
    cloud.forget()
    iam = aws.client("iam")
    if "Cli" not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName="Cli", AssumeRolePolicyDocument=trust_policy(aws.account))
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    # The stand-in answers at once; in real life five seconds and ten are polite.
    monkeypatch.setattr(SageMakerEngine.__init__, "__defaults__", (None, Timing(0.2, 0.3), None))
    yield bucket
    cloud.forget()


@pytest.fixture
def sagehound(capsys):
    def command(*arguments, status=0):
        capsys.readouterr()
        assert run([*map(str, arguments), "--json"]) == status, capsys.readouterr().err
        said = capsys.readouterr()
        return (json.loads(said.out) if said.out else None), said.err

    return command


@pytest.mark.long
def test_the_whole_way(account, sagehound, pictures, cloud):
    connection = ("--bucket", account, "--role", "Cli")
    sagehound("preflight", "--bucket", "nobody-has-this-one", "--role", "Cli", status=1)
    sagehound("preflight", status=1)  # what did not work is not remembered
    checks, _ = sagehound("preflight", *connection)
    assert sagehound("preflight")[0] == checks, "what has worked is used again"
    assert {check["verdict"] for check in checks} == {"pass", "unknown"}
    policies, _ = sagehound("preflight", "--policies", *connection)
    assert account in json.dumps(policies["user"])
    assert [role["name"] for role in sagehound("preflight", "--roles")[0] if role["name"] == "Cli"] == ["Cli"]

    job, said = sagehound(
        *("tune", pictures, "--engine", "sagemaker", *connection, "--name", "search", "--max-jobs", 2, "--no-debugger"),
        *("--static", "num_epochs=3", "--range", "learning_rate=continuous:1e-3:1e-1:log", "--strategy", "random"),
    )
    assert (job["status"], job["engine"], len(job["trials"])) == ("Completed", "sagemaker", 2)
    assert "$0.23 per instance and hour (AWS's price list)" in said
    assert "Features once" in said
    assert "Billed:" in said
    shown, _ = sagehound("show", "search")
    assert shown["differences"] == []
    assert shown["cost"]["final"]
    trials = [sagehound("show", trial["name"])[0]["cost"]["billable_seconds"] for trial in job["trials"]]
    assert shown["cost"]["billable_seconds"] > sum(trials)  # the features were computed as well

    # From here on the place is known.
    assert [item["name"] for item in sagehound("jobs")[0]] == ["search"]
    assert sagehound("evaluate", "best")[0]["accuracy"] == 1.0
    assert any("Average loss" in line for line in sagehound("logs", "best")[0]["lines"])

    endpoint, said = sagehound("deploy", "best", "--name", "live", "--lifetime", 1)
    assert (endpoint["status"], endpoint["instance_type"]) == ("InService", "serverless")
    assert "Rehearsed with" in said
    picture = pictures / "test" / "red" / "0.png"
    answer, said = sagehound("classify", picture, "--model", "live")
    assert (answer["label"], answer["model"]) == ("red", "live")
    assert sagehound("classify", picture, "--model", "search")[0]["label"] == "red"
    assert [item["name"] for item in sagehound("endpoints")[0]] == ["live"]
    assert sagehound("undeploy", "live")[0] == {"name": "live", "deleted": True}
    assert sagehound("endpoints", "--delete-expired")[0] == []
    sagehound("undeploy", "live", status=1)
    assert sagehound("adopt")[0][0]["known"] in (True, False)


def test_upload_says_what_it_did_and_survives_a_lost_connection(account, sagehound, pictures, cloud):
    cloud.faults.add("s3:PutObject", LOST_CONNECTION, times=2, after=5)
    first, _ = sagehound("upload", pictures, f"s3://{account}/somewhere")
    assert (first["files"], first["sent"]) == (32, 32)
    again, _ = sagehound("upload", pictures, f"s3://{account}/somewhere")
    assert (again["sent"], again["kept"]) == (0, 32)
    sagehound("upload", pictures, "somewhere", status=2)


def test_what_ends_a_search_and_what_encrypts_it_reach_aws(account, sagehound, pictures, cloud, aws):
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    sagehound(
        *("tune", pictures, "--engine", "sagemaker", "--bucket", account, "--role", "Cli", "--mode", "fine_tune"),
        *("--name", "search", "--max-jobs", 1, "--no-debugger", "--detach", "--instance-count", 2, "--kms-key", key),
        *("--encrypt-traffic", "--spot", "--max-wait", 90_000, "--target", 0.0, "--patience", 3, "--until-converged"),
        *("--max-search-time", 600, "--tag", "team=pets"),
    )
    (request,) = cloud.asked("CreateHyperParameterTuningJob")
    config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    assert set(config["TuningJobCompletionCriteria"]) == {
        *("TargetObjectiveMetricValue", "BestObjectiveNotImproving", "ConvergenceDetected")
    }
    assert config["ResourceLimits"]["MaxRuntimeInSeconds"] == 600
    assert definition["ResourceConfig"]["InstanceCount"] == 2
    assert definition["ResourceConfig"]["VolumeKmsKeyId"] == definition["OutputDataConfig"]["KmsKeyId"] == key
    assert definition["EnableInterContainerTrafficEncryption"] is True
    assert definition["StoppingCondition"]["MaxWaitTimeInSeconds"] == 90_000
    shown, _ = sagehound("show", "search")
    assert (shown["differences"], shown["cost"]["final"]) == ([], False)
    arguments = ("train", pictures, "--engine", "sagemaker", "--instance-count", 2)
    assert "trains on one instance" in sagehound(*arguments, status=1)[1]
    assert "wait is for spot machines alone" in sagehound(*arguments, "--max-wait", 5, status=1)[1]
    assert "A VPC needs both" in sagehound(*arguments, "--subnet", "subnet-1", status=1)[1]


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_upload_that_ends_midway_goes_on_with_the_same_command(account, sagehound, pictures, cloud, aws, ending):
    """Ctrl-C, and a crash; S3 is slow meanwhile, so that it is midway."""
    cloud.faults.add("s3:PutObject", SLOW, times=1000)
    # A shell's background job ignores Ctrl-C, and so would what it starts.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from core.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "upload", str(pictures), f"s3://{account}/broken"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 60
            while not (there := aws.client("s3").list_objects_v2(Bucket=account, Prefix="broken/").get("Contents")):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(ending)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    if ending is signal.SIGINT:
        assert process.returncode == 1
        assert "What was sent stays: the same command continues from there." in said
    cloud.forget()
    again, _ = sagehound("upload", pictures, f"s3://{account}/broken")
    assert again["kept"] >= len(there)
    assert again["sent"] == 32 - again["kept"]


def test_what_may_cost_too_much_is_not_started(account, sagehound, pictures, cloud):
    arguments = (
        "train",
        pictures,
        "--engine",
        "sagemaker",
        "--bucket",
        account,
        "--role",
        "Cli",
        "--max-runtime",
        36_000,
    )
    _, said = sagehound(*arguments, "--max-cost", "0.5", status=1)
    assert "It may cost up to $4.60." in said
    assert cloud.asked("CreateTrainingJob") == []


def test_without_a_bucket_or_a_role_it_says_what_to_give(account, sagehound, pictures):
    _, said = sagehound("train", pictures, "--engine", "sagemaker", status=1)
    assert "--bucket" in said
    _, said = sagehound("train", pictures, "--engine", "sagemaker", "--bucket", account, status=1)
    assert "--role" in said


def test_a_quota_of_zero_is_one_plain_sentence(account, sagehound, pictures, cloud):
    cloud.faults.add("CreateTrainingJob", quota_zero("ml.m5.xlarge for training job usage"))
    _, said = sagehound("train", pictures, "--engine", "sagemaker", "--bucket", account, "--role", "Cli", status=1)
    assert "“ml.m5.xlarge for training job usage” is 0" in said
    assert "Traceback" not in said
    assert sagehound("jobs")[0] == []


def interrupted(*asked):
    raise KeyboardInterrupt


def test_a_job_is_found_again_though_its_command_was_killed_when_aws_had_answered(
    account, sagehound, pictures, cloud, monkeypatch
):
    """In a new home: nothing but the options of the command has named the connection."""
    from core.engines.sagemaker.jobs import job_creator

    start = ("train", pictures, "--engine", "sagemaker", "--bucket", account, "--role", "Cli", "--no-debugger")
    cloud.faults.add("CreateTrainingJob", access_denied("sagemaker:CreateTrainingJob"))
    sagehound(*start, "--name", "refused", status=1)
    sagehound("preflight", status=1)  # what did not work is not remembered
    with monkeypatch.context() as patched:
        patched.setattr(SageMakerEngine, "start", interrupted)
        sagehound(*start, "--name", "interrupted", status=1)
    sagehound("preflight", status=1)  # nor what was interrupted before AWS was asked
    real = job_creator.create

    def killed(*asked):
        real(*asked)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(job_creator, "create", killed)
        sagehound(*start, "--name", "paid", status=1)
    assert [job["name"] for job in sagehound("jobs")[0]] == ["paid"]
