"""Read a picture of any usual kind as 8-bit RGB, the same way for training, prediction and thumbnails (Pillow only).

Limits: a side of at most `MAX_SIDE` pixels and at most `MAX_PIXELS` pixels in all, checked before anything is decoded.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import BinaryIO

# Imported here, not on demand, so that threads that open their first picture do not race to register the formats.
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"},
)
"""File name endings (lower case) of the formats that `open_picture` reads."""
FORMATS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        GifImagePlugin.GifImageFile,
        BmpImagePlugin.BmpImageFile,
        TiffImagePlugin.TiffImageFile,
    )
)
MAX_SIDE = 20_000
MAX_PIXELS = 120_000_000
DRAFT_MARGIN = 1.5
"""A JPEG is decoded at a reduced size only if its shorter side stays at least this many times `edge`.

What a network sees (224 pixels) then differs from a full decode by 1 to 2 of 255 grey levels on average (tested).
Training and prediction both decode like this.
"""

# `open_picture` refuses by itself what is too large; Pillow would warn first, and would refuse only at twice its limit.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

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


class PictureUnreadable(ValueError):
    """A picture cannot be read; the message is one plain sentence that says why."""


def open_picture(source: Path | str | bytes | BinaryIO, *, edge: int | None = None) -> Image.Image:
    """Read one picture as upright RGB; of an animation the first frame, transparency on white. Thread-safe.

    Args:
        source: a file, its bytes, or an open binary file.
        edge: the shorter side in pixels that the caller needs at least. A large JPEG is then decoded at 1/2, 1/4 or
            1/8 of its size (see `DRAFT_MARGIN`); the result is never smaller than `edge` because of that.

    Raises:
        PictureUnreadable: not a picture, empty, cut off, damaged or too large.
    """
    try:
        with Image.open(_opened(source), formats=FORMATS) as image:
            _check_size(image.size)
            if edge is not None and image.format in ("JPEG", "MPO"):
                needed = int(edge * DRAFT_MARGIN)
                image.draft(image.mode, (needed, needed))
            image.load()
            upright = _upright(image, _to_rgb(image))
            upright.info = {}  # or a later reader of the EXIF data would turn it once more
            return upright
    except PictureUnreadable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureUnreadable(f"The picture has more than {MAX_PIXELS // 1_000_000} million pixels.") from None
    except UnidentifiedImageError:
        raise PictureUnreadable("The file is not a picture (JPEG, PNG, WebP, GIF, BMP or TIFF).") from None
    except MemoryError:
        raise PictureUnreadable("The picture needs more memory than there is.") from None
    except Exception as error:  # Pillow's decoders raise SyntaxError, struct.error, IndexError … on damaged files.
        if _looks_cut_off(error):
            raise PictureUnreadable("The picture is cut off: the file ends too early.") from None
        raise PictureUnreadable(f"The picture is damaged: {_one_line(error)}.") from None


def _opened(source: Path | str | bytes | BinaryIO) -> Path | BinaryIO:
    """`source` as something Pillow opens; refuses what is empty or not there."""
    if isinstance(source, bytes | bytearray):
        if not source:
            raise PictureUnreadable("The file is empty.")
        return io.BytesIO(source)
    if not isinstance(source, str | os.PathLike):
        return source
    path = Path(source)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise PictureUnreadable("This is a folder, not a picture.")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise PictureUnreadable("The file is not there any more.") from None
    except OSError as error:
        raise PictureUnreadable(f"The file cannot be read: {error.strerror or _one_line(error)}.") from None
    if size == 0:
        raise PictureUnreadable("The file is empty.")
    return path


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if max(size) > MAX_SIDE or width * height > MAX_PIXELS:
        raise PictureUnreadable(
            f"The picture is too large: {width:,} x {height:,} pixels, where at most {MAX_SIDE:,} a side "
            f"and {MAX_PIXELS // 1_000_000} million in all are read."
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image.copy()
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        white = Image.new("RGB", coloured.size, "white")
        white.paste(coloured, mask=coloured.getchannel("A"))
        return white
    return image.convert("RGB")


def _deep_grey(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float grey as 8-bit grey; Pillow itself would clip everything above 255 to white."""
    wide = image.convert("F")
    low, high = wide.getextrema()
    assert isinstance(low, float)
    assert isinstance(high, float)
    if image.mode.startswith("I;16") or (image.mode == "I" and low >= 0 and high <= 65535):
        full = 65535.0
    elif image.mode == "F" and low >= 0 and high <= 1:
        full = 1.0
    else:  # no known range: what is there is spread from black to white
        wide, full = wide.point(lambda value: value * 1.0 - low), max(high - low, 1e-12)
    return wide.point(lambda value: value * (255.0 / full) + 0.5).convert("L")


def _upright(loaded: Image.Image, image: Image.Image) -> Image.Image:
    """`image` turned as the EXIF data of `loaded` say; EXIF data that cannot be read turn nothing."""
    try:
        turn = _UPRIGHT.get(loaded.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        return image
    return image if turn is None else image.transpose(turn)


def _looks_cut_off(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, EOFError) or any(
        word in text for word in ("truncated", "unexpected end", "broken data stream", "not enough data", "buffer")
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
