"""The searches to start from fit what else was asked for."""

from __future__ import annotations

from core.jobs.ranges import ContinuousRange
from core.tuning.presets import QUICK_LOOK
from training_scripts.arguments import BY_MODE


def _rates(**fixed: str) -> tuple[float, float]:
    found = QUICK_LOOK.fitting(fixed)
    (rate,) = (item for item in found.ranges if item.name == "learning_rate")
    assert isinstance(rate, ContinuousRange)
    return rate.low, rate.high


def test_each_mode_is_searched_around_its_own_learning_rate() -> None:
    for mode, fixed in (("head", {"optimizer": "adam"}), ("fine_tune", {})):
        low, high = _rates(mode=mode, **fixed)
        assert low < float(str(BY_MODE[mode]["learning_rate"])) < high
    assert _rates(mode="fine_tune")[1] < _rates(mode="head", head="mlp")[1]
    assert QUICK_LOOK.fitting({}) is QUICK_LOOK
