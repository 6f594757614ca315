"""A trial is judged by the model that it keeps."""

import math

from training_scripts.metrics import METRIC_DEFINITIONS, begin_line, epoch_line
from training_scripts.strategies.objective_curve import ObjectiveCurve, kept_value

ACCURACY = ((1, 0.7), (2, 0.9), (3, 0.8))


def test_the_value_is_of_the_epoch_whose_weights_are_kept():
    assert kept_value(ACCURACY, {1: 0.9, 2: 0.3, 3: 0.5}) == 0.9
    assert kept_value(((1, 0.9), (2, 0.3), (3, 0.5)), {1: 0.9, 2: 0.3, 3: 0.5}) == 0.3
    assert kept_value(ACCURACY, {1: 0.3, 2: 0.3, 3: 0.5}) == 0.7, "of equals the first is kept"


def test_a_loss_of_an_epoch_without_a_value_does_not_count():
    assert kept_value(ACCURACY, {1: 0.9, 2: 0.3, 3: 0.5, 7: 0.1}) == 0.9


def test_a_loss_that_is_no_number_is_never_kept():
    assert kept_value(((1, 0.4), (2, math.nan)), {1: 0.4, 2: math.nan}) == 0.4
    assert kept_value(((1, math.nan), (2, math.nan)), {1: math.nan, 2: math.nan}) is None


def test_a_script_without_that_loss_is_judged_by_its_last_value():
    assert kept_value(ACCURACY, {}) == 0.8
    assert kept_value((), {}) is None


def test_a_curve_is_read_from_what_train_prints():
    curve = ObjectiveCurve(METRIC_DEFINITIONS["valid:accuracy"], True, {})
    for epoch, (loss, accuracy) in enumerate([(0.9, 0.5), (0.4, 0.8), (math.nan, 0.9)], 1):
        curve.read(epoch_line(epoch, 3, (1.0, 0.4), (loss, accuracy), 0.1, 0.2))
        curve.read("another line")
    assert curve.points == [(1, 0.5), (2, 0.8), (3, 0.9)]
    assert curve.objective == 0.8, "that of the epoch with the lowest valid loss"
    curve.read(epoch_line(2, 3, (1.0, 0.4), (0.1, 0.7), 0.1, 0.2))
    assert curve.points == [(1, 0.5), (2, 0.7)], "a run that was broken off went on from there"


def test_a_curve_is_cut_where_the_training_begins_again():
    curve = ObjectiveCurve(METRIC_DEFINITIONS["valid:accuracy"], True, {})
    for epoch, (loss, accuracy) in enumerate([(0.9, 0.5), (0.5, 0.6), (0.1, 0.9)], 1):
        curve.read(epoch_line(epoch, 3, (1.0, 0.4), (loss, accuracy), 0.1, 0.2))
    curve.read(begin_line(2))
    assert curve.points == [(1, 0.5), (2, 0.6)]
    assert curve.objective == 0.6
    curve.read("epoch=3/3 valid_accuracy=0.7")
    assert curve.objective == 0.6, "the loss of the epoch that comes again is not known yet"
    curve.read(begin_line(0))
    assert (curve.points, curve.objective) == ([], None)


def test_what_comes_beyond_the_limits_does_not_count():
    curve = ObjectiveCurve(METRIC_DEFINITIONS["Average loss"], False, {1: 0.5})
    curve.read(epoch_line(1, 3, (1.0, 0.4), (0.6, 0.5), 0.1, 0.2))
    assert curve.is_beyond
    curve.read(epoch_line(2, 3, (1.0, 0.4), (0.1, 0.5), 0.1, 0.2))
    assert curve.objective == 0.6
