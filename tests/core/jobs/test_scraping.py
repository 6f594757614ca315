"""Metrics out of log lines: by example, and for any number that a script may print."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import threading
import time
from collections.abc import Iterator

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.contract import default_metrics, sample_output
from core.jobs.scraping import MAX_LINE, Scraper, scrape, test_regex, too_slow
from core.jobs.specs import MetricDefinition
from training_scripts import metrics

LOSS = MetricDefinition("Average loss", r"Average loss: ([0-9\.]+)")
ACCURACY = MetricDefinition("valid:accuracy", r"valid_accuracy=([-+0-9.e]+|nan|inf)")
LINE = "epoch=3/10 Average loss: 0.123400 train_loss=0.2 valid_accuracy=0.931200 seconds=0.41"


def test_values_and_position_of_an_epoch():
    scraped = scrape(LINE, (LOSS, ACCURACY))
    assert scraped.values == {"Average loss": 0.1234, "valid:accuracy": 0.9312}
    assert (scraped.epoch, scraped.epochs, scraped.step) == (3, 10, None)


def test_position_of_a_step():
    scraped = scrape("step=120 epoch=3 batch_loss=0.123456", default_metrics())
    assert scraped.values == {"train:batch_loss": 0.123456}
    assert (scraped.epoch, scraped.epochs, scraped.step) == (3, None, 120)


@pytest.mark.parametrize("line", ["", "hello", "Average loss: none", "Average lossy: 3", "num_epoch=3 my.step=2"])
def test_lines_without_a_metric(line):
    scraped = scrape(line, (LOSS, ACCURACY))
    assert scraped.values == {}
    assert (scraped.epoch, scraped.step) == (None, None)


@pytest.mark.parametrize(("word", "expected"), [("nan", math.nan), ("NaN", math.nan), ("inf", math.inf)])
def test_what_is_no_finite_number_is_still_found(word, expected):
    value = scrape(f"Average loss: {word}", (LOSS,)).values["Average loss"]
    assert value == expected or (math.isnan(value) and math.isnan(expected))


def test_a_negative_infinity_is_found():
    assert scrape("valid_accuracy=-inf", (ACCURACY,)).values["valid:accuracy"] == -math.inf


def test_words_that_contain_nan_are_no_numbers():
    assert scrape("Average loss: banana", (LOSS,)).values == {}


def test_two_dots_are_no_number():
    assert scrape("Average loss: 1.2.3", (LOSS,)).values == {}
    assert "is not a number" in test_regex(LOSS, "Average loss: 1.2.3").problem


@given(st.floats(0, 1e6), st.floats(0, 1), st.integers(1, 500), st.integers(0, 500))
def test_what_the_script_prints_is_read_back(loss, accuracy, epoch, more):
    line = metrics.epoch_line(epoch, epoch + more, (loss, accuracy), (loss / 2, 1 - accuracy), 1e-3, 0.5)
    scraped = scrape(line, default_metrics())
    assert scraped.values["train:loss"] == pytest.approx(loss, abs=1e-6)
    assert scraped.values["valid:accuracy"] == pytest.approx(1 - accuracy, abs=1e-6)
    assert scraped.values["Average loss"] == scraped.values["valid:loss"]
    assert (scraped.epoch, scraped.epochs) == (epoch, epoch + more)
    assert "test:loss" not in scraped.values


@given(st.integers(1, 10**9), st.integers(1, 10**4), st.floats(0, 1e6) | st.just(math.nan) | st.just(math.inf))
def test_steps_are_read_back(step, epoch, loss):
    scraped = scrape(metrics.step_line(step, epoch, loss), default_metrics())
    assert scraped.step == step
    assert scraped.values["train:batch_loss"] == pytest.approx(loss, abs=1e-6, nan_ok=True)


@given(st.floats(0, 100), st.floats(0, 1), st.text(max_size=60) | st.just('a "b" test_loss=7 Average loss: 3 \\ nan'))
def test_the_test_line_is_read_back(loss, accuracy, weakest):
    scraped = scrape(metrics.test_line(loss, accuracy, 5, weakest), default_metrics())
    assert scraped.weakest == weakest
    assert scraped.values == {
        "test:count": 5.0,
        "test:loss": pytest.approx(loss, abs=1e-6),
        "test:accuracy": pytest.approx(accuracy, abs=1e-6),
    }


def test_counts_of_pictures_are_read_whatever_the_metrics_are():
    assert metrics.valid_line(7, 5, "").startswith("valid_count=7")  # as it was, for others' expressions
    assert scrape(metrics.valid_line(7, 5, ""), ()).values == {"valid:count": 7.0, "valid:right": 5.0}
    assert not scrape("my_test_count=5 test_count=many valid_right=5.5", ()).values
    assert scrape(metrics.valid_line(7, 7, ""), ()).weakest == ""
    assert scrape(metrics.valid_line(7, 5, "fish"), ()).weakest == "fish"
    for line in ("test_loss=0.5", "test_count=5 weakest=fish", 'weakest="\\q"', 'weakest="a" and more'):
        assert scrape(line, ()).weakest is None


@given(st.text(max_size=300))
def test_no_line_breaks_it(line):
    scrape(line, (LOSS, ACCURACY, *default_metrics()))


def test_an_endless_line_is_cut():
    assert scrape("x" * 10**7 + LINE, (LOSS,)).values == {}
    assert scrape(LINE + "x" * 10**7, (LOSS,)).values == {"Average loss": 0.1234}
    assert MAX_LINE < 10**5


def test_an_expression_that_takes_forever_is_given_up_once():
    slow = MetricDefinition("slow", r"((?:a+)+)$")
    given_up: list[str] = []
    scraper = Scraper((slow, LOSS), given_up.append)
    started = time.thread_time()
    for _ in range(20):
        assert scraper.scrape("a" * 5000 + " Average loss: 0.5").values == {"Average loss": 0.5}
    assert scraper.given_up == {"slow"}
    assert given_up == [f"{too_slow('slow')} Its values are missing from there on."]
    assert time.thread_time() - started < 5
    assert not test_regex(slow, "a" * 5000).matched


@pytest.fixture
def busy() -> Iterator[None]:
    """Other threads of this process that leave little of the machine."""
    over, data = threading.Event(), bytes(2**25)

    def burn() -> None:
        while not over.is_set():
            hashlib.sha256(data).digest()  # without Python's lock

    threads = [threading.Thread(target=burn) for _ in range(8 * (os.cpu_count() or 1))]
    for thread in threads:
        thread.start()
    yield
    over.set()
    for thread in threads:
        thread.join()


def _line_of(definition: MetricDefinition, seconds: float) -> str:
    """A line that takes this expression about so long."""
    pattern, length, spent = regex.compile(definition.regex), 8, 0.0
    while spent < seconds:
        length += 1
        began = time.thread_time()
        pattern.search("a" * length + "b=0.5")
        spent = time.thread_time() - began
    return "a" * length + "b=0.5"


def test_what_else_the_machine_does_is_not_counted(request):
    definition = MetricDefinition("b", r"(?:(?:aa?)*c)*?b=([0-9.]+)")
    line = _line_of(definition, 0.02)
    request.getfixturevalue("busy")
    for _ in range(2):
        assert scrape(line, (definition,)).values == {"b": 0.5}
        assert test_regex(definition, line).problem == ""


def test_the_expressions_of_the_training_script_have_no_limit(monkeypatch):
    """They need time in proportion to the line, and are not refused whatever a clock says."""
    clock = itertools.count(0, 60)
    monkeypatch.setattr(time, "thread_time", lambda: float(next(clock)))
    lines = sample_output()
    for definition in default_metrics():
        assert any(test_regex(definition, line).matched for line in lines), definition.name


def test_a_definition_is_tested_on_a_line():
    found = test_regex(LOSS, LINE)
    assert found.matched
    assert found.value == 0.1234
    assert LINE[slice(*found.span)] == "0.123400"
    assert test_regex(LOSS, "nothing").problem


def test_every_metric_of_the_script_is_in_its_sample_output():
    lines = sample_output()
    for definition in default_metrics():
        assert any(test_regex(definition, line).matched for line in lines), definition.name


def test_a_metric_says_its_goal_and_its_axis():
    """Of our own script by its name, also in a spec that an older version stored; of another's, only as said."""
    accuracy = MetricDefinition("valid:accuracy", "a=(.)")
    assert (accuracy.maximize, accuracy.per_step) == (True, False)
    assert MetricDefinition("train:batch_loss", "b=(.)").per_step
    foreign = MetricDefinition("batch accuracy of mine", "c=(.)")
    assert (foreign.maximize, foreign.per_step) == (None, False)
