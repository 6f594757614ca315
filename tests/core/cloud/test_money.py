"""Which way is proposed, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.cloud.money import CloudForecast, Cost, Machines, Price, Way

COST = Cost(Price(0.25, "a test"), 1.4, 20.0, jobs=20, spot=False)
ONCE, EACH, PACKED = Way(2700, 12_000, 1.40), Way(9000, 40_000, 4.10), Way(360, 360, 0.09)


@pytest.mark.parametrize(
    ("packed", "better"),
    [
        (PACKED, True),
        (replace(PACKED, seconds=2701), False),  # cheaper, but later
        (replace(PACKED, machine_seconds=12_001), False),  # sooner, but dearer
        (None, False),
    ],
)
def test_one_job_is_proposed_where_it_is_cheaper_and_sooner(packed, better):
    forecast = CloudForecast(COST, ONCE, EACH, packed, trials=20)
    assert forecast.better_packed is better
    assert ("--packed" in forecast.text) is better


def test_what_was_asked_for_is_not_proposed_again():
    forecast = CloudForecast(COST, ONCE, EACH, PACKED, is_packed=True, trials=20)
    assert (forecast.chosen, forecast.better_packed) == (PACKED, False)
    assert "--packed" not in forecast.text


def test_trials_that_share_no_features_read_the_pictures_each():
    assert CloudForecast(COST, None, EACH).chosen == EACH
    assert CloudForecast(COST, ONCE, EACH).chosen == ONCE
    assert CloudForecast(COST, None, None).chosen is None


def test_both_ways_are_told_with_time_and_price():
    text = CloudForecast(COST, ONCE, EACH, PACKED, trials=20).text
    for part in ("20 jobs", "$1.40", "$0.09", "45 min", "6 min"):
        assert part in text


def test_more_machines_are_told_by_their_options():
    one, four = Machines(1, "ml.m5.xlarge", ONCE), Machines(4, "ml.c5.2xlarge", PACKED)
    text = CloudForecast(COST, ONCE, EACH, machines=one, proposed=four).text
    assert "--feature-machines 4 --feature-instance-type ml.c5.2xlarge" in text
    assert "Features on 1" not in CloudForecast(COST, ONCE, EACH, machines=one).text
