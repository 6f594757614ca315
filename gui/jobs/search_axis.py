"""One hyperparameter's values on a scale from 0 to 1, for the views of a search."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gui.jobs.trial_curves import Array
from gui.shared import formatting


class Axis:
    """One hyperparameter's values on 0…1: numbers (logarithmic when they span 100-fold) or words in order of name."""

    def __init__(self, name: str, unit: Array, low: float, high: float, is_log: bool, names: Sequence[str]) -> None:
        self.name, self.unit, self._low, self._high, self._is_log, self._names = name, unit, low, high, is_log, names

    @classmethod
    def of(cls, name: str, texts: Sequence[str], scale: bool | None = None) -> Axis:
        """Return the axis for the values of all trials; "" is a missing value, NaN in `unit`.

        `scale`: whether it is logarithmic, as the range was that they were drawn from; None: where they span 100-fold.
        """
        try:
            values = np.array([float(text) if text else math.nan for text in texts], dtype=np.float64)
        except ValueError:
            names = sorted({text for text in texts if text})
            steps = max(1, len(names) - 1)
            place = {text: (at / steps if len(names) > 1 else 0.5) for at, text in enumerate(names)}
            return cls(name, np.array([place.get(text, math.nan) for text in texts]), 0.0, 0.0, False, names)
        known = values[np.isfinite(values)]
        if not len(known):
            return cls(name, values, 0.0, 0.0, False, ())
        low, high = float(known.min()), float(known.max())
        is_log = low > 0 and (high / low >= 100 if scale is None else scale)
        shown = np.log10(values) if is_log else values
        bottom, top = (math.log10(low), math.log10(high)) if is_log else (low, high)
        unit = np.where(np.isfinite(values), 0.5, np.nan) if top == bottom else (shown - bottom) / (top - bottom)
        return cls(name, unit, low, high, is_log, ())

    def ends(self) -> list[tuple[float, str]]:
        """Return what stands at the two ends; every word, where there are few of them."""
        if self._names:
            return self.ticks() if len(self._names) <= 8 else [(0.0, self._names[0]), (1.0, self._names[-1])]
        if not len(self.unit) or not np.isfinite(self.unit).any():
            return []
        return [(0.0, formatting.number(self._low, 3)), (1.0, formatting.number(self._high, 3))]

    def ticks(self, count: int = 5) -> list[tuple[float, str]]:
        """Return places on 0…1 and what they mean."""
        if self._names:
            steps = max(1, len(self._names) - 1)
            return [(at / steps if len(self._names) > 1 else 0.5, text) for at, text in enumerate(self._names)]
        if self._low == self._high:
            return [(0.5, formatting.number(self._low, 3))]
        places = [at / (count - 1) for at in range(count)]
        return [(place, formatting.number(self._value(place), 3)) for place in places]

    def _value(self, place: float) -> float:
        if self._is_log:
            return float(self._low * (self._high / self._low) ** place)
        return self._low + place * (self._high - self._low)
