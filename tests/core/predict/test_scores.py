from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from core.jobs.accuracy import wilson
from core.predict.evaluate import EvaluatedPicture, summarise
from core.predict.records import Prediction
from core.predict.scores import calibration_error, reliability


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # Newcombe 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_of_the_literature(right: int, count: int, low: float, high: float) -> None:
    assert wilson(right, count) == pytest.approx((low, high), abs=1e-4)


def test_all_right_is_not_certain_and_nothing_counted_is_not_known() -> None:
    low, high = wilson(20, 20)
    assert (round(low, 3), high) == (0.839, 1.0)
    assert wilson(0, 0) == (0.0, 1.0)


answers = st.integers(2, 6).flatmap(
    lambda classes: st.lists(
        st.tuples(st.integers(0, classes - 1), st.lists(st.floats(0.01, 1), min_size=classes, max_size=classes)),
        min_size=1,
        max_size=40,
    )
)


@settings(deadline=None)
@given(answers)
def test_figures_are_those_of_scikit_learn(drawn: list[tuple[int, list[float]]]) -> None:
    weights = np.array([row for _, row in drawn])
    probabilities, truth = weights / weights.sum(axis=1, keepdims=True), np.array([label for label, _ in drawn])
    names = [f"class {number}" for number in range(probabilities.shape[1])]
    judged = []
    for number, (label, row) in enumerate(zip(truth, probabilities, strict=True)):
        ranked = sorted(zip(names, map(float, row), strict=True), key=lambda pair: -pair[1])
        answer = Prediction(Path(f"{number}.jpg"), tuple(ranked), 1.0, "job", 8, 8)
        judged.append(EvaluatedPicture.of_answer(f"{number}.jpg", names[label], answer))
    predicted = np.array([names.index(picture.predicted) for picture in judged])
    found = summarise(judged, names, "test", "job", None).scores
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are not there
        assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, predicted))
        assert found.macro_f1 == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    labels = list(range(len(names)))
    expected = metrics.brier_score_loss(truth, probabilities, labels=labels, scale_by_half=False)
    assert found.brier == pytest.approx(expected)
    assert found.baseline == pytest.approx(np.bincount(truth).max() / len(truth))
    low, high = found.interval
    assert 0 <= low <= np.mean(truth == predicted) <= high <= 1
    assert found.ece is not None
    assert 0 <= found.ece <= 1
    ranks = [picture.rank for picture in judged]
    for k in range(1, len(names)):
        mine = np.mean([rank is not None and rank <= k for rank in ranks])
        ties = any(len(set(row)) < len(row) for row in probabilities.tolist())
        assert ties or mine == pytest.approx(
            np.mean([label in np.argsort(-row)[:k] for label, row in zip(truth, probabilities, strict=True)])
        )


def test_precision_recall_and_the_first_five_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(5)
    names = [f"class {number:02d}" for number in range(12)]
    truth = random.integers(0, 11, 300)  # the last class is never there
    logits = random.normal(0, 1, (300, 12)) + 2.0 * np.eye(12)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    judged = []
    for number, (label, row) in enumerate(zip(truth, probabilities, strict=True)):
        ranked = sorted(zip(names, map(float, row), strict=True), key=lambda pair: -pair[1])
        answer = Prediction(Path(f"{number}.jpg"), tuple(ranked), 1.0, "job", 8, 8)
        judged.append(EvaluatedPicture.of_answer(f"{number}.jpg", names[label], answer))
    found = summarise(judged, names, "test", "job", None)
    labels, predicted = range(12), probabilities.argmax(axis=1)
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        truth, predicted, labels=labels, zero_division=0
    )
    for score, *expected in zip(found.per_class, precision, recall, support, strict=True):
        assert [score.precision or 0.0, score.recall or 0.0, score.support] == pytest.approx(expected)
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(truth, predicted, labels=labels))
    assert found.scores.top == pytest.approx(metrics.top_k_accuracy_score(truth, probabilities, k=5, labels=labels))
    shares, sure = calibration_curve(predicted == truth, probabilities.max(axis=1), n_bins=15)
    bins = found.reliability
    assert [one.accuracy for one in bins] == pytest.approx(list(shares))
    assert [one.sureness for one in bins] == pytest.approx(list(sure))
    counts = np.array([one.count for one in bins])
    assert found.scores.ece == pytest.approx(float((counts * np.abs(shares - sure)).sum() / counts.sum()))


@pytest.mark.parametrize(("right", "count"), [(0, 7), (3, 7), (7, 7), (72, 74), (500, 1000)])
def test_intervals_are_those_of_scipy(right: int, count: int) -> None:
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right, count) == pytest.approx((expected.low, expected.high))


def test_calibration_error_by_hand() -> None:
    bins = reliability([0.95, 0.95, 0.55, 0.55, 1.0, 0.0], [True, False, True, False, True, False], bins=10)
    assert [(one.count, round(one.accuracy, 2)) for one in bins] == [(1, 0.0), (2, 0.5), (3, 0.67)]
    expected = (1 * 0.0 + 2 * 0.05 + 3 * abs((0.95 + 0.95 + 1) / 3 - 2 / 3)) / 6
    assert calibration_error(bins) == pytest.approx(expected)


def test_what_one_picture_more_says() -> None:
    pictures = [EvaluatedPicture(f"{n}.jpg", "cat", "cat", 0.9) for n in range(72)]
    pictures += [EvaluatedPicture("x.jpg", "fish", "cat", 0.8), EvaluatedPicture("y.jpg", "fish", "fish", 0.9)]
    found = summarise(pictures, ("cat", "fish"), "test", "job", None)
    assert found.sentence == "Gets 73 of 74 right on test (98.6 %, 92.7 to 99.8 %); weakest: fish"
    assert found.scores.brier is None  # of an evaluation that an earlier version kept
    assert found.confusions == (("fish", "cat", 1),)
