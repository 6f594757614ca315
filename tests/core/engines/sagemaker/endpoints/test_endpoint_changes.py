"""Another model behind an endpoint, models that were trained here, and deletions that AWS does not allow yet.

What is served answers with a word, without torch; rehearsals have tests of their own.
"""

from __future__ import annotations

import dataclasses
import json
import time

import pytest

from core.cloud.hosting import Container, EndpointBusy, Hosting
from core.engines.sagemaker.endpoints import lifetimes
from core.engines.sagemaker.endpoints.invoke import EndpointClient
from core.engines.sagemaker.endpoints.lifetimes import EndpointLifetimes, Watched
from core.engines.sagemaker.jobs.creation import OutcomeUnknown
from core.errors import Cancelled, EngineError, ModelError
from core.progress import CancelToken
from tests.cloud.faults import LOST_ANSWER, access_denied, quota_zero

HOSTING = Hosting("ml.m5.large", lifetime_s=7200, container=Container.PYTORCH)


@pytest.fixture
def engine(words_engine):
    return words_engine


@pytest.fixture
def settled(engine, until):
    """Waits until an endpoint is in service, and until nothing is left to do about its update; returns it."""

    def wait(name):
        found = until(lambda: engine.hosted.get(name), lambda found: found.status not in ("Creating", "Updating"))
        engine.lifetimes.run_due(time.time())
        assert engine.lifetimes.watched(name).update is None
        (found,) = engine.lifetimes.marked([engine.hosted.get(name)])
        return found

    return wait


@pytest.fixture
def until():
    def wait(ask, good):
        deadline = time.monotonic() + 60
        while not good(found := ask()):
            assert time.monotonic() < deadline, found
            time.sleep(0.03)
        return found

    return wait


def said(engine, name="live"):
    return EndpointClient(engine.aws, name, serverless=False).classify(b"picture").classes[0][0]


def test_a_model_trained_here_is_uploaded_once_with_its_checksum(engine, settled, aws, workspace, cloud, tmp_path):
    engine.deploy("one", "live", HOSTING, tmp_path)
    assert (settled("live").model_job, said(engine)) == ("one", "one")
    uri = cloud.asked("CreateModel")[0]["PrimaryContainer"]["ModelDataUrl"]
    assert uri.startswith(f"s3://{workspace.bucket}/sagehound/models/one/")
    head = {"Bucket": workspace.bucket, "Key": uri.removeprefix(f"s3://{workspace.bucket}/"), "ChecksumMode": "ENABLED"}
    assert aws.client("s3").head_object(**head)["ChecksumSHA256"]
    sent = cloud.calls["s3:PutObject"]
    engine.deploy("one", "again", HOSTING, tmp_path)
    assert cloud.calls["s3:PutObject"] == sent, "it is there already"
    settled("again")
    (tmp_path / "two.tar.gz").unlink()
    with pytest.raises(ModelError, match="two has no model"):
        engine.deploy("two", "never", HOSTING, tmp_path)


def test_an_update_goes_over_keeps_its_life_and_tidies_up(engine, settled, tmp_path, cloud):
    engine.deploy("one", "live", HOSTING, tmp_path)
    before = settled("live")
    kept = engine.hosted.hosting_of("live")
    assert (kept.instance_type, kept.container) == ("ml.m5.large", Container.PYTORCH)
    engine.update_endpoint("two", "live", kept, tmp_path)
    with pytest.raises(EndpointBusy):
        engine.update_endpoint("one", "live", kept, tmp_path)
    found = settled("live")
    assert (found.model_job, found.notice, said(engine)) == ("two", "", "two")
    assert found.expires == pytest.approx(before.expires, abs=30)
    assert engine.lifetimes.watched("live").expires == pytest.approx(before.expires, abs=30)
    assert len(cloud.serving.models) == len(cloud.serving.configs) == 1, "the old ones are gone"
    with pytest.raises(EngineError, match="into a serverless one"):
        engine.update_endpoint("one", "live", Hosting(container=Container.PYTORCH), tmp_path)
    with pytest.raises(EngineError, match="no endpoint called"):
        engine.update_endpoint("one", "elsewhere", HOSTING, tmp_path)
    engine.serving.delete("live")
    assert (cloud.serving.models, cloud.serving.configs) == ({}, {})


