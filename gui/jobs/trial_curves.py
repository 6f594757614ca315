"""The numbers behind the plot of curves: one array per metric and colour, and the curve nearest to a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gui.jobs.metric_series import Curves, Series

Array = np.ndarray[Any, np.dtype[np.float64]]

MAX_POINTS = 300
"""A curve with more points is drawn by the lowest and highest of each stretch, which looks the same."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Curves of one metric joined into one array each of x, y (NaN between curves) and owner (index of the trial)."""

    x: Array
    y: Array
    owner: np.ndarray[Any, np.dtype[np.int64]]


def smooth(y: Array, window: int) -> Array:
    """Return a centred moving average over `window` (odd) points, over fewer at the ends; NaN stays where it was."""
    if window <= 1 or len(y) < 3:
        return y
    finite = np.isfinite(y)
    totals = np.cumsum(np.concatenate(([0.0], np.where(finite, y, 0.0))))
    counts = np.cumsum(np.concatenate(([0], finite.astype(np.int64))))
    low = np.maximum(np.arange(len(y)) - window // 2, 0)
    high = np.minimum(np.arange(len(y)) + window // 2 + 1, len(y))
    means = (totals[high] - totals[low]) / np.maximum(counts[high] - counts[low], 1)
    return np.where(finite, means, np.nan)


def decimate(x: Array, y: Array, most: int = MAX_POINTS) -> tuple[Array, Array]:
    """Return at most about `most` points that keep every stretch's lowest and highest value."""
    if len(x) <= most:
        return x, y
    size = -(-len(x) // (most // 2))
    whole = len(x) // size * size
    values = np.where(np.isfinite(y[:whole]), y[:whole], 0.0).reshape(-1, size)
    starts = np.arange(0, whole, size)
    keep = np.unique(np.concatenate((starts + values.argmin(1), starts + values.argmax(1), np.arange(whole, len(x)))))
    keep = np.union1d(keep, [0, len(x) - 1])
    return x[keep], y[keep]


class Bundler:
    """Joins many series into bundles and remembers what did not change, so that a refresh costs little."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[int, float, int, Array, Array]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def points(self, metric: str, trial: str, series: Series, window: int) -> tuple[Array, Array]:
        """Return the points of one trial, smoothed and thinned out."""
        key, mark = (metric, trial), (len(series.x), series.y[-1] if series.y else 0.0, window)
        known = self._known.get(key)
        if known is not None and known[:3] == mark:
            return known[3], known[4]
        x, y = series.arrays()
        x, y = decimate(x, smooth(y, window))
        self._known[key] = (*mark, x, y)
        return x, y

    def bundle(self, curves: Curves, metric: str, trials: Sequence[tuple[int, str]], window: int = 1) -> Bundle:
        """Return the curves of some trials, given as (index, name)."""
        all_series = curves.series(metric)
        xs, ys, owners, lengths = [], [], [], []
        for index, name in trials:
            series = all_series.get(name)
            if series is None:
                continue
            x, y = self.points(metric, name, series, window)
            xs += [x, _GAP]
            ys += [y, _GAP]
            owners.append(index)
            lengths.append(len(x) + 1)
        if not xs:
            return Bundle(_EMPTY, _EMPTY, np.empty(0, dtype=np.int64))
        owner = np.repeat(np.array(owners, dtype=np.int64), lengths)
        return Bundle(np.concatenate(xs), np.concatenate(ys), owner)


_GAP = np.array([np.nan])
_EMPTY = np.empty(0)


def nearest(bundle: Bundle, x: float, y: float, scale: tuple[float, float]) -> tuple[int, float] | None:
    """Return the owner of the curve nearest to (x, y) and its distance in pixels; `scale` is pixels per unit."""
    if len(bundle.x) == 0:
        return None
    px, py = (bundle.x - x) * scale[0], (bundle.y - y) * scale[1]
    near = np.hypot(px, py)
    best = _smallest(near)
    dx, dy = np.diff(px), np.diff(py)
    length = dx * dx + dy * dy
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.clip(-(px[:-1] * dx + py[:-1] * dy) / length, 0.0, 1.0)
    beside = np.hypot(px[:-1] + along * dx, py[:-1] + along * dy)
    second = _smallest(beside)
    options = [(float(values[at]), at) for values, at in ((near, best), (beside, second)) if at is not None]
    if not options:
        return None
    distance, at = min(options)
    return int(bundle.owner[at]), distance


def _smallest(values: Array) -> int | None:
    finite = np.where(np.isfinite(values), values, np.inf)
    if not len(finite):
        return None
    at = int(finite.argmin())
    return at if np.isfinite(finite[at]) else None
