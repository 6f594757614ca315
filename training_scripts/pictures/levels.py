"""Deep pictures, of more than 8 bits a channel: which of their values is black and which is white.

A measurement seldom fills what its file could hold (12 bits in 16, degrees in floating-point numbers), so the scale is
taken from the values: one scale for all pictures of a dataset, or else their values could not be compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from training_scripts.pictures.channels import ManyChannels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

Levels = tuple[float, float]
"""The values of black and of white."""

_OUTLIERS_PERCENT = 0.1
"""So much of a picture's values at either end may be cut: dead pixels, labels burnt into an X-ray."""
_ODD_PICTURES_PERCENT = 1.0
_LOOKED_AT = 1 << 20
_USUAL_WHITES = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Values that instruments and programs use for white where black is 0."""
_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def of_picture(values: NDArray[np.generic]) -> Levels:
    """Return the lowest and the highest value of one picture, few outliers aside."""
    some = values.reshape(-1)[:: max(1, values.size // _LOOKED_AT)]
    finite = some[np.isfinite(some)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, (_OUTLIERS_PERCENT, 100 - _OUTLIERS_PERCENT))
    return float(low), float(high)


def common(ranges: Sequence[Levels]) -> Levels:
    """Return one scale for pictures of these ranges; a usual one where they fill half of it."""
    low = float(np.percentile([low for low, _ in ranges], _ODD_PICTURES_PERCENT))
    high = float(np.percentile([high for _, high in ranges], 100 - _ODD_PICTURES_PERCENT))
    white = next((white for white in _USUAL_WHITES if high <= white), None)
    if white is not None and low >= 0 and high - low >= white / 2:
        return 0.0, white
    return low, max(high, low + 1e-12 * max(1.0, abs(low)))


def to_bytes(values: NDArray[np.generic], levels: Levels) -> NDArray[np.uint8]:
    """Return `values` as 0…255 between black and white; outside is black or white, what is not a number is black."""
    low, high = levels
    scaled = np.nan_to_num((values.astype(np.float32) - low) * (255.0 / (high - low)), nan=0.0)
    shown: NDArray[np.uint8] = (np.clip(scaled, 0, 255) + 0.5).astype(np.uint8)
    return shown


def read_deep(image: ImageFile, again: ImageFile) -> NDArray[np.generic] | None:
    """Return a deep picture's values, (height, width) or (height, width, channels); None where it has 8 bits a channel.

    Both are the same picture, opened and not yet decoded. Pillow keeps one byte of each 16-bit colour value, so
    `again` is decoded for the other one.
    """
    if isinstance(image, ManyChannels):
        return None if image.bits == 8 else image.values()
    if image.mode.startswith("I") or image.mode == "F":
        return np.asarray(image)
    arguments = image.tile[0][3] if image.tile else None
    raw = arguments[0] if isinstance(arguments, tuple) else arguments
    if image.mode not in ("RGB", "RGBA") or not isinstance(raw, str) or raw[-4:-1] != ";16":
        return None
    other = raw[:-1] + _OTHER_BYTE[raw[-1]]
    again.tile = [
        tile._replace(args=(other, *tile.args[1:]) if isinstance(tile.args, tuple) else other) for tile in again.tile
    ]
    values: NDArray[np.uint16] = np.asarray(image).astype(np.uint16) << 8 | np.asarray(again)
    return values
