"""Pictures as the predictor process reads them: what the network sees, a thumbnail, or the picture to be shown."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from core.predict.records import Rendered, Source
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.reading import open_picture, size_of
from training_scripts.preprocess import framed, opened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training_scripts.backbones import Preprocessing


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture for the network: uint8 of the preprocessing's shape, the whole picture's size, what decoding took."""

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
    data = source if isinstance(source, bytes) else read_file(source)
    image = opened(data, preprocessing)
    pixels = framed(image, preprocessing)
    spent = 1000 * (time.perf_counter() - began)
    small = _jpeg(image, thumbnail) if thumbnail else b""
    return Decoded(pixels, size_of(data, frame=preprocessing.frame), preprocessing, small, spent)


def render(source: Source, edge: int) -> Rendered:
    """Decode a picture to be looked at, its longer side at most `edge` pixels.

    Raises:
        PictureUnreadable: it cannot be read.
    """
    data = source if isinstance(source, bytes) else read_file(source)
    longer, shorter = max(size := size_of(data)), min(size)
    image = open_picture(data, edge=max(1, edge * shorter // longer))
    image.thumbnail((edge, edge), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return Rendered(image.width, image.height, image.tobytes())


def _jpeg(image: Image.Image, edge: int) -> bytes:
    small = image.copy()
    small.thumbnail((edge, edge), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
