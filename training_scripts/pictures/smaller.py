"""A picture with smaller sides that says the same to a model: all its frames, channels and bits stay."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from training_scripts.pictures import frames, reading
from training_scripts.pictures.channels import ManyChannels
from training_scripts.pictures.limits import TimedBytes
from training_scripts.pictures.structure import PictureUnreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUALITY = 92


def smaller(data: bytes, side: int) -> bytes:
    """Return a picture, upright, with sides of at most `side` pixels: JPEG, or a form that loses nothing else.

    Which frame and which channels a model looks at is the model's to say, so all of a file are kept, as are values of
    more than 8 bits a channel.

    Raises:
        PictureUnreadable: it cannot be read, or cannot be written smaller without a loss.
    """
    count, channels = reading.parts_of(data)
    if channels > 4:
        return _many_channels(data, side)
    if count == 1 and channels < 4 and reading.levels_in(data) is None:
        picture = reading.open_picture(data, edge=side)
        picture.thumbnail((side, side))
        return frames.saved(picture, "JPEG", quality=_QUALITY)
    found = [_fitted(frame, side) for frame in frames.pictures_of(data)]
    if count == 1:
        return frames.encoded(found[0])[1]
    pages = [frame for frame in found if isinstance(frame, Image.Image)]
    if len(pages) < count:
        raise PictureUnreadable("The picture has several pages with colours of more than 8 bits a channel.")
    return frames.saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], compression="tiff_adobe_deflate")


def _fitted(frame: frames.Frame, side: int) -> frames.Frame:
    if not isinstance(frame, Image.Image):
        return _planes(frame, side)
    plain = frame.convert("L") if frame.mode == "1" else frame
    fitted = plain.resize(_size(plain.size, side), Image.Resampling.HAMMING)
    fitted.info = {key: value for key, value in frame.info.items() if key == "icc_profile"}
    return fitted


def _planes(values: NDArray[np.generic], side: int) -> NDArray[np.generic]:
    """Return (height, width, channels) with smaller sides, of the same kind of numbers."""
    size = _size((values.shape[1], values.shape[0]), side)
    planes = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.HAMMING))
        for plane in np.moveaxis(values, -1, 0)
    ]
    whole = np.stack(planes, axis=-1)
    return (np.rint(whole) if values.dtype.kind in "iu" else whole).astype(values.dtype)


def _size(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _many_channels(data: bytes, side: int) -> bytes:
    import tifffile  # it has read the picture

    with reading.plain_sentences():
        format_, _ = reading.inspect(data)
        with closing(format_.decoder(TimedBytes(data))) as image:
            values = cast(ManyChannels, image).values()
    file = io.BytesIO()
    tifffile.imwrite(file, _planes(values, side), photometric="minisblack", planarconfig="contig", metadata=None)
    return file.getvalue()
