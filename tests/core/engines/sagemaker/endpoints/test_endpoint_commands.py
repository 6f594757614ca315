"""Endpoints by command line: a model trained here, another one behind it, its log, and a deletion that has to wait."""

from __future__ import annotations

import json

import pytest

from core.cli.main import run
from core.engines.sagemaker.connection.connect import trust_policy


@pytest.fixture
def sagehound(words_engine, capsys, monkeypatch, paths, workspace, aws):
    """Runs a command on the jobs of `words_engine`; returns its JSON, or its text, and what it said beside it."""
    iam = aws.client("iam")
    if "Cli" not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName="Cli", AssumeRolePolicyDocument=trust_policy(aws.account))
    monkeypatch.setenv("SAGEHOUND_HOME", str(paths.home))

    def command(*arguments, status=0, text=False):
        capsys.readouterr()
        assert run([*arguments, *(() if text else ("--json",))]) == status, capsys.readouterr().err
        said = capsys.readouterr()
        return (said.out if text else json.loads(said.out) if said.out else None), said.err

    command("deploy", "one", "--name", "first", "--bucket", workspace.bucket, "--role", "Cli", "--detach")
    return command


def test_deploy_update_look_and_delete(sagehound, cloud):
    found, said = sagehound(
        "deploy", "one", "--name", "live", "--container", "pytorch", "--instance-type", "ml.m5.large"
    )
    assert (found["status"], found["model_job"], found["container"]) == ("InService", "one", "pytorch")
    assert "no security patches since 2026-06-30" in said, "the choice is explained"
    assert "Rehearsed with" in said

    found, _ = sagehound("deploy", "two", "--update", "live", "--lifetime", "0")
    assert (found["model_job"], found["instance_type"], found["expires"]) == ("two", "ml.m5.large", None)
    assert sagehound("deploy", "two", "--update", "live", "--name", "x", status=2)

    found, _ = sagehound("deploy", "bad", "--update", "live", status=1)
    assert (found["status"], found["model_job"]) == ("InService", "two")
    assert "The update to bad failed, and it continues to serve" in found["notice"]
    assert "RuntimeError: a wrong turn" in found["log"]
    shown, _ = sagehound("endpoints", "live", text=True)
    assert "serves two" in shown
    assert "RuntimeError: a wrong turn" in shown
    assert f"Its log: {found['log_url']}" in shown
    sagehound("endpoints", "elsewhere", status=1)

    cloud.serving.released.clear()
    sagehound("deploy", "one", "--update", "live", "--detach")
    waiting, _ = sagehound("undeploy", "live", "--detach")
    assert waiting == {"name": "live", "deleted": False, "deletion_pending": True}
    assert "deleted as soon as AWS lets it" in sagehound("endpoints", text=True)[0]
    assert sagehound("undeploy", "live", "--keep")[0]["deletion_pending"] is False
    sagehound("undeploy", "live", "--keep", status=1)
    sagehound("undeploy", "live", "--detach")
    cloud.serving.released.set()
    sagehound("undeploy", "live")
    assert [item["name"] for item in sagehound("endpoints")[0]] == ["first"]
