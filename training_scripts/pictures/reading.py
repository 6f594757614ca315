"""The one way to pixels: limits kept, formats recognised and pictures decoded here and nowhere else."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from training_scripts.pictures import channels as channels_
from training_scripts.pictures import jpeg, levels
from training_scripts.pictures.colour import to_srgb
from training_scripts.pictures.formats import (
    FORMAT_NAMES,
    HEAD_BYTES,
    ForeignFormat,
    PictureFormat,
    recognise,
)
from training_scripts.pictures.limits import (
    MAX_PIXELS,
    MAX_SIDE,
    PixelBudget,
    TimedBytes,
    check_size,
)
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.structure import PictureUnreadable, Structure

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from training_scripts.backbones import Frame
    from training_scripts.pictures.channels import Channels
    from training_scripts.pictures.levels import Levels

__all__ = ["MAX_PIXELS", "MAX_SIDE", "PictureUnreadable", "open_picture"]

Source = Path | str | bytes | BinaryIO

DRAFT_MARGIN = 1.5
"""A JPEG is decoded at a reduced size only if its shorter side stays at least this many times `edge`.

What a network sees (224 pixels) then differs from a full decode by 1 to 2 of 255 grey levels on average (tested).
Training and prediction both decode like this.
"""

# What is too large is refused here; Pillow would warn first, and would refuse only at twice its limit.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

# Pillow keeps pixels in blocks of this size at most. Linux's C library gives blocks of over 32 MB back to the system
# when they are freed; of smaller ones every thread keeps what its largest picture took.
Image.core.set_block_size(40 << 20)  # type: ignore[attr-defined]

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_STRIP = 1 << 22
_GREYS = (127, 128)

budget = PixelBudget()
"""Of this process."""


def inspect(data: bytes) -> tuple[PictureFormat, Structure]:
    """Return the format of an encoded picture, and what its structure says.

    Raises:
        PictureUnreadable: it is not a picture of a format that is read, or its structure rules out that it can be used.
    """
    if not data:
        raise PictureUnreadable("The file is empty.")
    found = recognise(data[:HEAD_BYTES])
    if isinstance(found, ForeignFormat):
        lack = f" without {found.without}" if found.without else ""
        raise PictureUnreadable(f"The file is a picture of the format {found.name}, which is not read{lack}.")
    if found is None:
        raise PictureUnreadable(f"The file is not a picture ({FORMAT_NAMES}).")
    return found, found.inspect(data)


def open_picture(
    source: Source,
    *,
    edge: int | None = None,
    scale: Levels | None = None,
    frame: Frame = "first",
    channels: Channels | None = None,
) -> Image.Image:
    """Read one picture as upright RGB, transparency on white. Thread-safe.

    Args:
        source: a file, its bytes, or an open binary file.
        edge: the shorter side in pixels that the caller needs at least. A large JPEG is then decoded at 1/2, 1/4 or
            1/8 of its size (see `DRAFT_MARGIN`); the result is never smaller than `edge` because of that.
        scale: which values of a picture with more than 8 bits a channel are black and white; its own where None.
        frame: which frame of an animation, or page of a TIFF, is read.
        channels: which three channels are red, green and blue, counted from 1; the colours as they are where None.

    Raises:
        PictureUnreadable: not a picture, empty, cut off, damaged, too large, or too slow to decode; or it has no such
            channel.
    """
    data = _content(source)
    with plain_sentences():
        format_, structure = inspect(data)
        with closing(_decoder(format_, data, frame)) as image:
            check_size(*image.size)
            needed = int(edge * DRAFT_MARGIN) if edge is not None and structure.scalable else 0
            if needed:
                image.draft(image.mode, (needed, needed))
            cost = budget.reserve(image.size)
            try:
                if channels is None:
                    plain = _rgb(image, format_, data, scale, needed, frame)
                else:
                    plain = _chosen(image, format_, data, scale, frame, channels)
                shown = turned_upright(image, plain)
            except BaseException:
                budget.give_back(cost)
                raise
            budget.keep(cost, shown)
            shown.info = {}  # or a later reader of the EXIF data would turn it once more
            return shown


def levels_in(data: bytes) -> Levels | None:
    """Return the range of values of a picture with more than 8 bits a channel; None of any other.

    Raises:
        PictureUnreadable: as `open_picture`.
    """
    with plain_sentences():
        format_, structure = inspect(data)
        if not format_.deep or (structure.settled and not structure.deep):
            return None
        with closing(_decoder(format_, data)) as image:
            check_size(*image.size)
            cost = budget.reserve(image.size)
            try:
                with closing(_decoder(format_, data)) as again:
                    values = levels.read_deep(image, again)
                return None if values is None else levels.of_picture(values)
            finally:
                budget.give_back(cost)


def size_of(source: Source, *, upright: bool = True, frame: Frame = "first") -> tuple[int, int]:
    """Return (width, height) in pixels as the picture is seen, or as it is stored; nothing is decoded.

    Raises:
        PictureUnreadable: as `open_picture`.
    """
    data = _content(source)
    with plain_sentences():
        format_, _ = inspect(data)
        with closing(_decoder(format_, data, frame)) as image:
            width, height = image.size
            return (height, width) if upright and _orientation(image) in _SIDEWAYS else (width, height)


def parts_of(source: Source) -> tuple[int, int]:
    """Return how many frames or pages a file holds, and how many channels its first picture has; nothing is decoded.

    Raises:
        PictureUnreadable: as `open_picture`.
    """
    data = _content(source)
    with plain_sentences():
        format_, _ = inspect(data)
        with closing(_decoder(format_, data)) as image:
            many = image.count if isinstance(image, channels_.ManyChannels) else len(image.getbands())
            return int(getattr(image, "n_frames", 1)), many


def _content(source: Source) -> bytes:
    if isinstance(source, bytes | bytearray):
        return bytes(source)
    return read_file(source) if isinstance(source, str | os.PathLike) else source.read()


def _decoder(format_: PictureFormat, data: bytes, frame: Frame = "first") -> ImageFile:
    """Return the picture, not yet decoded; to be closed: some of Pillow's objects live until garbage is collected."""
    try:
        # What is taken from a PNG are the chunks that the first picture does without, its other frames among them.
        image = format_.decoder(TimedBytes(format_.cleaned(data) if frame == "first" else data))
        if frame != "first" and (count := getattr(image, "n_frames", 1)) > 1:
            image.seek(count // 2 if frame == "middle" else count - 1)
        return image
    except PictureUnreadable:
        raise
    except (SyntaxError, KeyError, ValueError):
        if kind := format_.kind(data):
            raise PictureUnreadable(f"The picture is a kind of {format_.name} that is not read: {kind}.") from None
        raise


def _chosen(
    image: ImageFile, format_: PictureFormat, data: bytes, scale: Levels | None, frame: Frame, channels: Channels
) -> Image.Image:
    """Return three channels of `image` as RGB: of the pixels where it has as many, else of a TIFF's pages."""
    values = None
    if format_.deep:
        with closing(_decoder(format_, data, frame)) as again:
            values = levels.read_deep(image, again)
    if values is None:
        values = channels_.values_of(image)
    count = 1 if values.ndim == 2 else values.shape[2]
    if count >= max(channels):
        picked = values[..., [channel - 1 for channel in channels]]
    elif count == 1 and format_.name == "TIFF" and getattr(image, "n_frames", 1) >= max(channels):
        picked = np.stack([channels_.page(image, channel) for channel in channels], axis=-1)
    else:
        raise channels_.too_few(count, max(channels))
    if picked.dtype != np.uint8:
        picked = levels.to_bytes(picked, scale or levels.common([levels.of_picture(picked)]))
    return Image.fromarray(np.ascontiguousarray(picked))


def _rgb(
    image: ImageFile, format_: PictureFormat, data: bytes, scale: Levels | None, needed: int, frame: Frame
) -> Image.Image:
    """Return the decoded pixels of `image` as plain RGB."""
    if format_.deep:
        with closing(_decoder(format_, data, frame)) as again:
            values = levels.read_deep(image, again)
        if values is not None:
            return _deep_rgb(image, values, scale or levels.common([levels.of_picture(values)]))
    image.load()
    if format_.name == "JPEG" and _lacks_pixels(image, format_, data, needed):
        raise PictureUnreadable("The picture is cut off: its lower part is missing.")
    return _flat(to_srgb(image))


def _deep_rgb(image: ImageFile, values: NDArray[np.generic], scale: Levels) -> Image.Image:
    plain = Image.fromarray(levels.to_bytes(values[..., :3] if values.ndim == 3 else values, scale))
    if image.mode == "RGBA":
        plain.putalpha(Image.fromarray((values[..., 3] >> 8).astype(np.uint8)))  # type: ignore[operator]
    plain.info = {key: value for key, value in image.info.items() if key == "icc_profile"}
    return _flat(to_srgb(plain))


def _flat(image: Image.Image) -> Image.Image:
    """Return `image` as RGB on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.copy()
    if image.mode not in ("RGBA", "LA", "PA", "La", "RGBa") and "transparency" not in image.info:
        return image.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    rows = max(1, _STRIP // image.width)
    for top in range(0, image.height, rows):  # in strips: a second whole copy of a large picture is much memory
        part = image.crop((0, top, image.width, min(top + rows, image.height))).convert("RGBA")
        white.paste(part, (0, top), part)
    return white


def _lacks_pixels(image: ImageFile, format_: PictureFormat, data: bytes, needed: int) -> bool:
    """Whether the last pixels of a JPEG are the grey of pixels that never came (see `jpeg.filled`)."""
    corner = image.getpixel((image.width - 1, image.height - 1))
    if any(value not in _GREYS for value in (corner if isinstance(corner, tuple) else (corner,))):
        return False
    filled = jpeg.filled(data)
    if filled is None:
        return False
    with closing(_decoder(format_, filled)) as other:
        if needed:
            other.draft(image.mode, (needed, needed))
        other.load()
        return other.size == image.size and other.tobytes() != image.tobytes()


def turned_upright(loaded: Image.Image, image: Image.Image) -> Image.Image:
    """Return `image` as the EXIF data of `loaded` say that it is seen."""
    turn = _UPRIGHT.get(_orientation(loaded))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """Return how the EXIF data say that the picture is turned; data that cannot be read turn nothing."""
    try:
        found = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1
    return found if isinstance(found, int) else 1


@contextmanager
def plain_sentences() -> Iterator[None]:
    """Turn what Pillow raises into PictureUnreadable with a sentence in plain words."""
    try:
        yield
    except PictureUnreadable:
        raise
    except MemoryError:
        raise PictureUnreadable("The picture needs more memory than there is.", lasting=False) from None
    except Exception as error:  # Pillow's decoders raise SyntaxError, struct.error, IndexError … on damaged files.
        if _looks_cut_off(error):
            raise PictureUnreadable("The picture is cut off: the file ends too early.") from None
        raise PictureUnreadable("The picture is damaged: it cannot be decoded.") from None


def _looks_cut_off(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, EOFError) or any(
        word in text for word in ("truncated", "unexpected end", "not enough data", "buffer")
    )
