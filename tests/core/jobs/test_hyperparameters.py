"""Hyperparameters are refused before anything starts: unknown names with the nearest one, values the script refuses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from core.errors import SpecError
from core.jobs.contract import default_metrics
from core.jobs.hyperparameters import check_hyperparameters, check_name, declared_names, defaults
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range
from core.jobs.specs import Spec, TrainingSpec, TuningSpec

SCRIPT = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--depth", "-d", type=int)
parser.add_argument('--learning_rat', type=float, help="--not-this")
"""


def job(hyperparameters: Mapping[str, str], *ranges: Range) -> Spec:
    training = TrainingSpec("job", {}, hyperparameters, default_metrics())
    return TuningSpec(training, ranges) if ranges else training


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (job({"learning_rat": "0.1"}), "learning_rat", "did you mean learning_rate?"),
        (job({}, ContinuousRange("learning_rat", 0.1, 0.2)), "learning_rat", "did you mean learning_rate?"),
        (job({"batch_size": "0"}), "batch_size", "at least 1"),
        (job({}, IntegerRange("batch_size", 0, 8)), "batch_size", "at least 1"),
        (job({}, CategoricalRange("optimizer", ("adam", "adamm"))), "optimizer", "adamm"),
        (job({"weights": "-x"}), "weights", "expected one argument"),
        (job({"augmentation": "light"}), "mode", "mode fine_tune"),
        (job({"augmentation": "light", "mode": "fine_tune"}), None, ""),
        (job({"augmentation": "light"}, CategoricalRange("mode", ("head", "fine_tune"))), None, ""),
        (job({name: str(value) for name, value in defaults().items() if value is not None}), None, ""),
    ],
)
def test_what_the_script_would_refuse(spec: Spec, field: str | None, words: str) -> None:
    if field is None:
        check_hyperparameters(spec)
        return
    with pytest.raises(SpecError) as caught:
        check_hyperparameters(spec)
    assert caught.value.field == field
    assert words in caught.value.what


def test_a_script_of_ones_own_declares_its_own() -> None:
    assert declared_names(SCRIPT) == {"depth", "d", "learning_rat"}
    check_hyperparameters(job({"learning_rat": "anything", "depth": "3"}), SCRIPT)
    with pytest.raises(SpecError, match="did you mean depth"):
        check_hyperparameters(job({"dept": "3"}), SCRIPT)
    for unreadable in ("hps = read_hyperparameters()", "this is no Python"):
        check_hyperparameters(job({"dept": "3"}), unreadable)


def test_a_name_alone() -> None:
    assert check_name("learning_rate") is None
    problem = check_name("learningrate")
    assert problem is not None
    assert "did you mean learning_rate?" in problem.what
