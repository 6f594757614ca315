"""Prices, forecasts and bills."""

from __future__ import annotations

import dataclasses
import json

import pytest

from core.cloud.money import Price, snapshot
from core.engines.sagemaker.cost.cloud_forecast import cloud_forecast
from core.engines.sagemaker.cost.pricing import PriceList, bill_of, cost_of, snapshot_price
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.errors import EngineError
from core.jobs.ranges import CategoricalRange, ContinuousRange
from core.jobs.specs import CloudResources, MetricDefinition, Strategy, TrainingSpec, TuningSpec
from training_scripts.backbones import DEFAULT_BACKBONE

METRICS = (MetricDefinition("Average loss", "loss: ([0-9.]+)"),)
TRAINING = TrainingSpec("one", {}, {"num_epochs": "5"}, METRICS, max_runtime_s=3600, cloud=CloudResources())
TUNING = TuningSpec(TRAINING, (ContinuousRange("learning_rate", 1e-4, 1e-2),), max_jobs=10, max_parallel_jobs=2)
QUARTER = Price(0.25, "a test")


class Pricing:
    """A connection whose price list answers, or refuses."""

    region, profile = "eu-west-1", ""

    def __init__(self, products=(), error=None):
        self.products, self.error, self.asked = products, error, []

    def client(self, service, region):
        assert (service, region) == ("pricing", "us-east-1")
        return self

    def get_paginator(self, operation):
        assert operation == "get_products"
        return self

    def paginate(self, ServiceCode, Filters):
        asked = {item["Field"]: item["Value"] for item in Filters}
        self.asked.append(asked)
        if self.error:
            raise self.error
        found = [item for item in self.products if "component" not in asked or "component" in item]
        return [{"PriceList": found[:1]}, {"PriceList": found[1:]}]


def product(usd, **attributes):
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": usd}}
    terms = {"OnDemand": {"x": {"priceDimensions": {"y": dimension}}}}
    return json.dumps({"product": {"attributes": attributes or {"component": "Training"}}, "terms": terms})


def test_aws_is_asked_first_and_once():
    aws = Pricing([product("0.2570000000")])
    prices = PriceList(aws)
    price = prices.price("ml.m5.xlarge")
    assert (price.usd_per_hour, price.exact) == (0.257, True)
    assert prices.price("ml.m5.xlarge") == price
    assert len(aws.asked) == 1
    assert aws.asked[0]["regionCode"] == "eu-west-1"
    assert aws.asked[0]["component"] == "Training"


def test_products_without_a_component_are_told_by_their_usage():
    usages = {"EUW1-Train:ml.m5.xlarge": "0.3", "EUW1-Host:ml.m5.xlarge": "0.4", "EUW1-Notebk:ml.m5.xlarge": "0.1"}
    aws = Pricing([product(usd, usagetype=usage) for usage, usd in usages.items()])
    assert PriceList(aws).price("ml.m5.xlarge").usd_per_hour == 0.3
    assert PriceList(aws).price("ml.m5.xlarge", "Hosting").usd_per_hour == 0.4


def test_a_refusal_leads_to_the_dated_snapshot_which_says_what_it_is():
    price = PriceList(Pricing(error=EngineError("no"))).price("ml.m5.xlarge")
    assert price.usd_per_hour == snapshot()["training_usd_per_hour"]["ml.m5.xlarge"]["usd"]
    assert not price.exact
    assert price.source.startswith(f"dated snapshot of {snapshot()['dated']}, not AWS's own figure")
    assert "eu-west-1 may differ" in price.source
    guessed = snapshot_price("ml.c5.4xlarge", "Training", "us-east-1").source
    assert guessed == f"dated snapshot of {snapshot()['dated']}, an estimate"
    assert snapshot_price("ml.unheard.of", "Hosting", "us-east-1").usd_per_hour is None
    figures = [*snapshot()["training_usd_per_hour"].values(), *snapshot()["hosting_usd_per_hour"].values()]
    assert {item["source"] for item in figures} == {None, *snapshot()["sources"]}


def test_the_worst_case_is_every_job_to_its_longest_run_time():
    cost = cost_of(TUNING, QUARTER, likely_seconds=7200)
    assert cost.worst == pytest.approx(2.5)
    assert cost.likely == pytest.approx(0.5)
    assert "at most $2.50 for 10 jobs" in cost.text
    assert cost_of(TUNING, QUARTER, likely_seconds=1e9).likely == cost.worst
    unknown = cost_of(TUNING, Price(None, "nobody knows"))
    assert unknown.worst is None
    assert "not known" in unknown.text
    with_features = cost_of(TUNING, QUARTER, features=True)
    assert with_features.worst == pytest.approx(2.75)
    assert "at most $2.75 for 11 jobs" in with_features.text
    grid = (CategoricalRange("optimizer", ("adam", "sgd", "adamw")),)
    whole = cost_of(dataclasses.replace(TUNING, ranges=grid, strategy=Strategy.GRID), QUARTER)
    assert (whole.jobs, whole.worst) == (3, pytest.approx(0.75))
    spot = dataclasses.replace(TRAINING, cloud=CloudResources(spot=True))
    assert "Spot" in cost_of(spot, QUARTER).text


