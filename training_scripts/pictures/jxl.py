"""JPEG XL as the package pylibjxl reads it, once as Pillow's other pictures are."""

from __future__ import annotations

from PIL import Image
from pylibjxl.pillow_plugin import JxlImageFile


class JxlPicture(JxlImageFile):
    """A JPEG XL file. The decoder turns it upright already, so what its EXIF data say of that is not to be heard."""

    def getexif(self) -> Image.Exif:
        """Return nothing."""
        return Image.Exif()
