"""Pictures in little: what shows near duplicates and faults of quality, from one reading of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from core.check.alignment import EDGE, Overlay
from core.progress import CancelToken, OnProgress, Progress
from core.translation import tr
from training_scripts.data import cores, in_threads
from training_scripts.pictures.reading import open_picture
from training_scripts.pictures.structure import PictureUnreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_READ, _SQUARE, _SIDE, _COLOURS = 128, 96, 16, 24
"""Pixels of a side: what is read of a picture, the square that is made of it, the changes that a part is known by, and
what its colours are seen in."""

_RECOLOURED = 0.65
"""Of the saturation: so far apart the mean colours of one picture are not."""

_SLACK = 0.1
_STARTS = (0.0, 0.025, 0.05, 0.075, 0.1)
_CROPS = [(0.0, 0.0, 1.0, 1.0)] + [
    (left, top, left + 1 - _SLACK, top + 1 - _SLACK) for left in _STARTS for top in _STARTS
]
"""The whole picture, and 25 parts that are a tenth smaller on a side."""


@dataclass(frozen=True, slots=True)
class Little:
    """A picture in little.

    `parts` (crops, 2 * side * side) are the changes of brightness from left to right and from top to bottom, of the
    whole picture and of parts of it; times `scale` each has length 1. `grey` (48, 48) is its brightness. `sharpness` is
    the deviation of the Laplacian of brightness (0…255), `high` and `low` what 95 % and 5 % of the pixels stay under,
    `deviation` that of brightness. `colour` is the mean of Cb and Cr from grey on, `saturation` of their length.
    """

    parts: NDArray[np.int8]
    scale: float
    grey: NDArray[np.uint8]
    sharpness: float
    high: float
    low: float
    deviation: float
    colour: tuple[float, float] = (0.0, 0.0)
    saturation: float = 0.0


def littles(files: Sequence[Path], on_progress: OnProgress, cancel: CancelToken | None = None) -> list[Little | None]:
    """Return each picture in little; None where it cannot be read.

    Raises:
        Cancelled: through `cancel`.
    """
    cancel = cancel or CancelToken()
    found: list[Little | None] = []
    for little in in_threads(_little, files, cores(), 64):
        cancel.raise_if_cancelled()
        found.append(little)
        if len(found) % 50 == 0:
            on_progress(Progress(len(found), len(files), tr("Looking at the pictures"), "pictures"))
    return found


def likeness(first: Little, second: Little) -> tuple[float, Overlay]:
    """Return how alike two pictures are at a glance, -1…1, and how they are over each other then.

    It is the best of all parts of one against the whole other, mirrored too.
    """
    one, two = first.parts.astype(np.float32), second.parts.astype(np.float32)
    # Of mirrored pictures: to mirror one vector of a product is to mirror the other.
    alike = np.stack([one @ two[0], two @ one[0], one @ _mirrored(two[0]), two @ _mirrored(one[0])])
    alike *= first.scale * second.scale
    way, part = divmod(int(alike.argmax()), len(_CROPS))
    left, top, right, bottom = _CROPS[part]
    across, down = right - left, bottom - top
    if way == 3:  # the part was cut out before it was mirrored
        left = 1 - right
    if way % 2:  # the first picture is a part of the second one
        across, down = 1 / across, 1 / down
        left, top = -left * across, -top * down
    greys = first.grey.astype(np.float32), second.grey.astype(np.float32)
    other = greys[1][:, ::-1] if way >= 2 else greys[1]
    return float(alike[way, part]), Overlay(greys[0], other, across, left, down, top)


def recoloured(first: Little, second: Little) -> bool:
    """Whether one of two pictures has the colours of the other no more: it lacks them, or has others.

    Copies of 557 pictures, lighter, darker, cropped or recoded, were 0.46 apart at most; without colours 0.88 or more.
    """
    apart = float(np.hypot(first.colour[0] - second.colour[0], first.colour[1] - second.colour[1]))
    return apart > _RECOLOURED * (max(first.saturation, second.saturation) + 2)


def _little(file: Path) -> Little | None:
    try:
        picture = open_picture(file, edge=_READ)
    except PictureUnreadable:
        return None
    if max(picture.size) > 2 * _READ:
        picture.thumbnail((_READ, _READ), Image.Resampling.BOX)
    grey = picture.convert("L")
    small_colours = picture.convert("RGB").resize((_COLOURS, _COLOURS), Image.Resampling.BOX).convert("YCbCr")
    chroma = np.asarray(small_colours, np.float32)[..., 1:] - 128
    pixels = np.asarray(grey, np.float32)
    sharpness = 0.0
    if min(pixels.shape) > 2:
        laplacian = 4 * pixels[1:-1, 1:-1] - pixels[:-2, 1:-1] - pixels[2:, 1:-1] - pixels[1:-1, :-2] - pixels[1:-1, 2:]
        sharpness = float(laplacian.std())
    resampling = Image.Resampling.BOX if min(grey.size) > _SQUARE else Image.Resampling.BILINEAR
    square = np.asarray(grey.resize((_SQUARE, _SQUARE), resampling), np.float32)
    parts = _parts(square)
    scale = max(float(np.abs(parts).max()), 1e-6) / 127
    fold = _SQUARE // EDGE
    small = square.reshape(EDGE, fold, EDGE, fold).mean(axis=(1, 3))
    low, high, deviation = _spread(np.array(grey.histogram()))
    fields = np.round(parts / scale).astype(np.int8), scale, small.astype(np.uint8)
    colour, saturation = chroma.mean(axis=(0, 1)).tolist(), float(np.hypot(chroma[..., 0], chroma[..., 1]).mean())
    return Little(*fields, sharpness, high, low, deviation, tuple(colour), saturation)


def _spread(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """Return what 5 % and 95 % of the pixels stay under and their deviation, from how many have each brightness."""
    up_to, values = np.cumsum(counts), np.arange(len(counts))
    low, high = np.searchsorted(up_to, (0.05 * up_to[-1], 0.95 * up_to[-1])).tolist()
    mean = counts @ values / up_to[-1]
    return float(low), float(high), float(np.sqrt(counts @ np.square(values - mean) / up_to[-1]))


def _windows() -> NDArray[np.float32]:
    """Return how much pixels of a square count in the cells of each window, along one axis (6, side + 1, square)."""
    edges = np.arange(_SQUARE + 1)
    found = []
    for start, size in [(0.0, 1.0), *((start, 1 - _SLACK) for start in _STARTS)]:
        cuts = (start + size * np.arange(_SIDE + 2) / (_SIDE + 1)) * _SQUARE
        shared = np.minimum(cuts[1:, None], edges[None, 1:]) - np.maximum(cuts[:-1, None], edges[None, :-1])
        found.append(np.maximum(shared, 0) / (cuts[1:] - cuts[:-1])[:, None])
    return np.stack(found).astype(np.float32)


_WINDOWS = _windows()
_ACROSS, _DOWN = np.array([(0, 0)] + [(1 + x, 1 + y) for x in range(len(_STARTS)) for y in range(len(_STARTS))]).T


def _parts(square: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the changes of brightness (crops, 2 * side * side) of a square picture, each crop's of length 1."""
    cells = (_WINDOWS @ square)[_DOWN] @ _WINDOWS[_ACROSS].transpose(0, 2, 1)
    across, down = np.diff(cells, axis=2), np.diff(cells, axis=1)
    across, down = across[:, :-1] + across[:, 1:], down[:, :, :-1] + down[:, :, 1:]
    changes = np.concatenate([across.reshape(len(cells), -1), down.reshape(len(cells), -1)], axis=1)
    found: NDArray[np.float32] = changes / np.maximum(np.linalg.norm(changes, axis=1, keepdims=True), 1e-6)
    return found


def _mirrored(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the part of the mirrored picture."""
    both = part.reshape(2, _SIDE, _SIDE)[:, :, ::-1].copy()
    both[0] *= -1
    return both.ravel()
