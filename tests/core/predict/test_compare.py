"""Two models on the same pictures."""

from __future__ import annotations

import pytest
from scipy import stats

from core.predict.compare import compare, mcnemar
from core.predict.evaluate import EvaluatedPicture, Evaluation, summarise


def evaluation(job: str, answers: dict[str, str], folder: str = "") -> Evaluation:
    """The true class of a picture is the first letter of its name."""
    judged = [EvaluatedPicture(f"{folder}{name}", name[0], answer, 0.9) for name, answer in answers.items()]
    return summarise(judged, ("a", "b"), "test", job, None)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 0), (6, 0), (3, 9), (10, 10), (2, 30)])
def test_the_test_is_the_exact_one(first: int, second: int) -> None:
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_pictures_are_joined_by_content_and_settings_that_differ_are_named() -> None:
    first = evaluation("one", {f"a{n}": "a" for n in range(8)} | {"b0": "a", "b1": "b"})
    second = evaluation("two", {f"a{n}": "b" for n in range(8)} | {"b0": "b", "b2": "b"}, folder="moved/")
    keys = {picture.path: picture.path for picture in first.pictures}
    other_keys = {picture.path: picture.path.removeprefix("moved/") for picture in second.pictures}
    found = compare(first, second, keys, other_keys, {"head": "linear", "seed": "0"}, {"head": "mlp", "seed": "0"})
    assert (found.count, found.only_first, found.only_second) == (9, 8, 1)
    assert (found.both_right, found.both_wrong) == (0, 0)
    assert found.settings == {"head": ("linear", "mlp")}
    assert found.sentence == (
        "one gets 7 more of 9 test pictures right than two: 8 against 1 where they differ, more than luck (p = 0.039)."
    )
    assert [one.path for one in found.disagreements if not one.first_right] == ["b0"]


def test_what_may_be_luck_is_called_so_and_nothing_in_common_is_said() -> None:
    first, second = evaluation("one", {"a0": "a", "a1": "a"}), evaluation("two", {"a0": "a", "a1": "b"})
    assert "which may be luck (p = 1)" in compare(first, second).sentence
    assert "equally many of 2" in compare(first, first).sentence
    assert "not evaluated on the same pictures" in compare(first, evaluation("two", {"b7": "b"})).sentence
