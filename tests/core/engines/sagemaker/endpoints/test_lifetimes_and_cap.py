"""Nothing that costs money is forgotten: endpoints at the end of their life, jobs at their cap."""

from __future__ import annotations

import time

import pytest

from core.cloud.money import Price
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.endpoints.endpoints import Endpoints
from core.engines.sagemaker.endpoints.lifetimes import EndpointLifetimes, daily_usd
from core.errors import EngineError, SpecError
from core.jobs.specs import CloudResources
from core.jobs.status import JobStatus
from tests.cloud.faults import SERVER_ERROR, access_denied

CAPPED = CloudResources(cap_usd=1.0)


@pytest.fixture
def hosted(cloud, aws, sagemaker_mini):
    """Two endpoints of ours; what they serve does not matter here."""
    model = {"Image": "x", "ModelDataUrl": "s3://b/none.tar.gz"}
    client, tags = aws.sagemaker, [{"Key": "sagehound", "Value": "endpoint"}]
    for name in ("short", "long"):
        client.create_model(ModelName=name, PrimaryContainer=model, ExecutionRoleArn="arn:aws:iam::123456789012:role/E")
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=tags)
        client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)
    hosted = sagemaker_mini.engine.hosted
    yield hosted
    for endpoint in hosted.all():
        hosted.delete(endpoint.name)


def names(hosted):
    return {endpoint.name for endpoint in hosted.all()}


def test_an_endpoint_goes_at_the_end_of_its_life_and_not_before(hosted, paths, aws):
    lifetimes = EndpointLifetimes(paths, aws, hosted)
    assert not lifetimes.is_needed()
    lifetimes.remember("short", time.time() + 60)
    lifetimes.remember("long", time.time() + 3600)
    assert lifetimes.is_needed()
    assert lifetimes.run_due(time.time()) == []
    assert EndpointLifetimes(paths, aws, hosted).run_due(time.time() + 61) == ["short"]  # a later process
    assert names(hosted) == {"long"}
    lifetimes.forget("long")
    assert not lifetimes.is_needed()


def test_one_that_is_gone_already_is_forgotten(hosted, paths, aws):
    lifetimes = EndpointLifetimes(paths, aws, hosted)
    lifetimes.remember("never-was", 0.0)
    assert lifetimes.run_due(1.0) == []
    assert not lifetimes.is_needed()


def test_one_that_cannot_be_deleted_now_is_tried_again(hosted, paths, aws, cloud):
    lifetimes = EndpointLifetimes(paths, aws, hosted)
    lifetimes.remember("short", 1.0)
    cloud.faults.add("DeleteEndpoint", access_denied("sagemaker:DeleteEndpoint"))
    with pytest.raises(EngineError, match="lacks the permission"):
        lifetimes.run_due(2.0)
    assert lifetimes.is_needed()
    assert lifetimes.run_due(3.0) == ["short"]


def test_endpoints_of_another_region_wait_for_their_turn(hosted, paths, aws):
    far = Aws(region="eu-west-1")
    EndpointLifetimes(paths, far, Endpoints(far, sagemaker_prices())).remember("short", 1.0)
    lifetimes = EndpointLifetimes(paths, aws, hosted)
    assert lifetimes.run_due(2.0) == []
    assert names(hosted) == {"short", "long"}


def test_the_engine_deletes_it_by_itself(hosted, sagemaker_mini):
    engine = sagemaker_mini.engine
    engine.lifetimes.remember("short", time.time() - 1)
    engine.jobs()  # any use of the engine starts the watching
    deadline = time.monotonic() + 20
    while "short" in names(hosted):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_runs_costs_so_much_a_day(hosted):
    assert daily_usd(hosted) == {"short": pytest.approx(24 * 0.115), "long": pytest.approx(24 * 0.115)}