def test_an_update_that_fails_leaves_the_old_model_and_says_why(engine, settled, tmp_path, cloud):
    engine.deploy("one", "live", HOSTING, tmp_path)
    settled("live")
    cloud.faults.add("UpdateEndpoint", quota_zero("ml.m5.large for endpoint usage"))
    with pytest.raises(EngineError, match="for endpoint usage"):
        engine.update_endpoint("two", "live", HOSTING, tmp_path)
    assert list(cloud.serving.models) == ["live"], "what was refused leaves nothing behind"
    engine.update_endpoint("bad", "live", HOSTING, tmp_path)
    found = settled("live")
    assert (found.model_job, found.status, said(engine)) == ("one", "InService", "one")
    assert "The update to bad failed, and it continues to serve" in found.notice
    assert "ping health check" in found.notice
    assert list(cloud.serving.models) == list(cloud.serving.configs) == ["live"]
    engine.update_endpoint("two", "live", HOSTING, tmp_path)
    assert settled("live").notice == "", "the next one went well"


def test_what_is_being_created_is_deleted_as_soon_as_aws_lets_it(engine, until, tmp_path, cloud, paths, aws):
    cloud.serving.released.clear()
    engine.deploy("one", "live", HOSTING, tmp_path)
    with pytest.raises(EndpointBusy, match="still being created"):
        engine.serving.delete("live")
    heard, cancel = [], CancelToken()

    def report(told):
        heard.append(told.message)
        cancel.cancel()

    with pytest.raises(Cancelled):
        engine.serving.delete("live", on_progress=report, cancel=cancel, wait_s=60)
    assert heard == ["The endpoint live is still being created. It is deleted right after that"]
    assert [(found.name, found.deletion_pending) for found in engine.endpoints()] == [("live", True)]
    later = EndpointLifetimes(paths, aws, engine.hosted)  # of another process, after this one has ended
    assert later.run_due(time.time()) == [], "AWS does not let it yet"
    cloud.serving.released.set()
    until(lambda: (later.run_due(time.time()), engine.endpoints())[1], lambda found: found == [])
    assert (engine.endpoints(), later.is_needed(), cloud.serving.models) == ([], False, {})


def test_a_deletion_can_wait_and_can_be_taken_back(engine, settled, tmp_path, cloud):
    cloud.serving.released.clear()
    engine.deploy("one", "live", HOSTING, tmp_path)
    with pytest.raises(EndpointBusy):
        engine.serving.delete("live")
    assert engine.lifetimes.cancel_deletion("live")
    assert not engine.lifetimes.cancel_deletion("live"), "it was not to be deleted any more"
    engine.serving.delete("live", on_progress=lambda _: cloud.serving.released.set(), wait_s=60)
    assert engine.endpoints() == []


def test_an_expired_endpoint_is_deleted_and_a_living_one_is_not(engine, settled, tmp_path):
    engine.deploy("one", "short", dataclasses.replace(HOSTING, lifetime_s=60), tmp_path)
    engine.deploy("two", "long", HOSTING, tmp_path)
    settled("short")
    assert engine.hosted.delete_expired() == []
    assert engine.hosted.delete_expired(time.time() + 120) == ["short"]
    assert [endpoint.name for endpoint in engine.endpoints()] == ["long"]


def test_an_endpoint_of_someone_else_is_left_alone(engine, settled, tmp_path, aws):
    engine.deploy("one", "mine", HOSTING, tmp_path)
    aws.sagemaker.create_endpoint(EndpointName="theirs", EndpointConfigName="mine")
    settled("theirs")
    assert [(endpoint.name, endpoint.ours) for endpoint in engine.endpoints()] == [("mine", True), ("theirs", False)]
    with pytest.raises(EngineError, match="not made by Sagehound"):
        engine.hosted.delete("theirs")
    engine.hosted.delete("theirs", others_too=True)
    assert [endpoint.name for endpoint in engine.endpoints()] == ["mine"]


def test_an_update_that_is_deleted_on_the_way_leaves_nothing(engine, settled, until, tmp_path, cloud):
    engine.deploy("one", "live", HOSTING, tmp_path)
    settled("live")
    cloud.serving.released.clear()
    engine.update_endpoint("two", "live", HOSTING, tmp_path)
    with pytest.raises(EndpointBusy, match="being updated"):
        engine.serving.delete("live")
    cloud.serving.released.set()
    until(lambda: (engine.lifetimes.run_due(time.time()), engine.endpoints())[1], lambda found: found == [])
    assert (engine.endpoints(), cloud.serving.models, cloud.serving.configs) == ([], {}, {})


