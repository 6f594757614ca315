"""A trial is judged by the model that it keeps."""

import math

from core.engines.local.runs import kept_value

ACCURACY = ((1, 0.7), (2, 0.9), (3, 0.8))


def test_the_value_is_of_the_epoch_whose_weights_are_kept():
    assert kept_value(ACCURACY, {1: 0.9, 2: 0.3, 3: 0.5}) == 0.9
    assert kept_value(((1, 0.9), (2, 0.3), (3, 0.5)), {1: 0.9, 2: 0.3, 3: 0.5}) == 0.3
    assert kept_value(ACCURACY, {1: 0.3, 2: 0.3, 3: 0.5}) == 0.7, "of equals the first is kept"


def test_a_loss_that_is_no_number_is_never_kept():
    assert kept_value(((1, 0.4), (2, math.nan)), {1: 0.4, 2: math.nan}) == 0.4
    assert kept_value(((1, math.nan), (2, math.nan)), {1: math.nan, 2: math.nan}) is None


def test_a_script_without_that_loss_is_judged_by_its_last_value():
    assert kept_value(ACCURACY, {}) == 0.8
    assert kept_value((), {}) is None
