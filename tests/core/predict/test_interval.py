from __future__ import annotations

import pytest

from core.predict.interval import wilson


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
