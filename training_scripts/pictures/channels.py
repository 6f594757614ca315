"""Pictures of more channels than three: multispectral TIFF files, which tifffile reads, and the pages of a TIFF."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from PIL.ImageFile import ImageFile, _Tile
from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2

from training_scripts.pictures.limits import MAX_PIXELS, TooLarge
from training_scripts.pictures.structure import PictureUnreadable
from training_scripts.pictures.tiff import MOST_OF_PILLOW

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL._imaging import PixelAccess

Channels = tuple[int, int, int]
"""The numbers, from 1, of the channels that are red, green and blue."""

_SAMPLES = 277
_MOST_VALUES = 4 * MAX_PIXELS
_NAMED = ("L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV")


def takes(file: BinaryIO) -> bool:
    """Whether a TIFF has more channels than Pillow reads, and tifffile is there to read them."""
    try:
        directory = ImageFileDirectory_v2(file.read(8))
        file.seek(directory.next)
        directory.load(file)
        many = int(directory.get(_SAMPLES, 1)) > MOST_OF_PILLOW
    except (SyntaxError, KeyError, ValueError, TypeError, OverflowError, OSError, struct.error):
        many = False  # Pillow says what is wrong with it
    file.seek(0)
    return many and reads_many_channels()


def reads_many_channels() -> bool:
    """Whether the package is there that reads TIFF files of more than four channels."""
    try:
        return find_spec("tifffile") is not None
    except ValueError:  # it was taken out of the modules, as a test does
        return False


class ManyChannels(ImageFile):
    """A TIFF of more channels than Pillow takes; by itself it is the first three."""

    format, format_description = "TIFF", "Multichannel TIFF"

    def _open(self) -> None:
        import tifffile

        self._file = tifffile.TiffFile(cast(BinaryIO, self.fp))
        page = self._file.pages.first
        self._mode, self._size = "RGB", (int(page.imagewidth), int(page.imagelength))
        self.count = int(page.samplesperpixel)
        self.bits = int(page.dtype.itemsize * 8) if page.dtype is not None else 0
        if self._size[0] * self._size[1] * self.count > _MOST_VALUES:
            raise TooLarge(f"The picture has {self.count} channels of {self._size[0]:,} x {self._size[1]:,} pixels.")

    def values(self) -> NDArray[np.generic]:
        """Return all channels, (height, width, channels).

        Raises:
            PictureUnreadable: it is compressed in a way that needs another package.
        """
        page = self._file.pages.first
        try:
            found: NDArray[np.generic] = np.asarray(page.asarray())
        except ValueError as error:
            if "imagecodecs" in str(error):
                how = COMPRESSION_INFO.get(int(page.compression), str(int(page.compression)))
                raise PictureUnreadable(f"The picture's compression ({how}) needs the package imagecodecs.") from None
            raise
        if found.shape == (self.count, self._size[1], self._size[0]):
            found = np.moveaxis(found, 0, -1)
        if found.shape != (self._size[1], self._size[0], self.count):
            raise PictureUnreadable(f"The picture has {found.ndim} dimensions; a plane of channels is read.")
        return found

    def load(self) -> PixelAccess | None:
        """Decode the first three channels."""
        if self.tile or self._im is None:
            import io

            pixels = np.ascontiguousarray(self.values()[..., :3].astype(np.uint8))
            self.fp = io.BytesIO(pixels.tobytes())
            self.tile = [_Tile("raw", (0, 0, *self.size), 0, ("RGB", 0, 1))]
        return super().load()

    def _close_fp(self) -> None:
        self._file.close()
        super()._close_fp()


def values_of(image: ImageFile) -> NDArray[np.generic]:
    """Return a picture of 8 bits a channel, (height, width) or (height, width, channels), as it is stored."""
    if isinstance(image, ManyChannels):
        return image.values()
    if image.mode not in _NAMED:
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return np.asarray(image)


def page(image: ImageFile, number: int) -> NDArray[np.generic]:
    """Return a page of a TIFF as (height, width), counted from 1.

    Raises:
        PictureUnreadable: it is in colours, or as large as no other.
    """
    size = image.size
    image.seek(number - 1)
    found = np.asarray(image)
    if found.ndim != 2 or image.size != size:
        raise PictureUnreadable(f"Page {number} of the picture is no channel: it has colours or another size.")
    return found


def too_few(count: int, wanted: int) -> PictureUnreadable:
    """Return why a channel that was chosen is not there."""
    has = "1 channel" if count == 1 else f"{count} channels"
    return PictureUnreadable(f"The picture has {has}, and channel {wanted} was chosen.")
