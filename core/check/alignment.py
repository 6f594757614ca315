"""Whether two pictures are one: laid over each other to a fraction of a pixel, and compared in detail.

One is moved, stretched and made lighter until it fits the other best (Lucas and Kanade 1981, with gain and offset).
What is too light for a file is cut off there, so the darker of the two is fitted to the lighter one. Different pictures
of one kind, such as two coins, fit roughly; then their details differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.progress import CancelToken

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGE = 48
_SMOOTHING, _DETAIL = 1.0, 9
"""Pixels: of the smoothing before (files differ in the finest), and of the surroundings that detail stands out from."""

_ROUNDS, _STEP, _BATCH = 4, 0.05, 64
_HOPELESS = (0.78, 0.84)
"""Pictures less alike before the first step, and after it, are not fitted on: planted copies were 0.85 and 0.88."""

_HOLD = np.array([100.0, 100.0, 100.0, 100.0, 1.0, 0.01])
"""What keeps each parameter where it is, beside what the pixels say."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """Two pictures (EDGE, EDGE), brightness 0…255, and roughly how they are over each other.

    `second` shows at u, 0…1 of its width, what `first` shows at `left + across * u`; `top` and `down` are of heights.
    """

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    across: float = 1.0
    left: float = 0.0
    down: float = 1.0
    top: float = 0.0

    def ordered(self) -> Overlay:
        """Return the same with the darker picture first."""
        if self.first.mean() <= self.second.mean():
            return self
        across, down = 1 / self.across, 1 / self.down
        return Overlay(self.second, self.first, across, -self.left * across, down, -self.top * down)


def fit(overlays: Sequence[Overlay], cancel: CancelToken) -> NDArray[np.float64]:
    """Return how alike the details are (N,), -1…1, where each two pictures fit best.

    Raises:
        Cancelled: through `cancel`.
    """
    found: list[NDArray[np.float64]] = [np.zeros(0)]
    for start in range(0, len(overlays), _BATCH):
        cancel.raise_if_cancelled()
        found.append(_fit([overlay.ordered() for overlay in overlays[start : start + _BATCH]]))
    return np.concatenate(found)


def _fit(overlays: Sequence[Overlay]) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter

    smooth = (0, _SMOOTHING, _SMOOTHING)
    dark = gaussian_filter(np.stack([overlay.first for overlay in overlays]), smooth, mode="nearest")
    light = gaussian_filter(np.stack([overlay.second for overlay in overlays]), smooth, mode="nearest")
    place = np.array([(one.across, one.left, one.down, one.top) for one in overlays])
    at = ((np.arange(EDGE) + 0.5) / EDGE).astype(np.float32)
    rows, best = np.arange(len(overlays)), np.full(len(overlays), -1.0)
    tone = _gain_and_offset(_Laid(place).over(dark), light, _Laid(place).inside)
    for turn in range(_ROUNDS + 1):
        laid = _Laid(place)
        moved, inside = laid.over(dark), laid.inside
        said = tone[:, 0, None, None] * moved + tone[:, 1, None, None]
        seen = np.clip(said, 0, 255)
        best[rows] = np.maximum(best[rows], _likeness(np.where(inside, seen, light), light, inside))
        if turn == _ROUNDS:
            break
        if turn < len(_HOPELESS) and not (going := best[rows] >= _HOPELESS[turn]).all():
            if not going.any():
                break
            rows, dark, light, place, tone = rows[going], dark[going], light[going], place[going], tone[going]
            moved, said, seen, inside = moved[going], said[going], seen[going], inside[going]
            laid = _Laid(place)
        slope_y, slope_x = np.gradient(dark, axis=(1, 2))
        gain = tone[:, 0, None, None] * EDGE
        x, y = gain * laid.over(slope_x), gain * laid.over(slope_y)
        parts = [x * at[None, None, :], x, y * at[None, :, None], y, moved, np.ones_like(moved)]
        counted = inside & (said > 0) & (said < 255)  # what is cut off says nothing of where it comes from
        slopes = (np.stack(parts, 1) * counted[:, None]).reshape(len(rows), 6, -1)
        missing = ((light - seen) * inside).reshape(len(rows), -1, 1)
        step = np.linalg.solve(slopes @ slopes.transpose(0, 2, 1) + np.diag(_HOLD), slopes @ missing)[:, :, 0]
        place += np.clip(step[:, :4], -_STEP, _STEP)
        tone += step[:, 4:].astype(np.float32)
    return best


class _Laid:
    """Pictures seen at other places: bilinear, along each axis by a matrix of its own."""

    def __init__(self, place: NDArray[np.float64]) -> None:
        self._x, inside_x = _weights(place[:, 0], place[:, 1])
        self._y, inside_y = _weights(place[:, 2], place[:, 3])
        self.inside = inside_y[:, :, None] & inside_x[:, None, :]

    def over(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        return (self._y @ pictures @ self._x.transpose(0, 2, 1)).astype(np.float32, copy=False)


def _weights(scale: NDArray[np.float64], shift: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return how much each pixel (N, EDGE, EDGE) counts at each place, and which places are in the picture."""
    at = (shift[:, None] + scale[:, None] * (np.arange(EDGE) + 0.5) / EDGE) * EDGE - 0.5
    inside = (at > -0.5) & (at < EDGE - 0.5)
    at = np.clip(at, 0, EDGE - 1)
    return np.maximum(1 - np.abs(at[:, :, None] - np.arange(EDGE)), 0).astype(np.float32), inside


def _gain_and_offset(
    moved: NDArray[np.float32], light: NDArray[np.float32], inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    count = np.maximum(inside.sum(axis=(1, 2)), 1)
    means = [(picture * inside).sum(axis=(1, 2)) / count for picture in (moved, light)]
    one, two = ((picture - mean[:, None, None]) * inside for picture, mean in zip((moved, light), means, strict=True))
    gain = (one * two).sum(axis=(1, 2)) / np.maximum((one * one).sum(axis=(1, 2)), 1e-3)
    gain = np.clip(gain, 0.5, 3)
    return np.stack([gain, means[1] - gain * means[0]], axis=1).astype(np.float32)


def _likeness(one: NDArray[np.float32], two: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the correlation of details (N,), where both pictures are."""
    first, second = (_detail(picture) * inside for picture in (one, two))
    size = (first * first).sum(axis=(1, 2)) * (second * second).sum(axis=(1, 2))
    found: NDArray[np.float64] = (first * second).sum(axis=(1, 2)) / np.sqrt(np.maximum(size, 1e-3))
    return found


def _detail(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import uniform_filter

    found: NDArray[np.float32] = pictures - uniform_filter(pictures, (0, _DETAIL, _DETAIL), mode="nearest")
    return found
