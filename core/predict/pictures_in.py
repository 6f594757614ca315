"""Pictures as the predictor process reads them: what the network sees, a thumbnail, or the picture to be shown."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from core.predict.records import Rendered, Source
from training_scripts.pictures import open_picture
from training_scripts.preprocess import central

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training_scripts.backbones import Preprocessing

_ORIENTATION_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture for the network: (size, size, 3) uint8, the whole picture's size, and what decoding took."""

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    preprocessing: Preprocessing
    thumbnail: bytes
    milliseconds: float


def decode(source: Source, preprocessing: Preprocessing, thumbnail: int = 0) -> Decoded:
    """Read a picture for the network, as training and endpoints do; with a small JPEG when `thumbnail` is not 0.

    Raises:
        PictureUnreadable: it cannot be read.
    """
    began = time.perf_counter()
    image = open_picture(source, edge=preprocessing.resize)
    pixels = central(image, preprocessing)
    spent = 1000 * (time.perf_counter() - began)
    small = _jpeg(image, thumbnail) if thumbnail else b""
    return Decoded(pixels, _size_or_nothing(source), preprocessing, small, spent)


def render(source: Source, edge: int) -> Rendered:
    """Decode a picture to be looked at, its longer side at most `edge` pixels.

    Raises:
        PictureUnreadable: it cannot be read.
    """
    longer, shorter = max(size := _size_or_nothing(source)), min(size)
    image = open_picture(source, edge=max(1, edge * shorter // longer))
    image.thumbnail((edge, edge), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return Rendered(image.width, image.height, image.tobytes())


def upright_size(source: Source) -> tuple[int, int]:
    """(width, height) in pixels as the picture is seen; reads only the header."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
        width, height = image.size
        try:
            sideways = image.getexif().get(_ORIENTATION_TAG) in _SIDEWAYS
        except Exception:  # EXIF data that cannot be read turn nothing
            sideways = False
    return (height, width) if sideways else (width, height)


def _size_or_nothing(source: Source) -> tuple[int, int]:
    """The picture's size; of what is no picture (1, 1), for `open_picture` says best what is wrong with it."""
    try:
        return upright_size(source)
    except Exception:
        return (1, 1)


def _jpeg(image: Image.Image, edge: int) -> bytes:
    small = image.copy()
    small.thumbnail((edge, edge), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
