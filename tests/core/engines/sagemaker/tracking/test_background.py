"""What has to be done on AWS is done also when nobody looks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from core.cloud.account import Connection
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.provider import open_engine
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking.background import attend
from core.engines.sagemaker.tracking.poller import LOCK
from core.jobs.specs import CloudResources
from core.jobs.status import JobStatus
from core.paths import ROOT

WAITING_S = 120


@pytest.fixture
def connection(workspace) -> Connection:
    return Connection("", "us-east-1", workspace.bucket, workspace.role)


@pytest.fixture
def engine(sagemaker_mini, paths, store):
    """An engine whose process in the background only counts how often it was wanted."""
    mini, started = sagemaker_mini.engine, list[float]()
    made = SageMakerEngine(
        paths,
        store,
        mini.aws,
        mini.workspace,
        mini._creator._source,
        timing=Timing(0.1, 0.3),
        in_background=lambda: started.append(time.monotonic()),
    )
    made.started = started
    yield made
    made.close()


def test_a_job_that_aws_has_needs_nobody(engine, sagemaker_mini):
    engine.start(sagemaker_mini.training("one", hyperparameters={"num_epochs": "2"}))
    sagemaker_mini.finished("one")
    assert (engine.started, engine.has_duties()) == ([], False)


@pytest.mark.parametrize("what", ["cap", "endpoint"])
def test_what_costs_money_is_left_to_a_process_in_the_background(what, engine, sagemaker_mini, monkeypatch):
    if what == "cap":
        monkeypatch.setattr("core.engines.sagemaker.engine.check_cap", lambda *_: None)
        spec = sagemaker_mini.training("one", cloud=CloudResources(cap_usd=1.0), hyperparameters={"num_epochs": "2"})
        engine.start(spec)
        assert engine.started
        sagemaker_mini.finished("one")
    else:
        engine.lifetimes.remember("birds", time.time() + 60)
        engine.jobs()
        deadline = time.monotonic() + 20
        while not engine.started:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert engine.has_duties()
        engine.lifetimes.forget("birds")
    assert not engine.has_duties()


def test_a_search_is_created_though_the_command_that_asked_for_it_has_ended(cloud, pictures, workspace, paths, store):
    cloud.forget()
    command = [sys.executable, "__main__.py", "tune", str(pictures), "--engine", "sagemaker", "--detach", "--json"]
    command += ["--bucket", workspace.bucket, "--role", workspace.role, "--region", "us-east-1", "--name", "alone"]
    command += ["--max-jobs", "1", "--no-debugger", "--static", "num_epochs=2"]
    command += ["--range", "learning_rate=continuous:1e-3:1e-1:log"]
    environment = {**os.environ, "SAGEHOUND_HOME": str(paths.home)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAITING_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "creates the rest in the background" in done.stderr
    assert json.loads(done.stdout)["name"] == "alone"
    assert not cloud.asked("CreateHyperParameterTuningJob")
    deadline = time.monotonic() + WAITING_S
    while not cloud.asked("CreateHyperParameterTuningJob"):
        assert time.monotonic() < deadline, (paths.logs / "aws-background.log").read_text()
        time.sleep(0.2)
    while store.job("alone").secondary_status == "PreparingFeatures":
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_the_process_ends_with_its_duties_and_there_is_one_of_it(sagemaker_mini, connection, paths, store, monkeypatch):
    monkeypatch.setattr("core.engines.sagemaker.engine.check_cap", lambda *_: None)
    spec = sagemaker_mini.training("one", cloud=CloudResources(cap_usd=1.0), hyperparameters={"num_epochs": "2"})
    sagemaker_mini.engine.start(spec)
    assert attend(paths, connection, every_s=0.1) == 0
    assert store.job("one").status is JobStatus.COMPLETED
    idle = open_engine(connection, paths, store, background=False)
    assert not idle.has_duties()
    idle.close()


def test_the_process_ends_where_aws_is_silent_for_too_long(sagemaker_mini, connection, paths, store, cloud):
    engine = sagemaker_mini.engine
    engine.lifetimes.remember("birds", time.time() - 1)
    cloud.faults.expire()
    try:
        assert attend(paths, connection, every_s=0.1, patience_s=0.5) == 0
        assert engine.has_duties()
    finally:
        cloud.faults.renew()
        engine.lifetimes.forget("birds")


def test_one_that_follows_for_all_and_stands_still_is_said(sagemaker_mini, paths, store):
    """The lock is of a process that touches it no more; it goes on as soon as that one ends."""
    mini = sagemaker_mini.engine
    timing = Timing(0.1, 0.3, silence=0.5)
    engine = SageMakerEngine(paths, store, mini.aws, mini.workspace, mini._creator._source, timing=timing)
    try:
        with FileLock(paths.home / LOCK.format("us-east-1")):
            engine.start(sagemaker_mini.training("one", hyperparameters={"num_epochs": "2"}))
            deadline = time.monotonic() + 60
            while "stands still" not in engine.notice:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert not store.job("one").status.is_final
        while not engine.job("one").status.is_final:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert engine.notice == ""
    finally:
        engine.close()
