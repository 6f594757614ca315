"""The frames of an animation, or the pages of a TIFF, each as the file of a picture of its own; nothing is lost."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training_scripts.pictures import levels, reading
from training_scripts.pictures.colour import to_srgb
from training_scripts.pictures.limits import TimedBytes, check_size

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_KEPT = ("1", "L", "LA", "RGB", "RGBA")
"""Modes that PNG keeps as they are; others are colours that become RGB as they would when they are looked at."""


Frame = Image.Image | NDArray[np.generic]
"""A picture, or 16-bit colours, (height, width, 3 or 4), which Pillow does not hold."""


def frames_of(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each frame of a file as (ending, content): PNG, or TIFF for what only that can hold.

    Raises:
        PictureUnreadable: as `reading.open_picture`.
    """
    return map(encoded, pictures_of(data))


def pictures_of(data: bytes) -> Iterator[Frame]:
    """Yield each frame of a file, upright; each has the time and the memory of a picture of its own.

    Raises:
        PictureUnreadable: as `reading.open_picture`.
    """
    with reading.plain_sentences():
        format_, _ = reading.inspect(data)
        timed, timed_again = TimedBytes(data), TimedBytes(data)
        with closing(format_.decoder(timed)) as image, closing(format_.decoder(timed_again)) as again:
            for number in range(int(getattr(image, "n_frames", 1))):
                timed.start_again()
                timed_again.start_again()
                image.seek(number)
                check_size(*image.size)
                if format_.deep:
                    again.seek(number)
                cost = reading.budget.reserve(image.size)
                try:
                    yield _whole(image, again if format_.deep else None)
                finally:
                    reading.budget.give_back(cost)


def _whole(image: ImageFile, again: ImageFile | None) -> Frame:
    """Return the frame that is sought."""
    values = None if again is None else levels.read_deep(image, again)
    if values is None:
        image.load()  # a TIFF is turned as it is loaded
        plain: Image.Image = image.copy()
        profile = image.info.get("icc_profile")
        if plain.mode not in _KEPT or "transparency" in plain.info:
            clear = plain.has_transparency_data
            plain, profile = (plain.convert("RGBA"), profile) if clear else (to_srgb(plain).convert("RGB"), None)
        shown = reading.turned_upright(image, plain)
        shown.info = {"icc_profile": profile} if profile else {}
        return shown
    if values.ndim == 2:
        return reading.turned_upright(image, Image.fromarray(values))
    planes = [np.asarray(reading.turned_upright(image, Image.fromarray(plane))) for plane in np.moveaxis(values, -1, 0)]
    return np.stack(planes, axis=-1)


def encoded(frame: Frame) -> tuple[str, bytes]:
    """Return a frame as a file: its ending and its content."""
    if not isinstance(frame, Image.Image):
        return ".png", _deep_png(frame)
    if frame.mode in _KEPT:
        return ".png", saved(frame, "PNG", icc_profile=frame.info.get("icc_profile"))
    return ".tif", saved(frame, "TIFF", compression="tiff_adobe_deflate")


def saved(image: Image.Image, format_: str, **more: object) -> bytes:
    """Return a picture as Pillow saves it with these options."""
    file = io.BytesIO()
    image.save(file, format_, **{key: value for key, value in more.items() if value})
    return file.getvalue()


def _deep_png(values: NDArray[np.generic]) -> bytes:
    """Return 16-bit colours, (height, width, 3 or 4), as PNG."""
    height, width, channels = values.shape
    rows = np.ascontiguousarray(values.astype(">u2")).view(np.uint8).reshape(height, -1)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # each line is as it is: filter 0
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if channels == 3 else 6, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
