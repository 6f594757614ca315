import numpy as np

from core.labels.guesses import SURE, ask_next, guess
from tests.core.features.test_alike import blobs


def test_a_few_labels_of_each_kind_say_what_the_others_are():
    features, kind = blobs(4, 50)
    labels = np.full(len(kind), -1, np.int64)
    for label in range(4):
        labels[np.flatnonzero(kind == label)[:3]] = label + 1  # the class 0 has no picture
    found = guess(features, labels, 5)
    assert (found.label == kind + 1).mean() > 0.97
    assert (found.probability >= found.margin).all()
    assert (found.probability > 0.2).all()
    assert found.label[found.probability >= SURE].tolist() == (kind + 1)[found.probability >= SURE].tolist()


def test_nothing_is_guessed_from_one_class():
    features, _ = blobs(2, 10)
    labels = np.full(20, -1, np.int64)
    assert guess(features, labels, 3) is None
    labels[:5] = 2
    assert guess(features, labels, 3) is None


def test_the_least_sure_are_asked_first_one_of_each_cohort_in_turn():
    cohort = np.array([0, 0, 0, 1, 1, 2])
    margin = np.array([0.1, 0.2, 0.9, 0.3, 0.8, 0.5], np.float32)
    is_open = np.array([True, True, True, True, True, False])
    assert ask_next(cohort, is_open, margin, 3) == [0, 3, 1]
    assert ask_next(cohort, is_open, margin, 99) == [0, 3, 1, 4, 2]
    assert ask_next(cohort, np.ones(6, bool), None, 3) == [0, 3, 5], "of the largest cohort first"
    assert ask_next(cohort, np.zeros(6, bool), margin, 3) == []
