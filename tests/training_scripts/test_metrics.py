"""The metric definitions read back what the lines say."""

from __future__ import annotations

import math
import os
import re
import socket
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.paths import ROOT
from training_scripts import metrics
from training_scripts.metrics import METRIC_DEFINITIONS


def read(line: str) -> dict[str, float]:
    found = {name: re.search(regex, line) for name, regex in METRIC_DEFINITIONS.items()}
    return {name: float(match[1]) for name, match in found.items() if match}


def test_the_documented_line() -> None:
    line = metrics.epoch_line(3, 10, (0.2345, 0.91), (0.1234, 0.9312), 0.003, 0.41)
    assert line == (
        "epoch=3/10 Average loss: 0.123400 train_loss=0.234500 train_accuracy=0.910000 "
        "valid_loss=0.123400 valid_accuracy=0.931200 learning_rate=0.00300000 seconds=0.41"
    )


@given(*[st.floats(0, 1e6)] * 2, *[st.floats(0, 1)] * 2)
def test_round_trip(train_loss: float, valid_loss: float, train_accuracy: float, valid_accuracy: float) -> None:
    found = read(metrics.epoch_line(1, 2, (train_loss, train_accuracy), (valid_loss, valid_accuracy), 1e-3, 1.0))
    expected = {
        "Average loss": valid_loss,
        "train:loss": train_loss,
        "train:accuracy": train_accuracy,
        "valid:loss": valid_loss,
        "valid:accuracy": valid_accuracy,
    }
    assert found == {name: pytest.approx(value, abs=1e-6) for name, value in expected.items()}


def test_without_valid_the_train_loss_is_the_average() -> None:
    assert read(metrics.epoch_line(1, 2, (0.5, 0.7), None, 1e-3, 1.0)) == {
        "Average loss": 0.5,
        "train:loss": 0.5,
        "train:accuracy": 0.7,
    }


def test_other_lines_hold_their_own_metrics_only() -> None:
    assert read(metrics.cv_line(5, (0.25, 0.03), (0.9, 0.02))) == {
        "cv:loss": 0.25,
        "cv:loss_error": 0.03,
        "cv:accuracy": 0.9,
        "cv:accuracy_error": 0.02,
    }
    assert read(metrics.step_line(120, 3, 0.123456)) == {"train:batch_loss": 0.123456}
    assert read(metrics.test_line(0.5, 0.9, 40, "cat")) == {"test:loss": 0.5, "test:accuracy": 0.9}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_diverged(value: float) -> None:
    found = read(metrics.epoch_line(1, 2, (value, 0.5), (value, 0.5), 1e-3, 1.0))
    assert repr(found["train:loss"]) == repr(found["valid:loss"]) == repr(value)
    assert repr(read(metrics.step_line(1, 1, value))["train:batch_loss"]) == repr(value)


@pytest.mark.skipif(os.name != "posix", reason="sockets that keep messages apart")
def test_a_line_is_written_at_once_also_unbuffered() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    code = "from training_scripts.metrics import *; write_whole_lines(); print('one'); print('two', 2)"
    with here, there:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=there, check=True, timeout=60)
        assert [here.recv(100), here.recv(100)] == [b"one\n", b"two 2\n"]
