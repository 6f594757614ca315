"""Pictures in little: what near duplicates and faults of quality are told by, from one reading of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from core.check.alignment import EDGE, Overlay
from core.progress import CancelToken, OnProgress, Progress
from training_scripts.data import cores, in_threads
from training_scripts.pictures import PictureUnreadable, open_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EDGE, _SIDE = 128, 16
_CROPS = [(0.0, 0.0, 1.0, 1.0)] + [
    (left * slack, top * slack, 1 - (1 - left) * slack, 1 - (1 - top) * slack)
    for slack in (0.1,)
    for left in (0.0, 0.25, 0.5, 0.75, 1.0)
    for top in (0.0, 0.25, 0.5, 0.75, 1.0)
]
"""The whole picture, and 25 parts that are a tenth smaller on a side."""


@dataclass(frozen=True, slots=True)
class Little:
    """A picture in little.

    `parts` (crops, side * side * 2) are the changes of brightness from left to right and from top to bottom, of the
    whole picture and of parts of it, each of length 1; `grey` (48, 48) is its brightness. `sharpness` is the deviation
    of the Laplacian of brightness (0…255), `high` and `low` what 95 % and 5 % of the pixels stay under, `deviation`
    that of brightness.
    """

    parts: NDArray[np.float16]
    grey: NDArray[np.uint8]
    sharpness: float
    high: float
    low: float
    deviation: float


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
            on_progress(Progress(len(found), len(files), "Looking at the pictures", "pictures"))
    return found


def likeness(first: Little, second: Little) -> tuple[float, Overlay]:
    """Return how alike two pictures are at a glance, -1…1, and how they lie over each other then.

    It is the best of all parts of one against the whole other, mirrored too.
    """
    one, two = first.parts.astype(np.float32), second.parts.astype(np.float32)
    turned = _mirrored(two)
    alike = [one @ two[0], two @ one[0], one @ turned[0], turned @ one[0]]
    way = int(np.argmax([part.max() for part in alike]))
    part = int(alike[way].argmax())
    left, top, right, bottom = _CROPS[part]
    across, down = right - left, bottom - top
    if way == 3:  # the part was cut out before it was mirrored
        left = 1 - right
    if way % 2:  # the first picture is a part of the second one
        across, down = 1 / across, 1 / down
        left, top = -left * across, -top * down
    greys = first.grey.astype(np.float32), second.grey.astype(np.float32)
    other = greys[1][:, ::-1] if way >= 2 else greys[1]
    return float(alike[way][part]), Overlay(greys[0], other, across, left, down, top)


def _little(file: Path) -> Little | None:
    try:
        grey = open_picture(file, edge=_EDGE).convert("L")
    except PictureUnreadable:
        return None
    if max(grey.size) > 2 * _EDGE:
        grey.thumbnail((_EDGE, _EDGE), Image.Resampling.BOX)
    pixels = np.asarray(grey, np.float32)
    sharpness = 0.0
    if min(pixels.shape) > 2:
        laplacian = 4 * pixels[1:-1, 1:-1] - pixels[:-2, 1:-1] - pixels[2:, 1:-1] - pixels[1:-1, :-2] - pixels[1:-1, 2:]
        sharpness = float(laplacian.std())
    parts = np.stack([_part(grey, box) for box in _CROPS]).astype(np.float16)
    low, high = np.percentile(pixels, (5, 95))
    small = np.asarray(grey.resize((EDGE, EDGE), _filter(grey, EDGE)), np.uint8)
    return Little(parts, small, sharpness, float(high), float(low), float(pixels.std()))


def _part(grey: Image.Image, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    width, height = grey.size
    left, top, right, bottom = box
    pixels = np.asarray(
        grey.resize(
            (_SIDE + 1, _SIDE + 1),
            _filter(grey, _SIDE),
            (left * width, top * height, right * width, bottom * height),
        ),
        np.float32,
    )
    across, down = np.diff(pixels, axis=1), np.diff(pixels, axis=0)
    across, down = across[:-1] + across[1:], down[:, :-1] + down[:, 1:]
    found = np.concatenate([across.ravel(), down.ravel()])
    scaled: NDArray[np.float32] = (found / max(float(np.linalg.norm(found)), 1e-6)).astype(np.float32)
    return scaled


def _filter(picture: Image.Image, side: int) -> Image.Resampling:
    return Image.Resampling.BOX if min(picture.size) > side else Image.Resampling.BILINEAR


def _mirrored(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the parts of the mirrored picture, in another order."""
    both = parts.reshape(len(parts), 2, _SIDE, _SIDE)[:, :, :, ::-1].copy()
    both[:, 0] *= -1
    return both.reshape(len(parts), -1)