def test_features_once_against_pictures_in_every_trial(manifest, store):
    found = cloud_forecast(TUNING, manifest, store, QUARTER, shares_features=True)
    assert found.once is not None
    assert found.each is not None
    known = cloud_forecast(TUNING, manifest, store, QUARTER, shares_features=True, known=True)
    assert known.once.seconds < found.once.seconds
    assert found.each.usd == pytest.approx(0.25 * found.each.machine_seconds / 3600)
    assert "Features once:" in found.text
    alone = cloud_forecast(TUNING, manifest, store, QUARTER, shares_features=False)
    assert alone.once is None
    assert "Features once" not in alone.text


def test_one_job_is_priced_beside_a_job_for_each_trial(manifest, store):
    apart = cloud_forecast(TUNING, manifest, store, QUARTER, shares_features=True)
    assert apart.better_packed
    assert "10 jobs: about" in apart.text
    one = cloud_forecast(dataclasses.replace(TUNING, packed=True), manifest, store, QUARTER, shares_features=True)
    assert one.packed == apart.packed
    assert one.packed.seconds < apart.once.seconds
    assert one.cost.likely == pytest.approx(one.packed.usd)
    assert (one.cost.all_jobs, one.cost.worst) == (1, pytest.approx(0.25))
    assert cloud_forecast(TRAINING, manifest, store, QUARTER, shares_features=True).packed is None


@pytest.fixture
def long_features(store, manifest):
    """Features that this computer would compute for 100 minutes."""
    store.record_speed(f"features/{DEFAULT_BACKBONE}", 6000 / len(manifest.pictures))


def test_more_machines_are_proposed_with_type_time_and_price(manifest, store, long_features):
    usd = {"ml.m5.xlarge": 0.23, "ml.c5.2xlarge": 0.408}
    cloud = CloudResources("ml.m5.xlarge")
    spec = TUNING.with_training(cloud=cloud)

    def asked(spec, known=False):
        price = Price(0.23, "a test")
        return cloud_forecast(spec, manifest, store, price, True, known, lambda kind: Price(usd[kind], "a test"))

    found = asked(spec)
    one, many = found.machines, found.proposed
    assert (one.count, one.instance_type, many.count, many.instance_type) == (1, "ml.m5.xlarge", 5, "ml.c5.2xlarge")
    assert one.way.seconds == pytest.approx(150 + 6000)
    assert many.way.seconds == pytest.approx(150 + 6000 / 2 / 5), "twice the processors, five machines"
    assert many.way.usd == pytest.approx(5 * (60 + 600) * 0.408 / 3600)
    assert many.way.usd < one.way.usd
    assert "With --feature-machines 5 --feature-instance-type ml.c5.2xlarge: about 12 min, $0.37." in found.text

    taken = spec.with_training(
        cloud=dataclasses.replace(cloud, feature_machines=5, feature_instance_type="ml.c5.2xlarge")
    )
    then = asked(taken)
    assert (then.machines, then.proposed) == (many, None)
    assert then.once.seconds == pytest.approx(found.once.seconds - one.way.seconds + many.way.seconds)
    assert then.once.usd == pytest.approx(found.once.usd - one.way.usd + many.way.usd)
    assert then.cost.likely == pytest.approx(then.once.usd)
    longest = spec.training.max_runtime_s / 3600
    assert then.cost.worst == pytest.approx(longest * (10 * 0.23 + 2 * 5 * 0.408)), "one more computes what they leave"
    assert "for 12 jobs" in then.text
    assert "Features on 5 x ml.c5.2xlarge" in then.text
    packed = asked(dataclasses.replace(taken, packed=True))
    assert packed.cost.all_jobs == 3
    alone = asked(dataclasses.replace(taken, packed=True), known=True)
    assert packed.packed.usd == pytest.approx(many.way.usd + alone.packed.usd)
    assert packed.packed.seconds == pytest.approx(many.way.seconds + alone.packed.seconds)
    assert asked(taken, known=True).machines is None


def test_processors_are_not_proposed_at_the_speed_of_a_gpu(manifest, store, long_features):
    def proposed(kind, **cloud):
        spec, usd = TUNING.with_training(cloud=CloudResources(kind, **cloud)), {"ml.c5.2xlarge": 0.4}
        price = Price(1.4, "a test")
        return cloud_forecast(
            spec, manifest, store, price, True, False, lambda kind: Price(usd.get(kind, 1.4), "a test")
        ).proposed

    assert proposed("ml.g5.xlarge").instance_type == "ml.g5.xlarge"
    assert proposed("ml.m5.xlarge", feature_instance_type="ml.g5.xlarge").instance_type == "ml.g5.xlarge"
    assert proposed("ml.m5.xlarge").instance_type == "ml.c5.2xlarge"
    large = proposed("ml.m5.24xlarge")
    assert (large.count, large.instance_type) == (10, "ml.m5.24xlarge"), "12 ml.c5.2xlarge are as fast as one of it"


def test_a_short_computation_is_left_to_one_machine(manifest, store):
    assert cloud_forecast(TUNING, manifest, store, QUARTER, shares_features=True).proposed is None


def test_a_bill_says_what_spot_saved():
    aws = Pricing([product("0.36")])
    jobs = [
        CloudJobState(instance_type="ml.m5.xlarge", training_seconds=300, billable_seconds=100),
        CloudJobState(instance_type="ml.m5.xlarge", training_seconds=100, billable_seconds=100),
    ]
    bill = bill_of(jobs, PriceList(aws))
    assert bill.billable_seconds == 200
    assert bill.usd == pytest.approx(0.02)
    assert bill.saved == pytest.approx(0.5)
    assert bill_of([], PriceList(aws)).saved == 0.0