def test_one_endpoint_that_cannot_be_deleted_keeps_no_other_and_no_job_waiting(engine, settled, tmp_path, cloud):
    for name in ("first", "second"):
        engine.deploy("one", name, dataclasses.replace(HOSTING, lifetime_s=7200), tmp_path)
        settled(name)
    cloud.faults.add("DeleteEndpoint", access_denied("sagemaker:DeleteEndpoint"))
    with pytest.raises(EngineError, match="lacks the permission"):
        engine.lifetimes.run_due(time.time() + 8000)
    assert len(engine.endpoints()) == 1
    assert engine.lifetimes.is_needed()


def test_network_and_key_reach_aws_and_are_kept_by_an_update(engine, settled, tmp_path, cloud):
    inside = dataclasses.replace(HOSTING, subnets=("subnet-0a",), security_groups=("sg-0b",), kms_key="alias/ours")
    engine.deploy("one", "live", inside, tmp_path)
    settled("live")
    assert cloud.asked("CreateModel")[0]["VpcConfig"] == {"Subnets": ["subnet-0a"], "SecurityGroupIds": ["sg-0b"]}
    assert cloud.asked("CreateEndpointConfig")[0]["KmsKeyId"] == "alias/ours"
    kept = engine.hosted.hosting_of("live")
    assert dataclasses.replace(kept, lifetime_s=7200) == inside


@pytest.mark.parametrize(
    "wrong",
    [
        {"subnets": ("subnet-0a",)},
        {"instance_type": "", "kms_key": "alias/ours"},
        {"instance_type": "", "subnets": ("s",), "security_groups": ("g",)},
        {"instance_type": "ml.g5.xlarge", "kms_key": "alias/ours"},
    ],
)
def test_what_aws_has_not_for_an_endpoint_is_refused(wrong):
    with pytest.raises(EngineError):
        dataclasses.replace(HOSTING, **wrong)


def test_an_endpoint_whose_answer_is_lost_is_kept_with_its_life(engine, settled, tmp_path, cloud):
    cloud.faults.add("CreateEndpoint", LOST_ANSWER)  # boto3 asks again, and it exists already
    engine.deploy("one", "live", HOSTING, tmp_path)
    assert len(cloud.asked("CreateEndpoint")) == 2
    assert settled("live").status == "InService"
    assert engine.lifetimes.watched("live").expires is not None
    assert not [operation for operation, _ in cloud.requests if operation.startswith("Delete")]


def test_an_endpoint_that_aws_says_nothing_of_is_watched_and_nothing_of_it_deleted(engine, settled, tmp_path, cloud):
    for operation in ("CreateEndpoint", "DescribeEndpoint"):
        cloud.faults.add(operation, LOST_ANSWER, times=50)
    with pytest.raises(OutcomeUnknown, match="Whether AWS has the endpoint live now is not known"):
        engine.deploy("one", "live", HOSTING, tmp_path)
    assert engine.lifetimes.watched("live").expires is not None
    cloud.faults.clear()
    assert settled("live").status == "InService"


def test_a_refused_endpoint_is_not_watched(engine, tmp_path, cloud):
    cloud.faults.add("CreateEndpoint", quota_zero("ml.m5.large for endpoint usage"))
    with pytest.raises(EngineError):
        engine.deploy("one", "live", HOSTING, tmp_path)
    assert engine.lifetimes.watched("live").is_idle


def test_an_update_whose_answer_is_lost_is_followed(engine, settled, tmp_path, cloud):
    engine.deploy("one", "live", HOSTING, tmp_path)
    settled("live")
    cloud.faults.add("UpdateEndpoint", LOST_ANSWER)
    engine.update_endpoint("two", "live", HOSTING, tmp_path)
    assert (settled("live").model_job, said(engine)) == ("two", "two")


def test_what_an_earlier_version_remembered_is_still_watched(paths, aws, engine):
    kept = {"us-east-1 old": 1.0, "us-east-1 busy": {"expires": None, "doomed": True, "others_too": True}}
    (paths.home / lifetimes.FILE).write_text(json.dumps(kept), encoding="utf-8")
    watching = EndpointLifetimes(paths, aws, engine.hosted)
    assert watching.watched("old").expires == 1.0
    assert watching.watched("busy") == Watched(deletion_pending=True, others_too=True)
