"""How an accuracy and its interval are put in words."""

from __future__ import annotations

import pytest

from core.jobs.accuracy import Accuracy, share_words
from core.report.first_page import result_text
from core.report.story import Result


def test_on_valid_it_is_that_of_the_model_which_is_kept() -> None:
    last_epoch = {"valid:accuracy": 0.5, "valid:count": 40.0}
    assert Accuracy.among(last_epoch | {"valid:right": 36.0}) == Accuracy("valid", 0.9, 40)
    assert Accuracy.among(last_epoch) == Accuracy("valid", 0.5)  # of how many that epoch's model had right nothing says
    assert Accuracy.among({"test:accuracy": 0.5, "test:count": 0.2}) == Accuracy("test", 0.5)
    assert Accuracy.among(last_epoch, "fish") == Accuracy("valid", 0.5), "the weakest class is of the kept model"


def test_it_names_the_weakest_class_wherever_there_is_room() -> None:
    accuracy = Accuracy.among({"test:accuracy": 72 / 74, "test:count": 74.0}, "fish")
    assert accuracy is not None
    assert accuracy.sentence == "72 of 74 right on test (97.3 %, 91 to 99 %); weakest: fish"
    assert accuracy.counted == "72 of 74 right on test, 91 to 99 %; weakest: fish"
    assert accuracy.on_split == "97.3 % (91 to 99 %) on test; weakest: fish"


@pytest.mark.parametrize(
    ("right", "count", "words"),
    [
        (72, 74, "97.3 % (91 to 99 %)"),
        (74, 74, "100.0 % (95 to 100 %)"),
        (99, 100, "99.0 % (94.6 to 99.8 %)"),
        (97_300, 100_000, "97.3 % (97.2 to 97.4 %)"),
        (2_499, 2_500, "> 99.9 % (99.77 to 99.99 %)"),
        (60, 20_000, "0.3 % (0.2 to 0.4 %)"),
    ],
)
def test_an_interval_holds_its_share_and_calls_nothing_certain_that_is_not(right: int, count: int, words: str) -> None:
    assert share_words(right, count) == words
    assert result_text(Result("test", right, count, 0.1)) == words  # reports say what the window says
    accuracy = Accuracy("test", right / count, count)
    assert f"({accuracy.bounds})" == words[words.index("(") :].replace(" to ", "\N{EN DASH}")