def test_a_job_is_stopped_at_its_cap_and_says_so(sagemaker_mini, monkeypatch):
    engine = sagemaker_mini.engine
    monkeypatch.setattr(engine.prices, "price", lambda *_: Price(3600.0, "a dollar a second"))
    hyperparameters = {"num_epochs": "1000", "sleep": "0.05"}
    training = {"hyperparameters": hyperparameters, "cloud": CAPPED}
    engine.start(sagemaker_mini.tuning("search", max_jobs=2, max_parallel_jobs=2, training=training))
    job = sagemaker_mini.finished("search")
    assert job.status is JobStatus.STOPPED
    assert "to be stopped at $1.00" in job.failure_reason
    assert engine.spent("search") >= 1.0


def test_a_cap_can_be_set_and_lifted_while_a_job_runs(sagemaker_mini, monkeypatch, cloud):
    engine = sagemaker_mini.engine
    monkeypatch.setattr(engine.prices, "price", lambda *_: Price(3600.0, "a dollar a second"))
    cloud.faults.add("StopTrainingJob", SERVER_ERROR)
    engine.start(sagemaker_mini.training("one", hyperparameters={"num_epochs": "1000", "sleep": "0.05"}))
    sagemaker_mini.until("one", lambda job: bool(job.metrics))
    assert engine.notes("one").cap_usd is None
    engine.set_cap("one", 0.5)
    assert sagemaker_mini.finished("one").status is JobStatus.STOPPED


def sagemaker_prices():
    class Free:
        def price(self, *_):
            return Price(None, "nobody knows")

    return Free()


def test_the_cap_holds_while_features_are_computed_and_they_are_billed(sagemaker_mini, monkeypatch, cloud):
    engine = sagemaker_mini.engine
    creator = engine._creator
    features = sagemaker_mini.training("one-features", hyperparameters={"num_epochs": "900", "sleep": "0.1"})
    monkeypatch.setattr(creator, "features_key", lambda spec: "k")
    monkeypatch.setattr(creator, "features_at", lambda key: "")
    monkeypatch.setattr(creator, "prepare_features", lambda spec, key, mark: creator.prepare(features, mark=mark))
    monkeypatch.setattr(engine.prices, "price", lambda *_: Price(3600.0, "a test"))  # a dollar a second
    engine.start(sagemaker_mini.training("one", cloud=CAPPED))
    job = sagemaker_mini.finished("one")
    assert job.status is JobStatus.STOPPED
    assert "was to be stopped at $1.00" in job.failure_reason
    assert [request["TrainingJobName"] for request in cloud.asked("CreateTrainingJob")] == ["one-features"]
    sagemaker_mini.until("one", lambda job: engine.notes("one").features_billable_seconds > 0)
    bill = engine.bill("one")
    assert bill.usd == bill.billable_seconds == engine.notes("one").features_billable_seconds
    assert engine.spent("one") == bill.usd


def test_features_that_take_longer_than_a_job_may_fail_it_with_what_to_do(sagemaker_mini, monkeypatch):
    engine = sagemaker_mini.engine
    creator = engine._creator
    slow = {"num_epochs": "900", "sleep": "0.1"}
    features = sagemaker_mini.training("one-features", hyperparameters=slow, max_runtime_s=1)
    monkeypatch.setattr(creator, "features_key", lambda spec: "k")
    monkeypatch.setattr(creator, "features_at", lambda key: "")
    monkeypatch.setattr(creator, "prepare_features", lambda spec, key, mark: creator.prepare(features, mark=mark))
    engine.start(sagemaker_mini.training("one"))
    job = sagemaker_mini.finished("one")
    assert job.status is JobStatus.FAILED
    assert "Allow a longer run" in job.failure_reason


def test_a_cap_that_cannot_be_kept_is_refused(sagemaker_mini, monkeypatch, cloud):
    engine = sagemaker_mini.engine
    monkeypatch.setattr(engine.prices, "price", lambda *_: Price(None, "nobody knows"))
    with pytest.raises(SpecError, match="cannot be stopped at a cost") as raised:
        engine.start(sagemaker_mini.training("one", cloud=CAPPED))
    assert raised.value.field == "cap_usd"
    assert cloud.asked("CreateTrainingJob") == []
