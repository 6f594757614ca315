"""Colour profiles: the same colours from sRGB, Adobe RGB, Display P3, ProPhoto and printers' CMYK (ICC.1, by lcms2).

Cameras that save in Adobe RGB say so in the EXIF data alone, without a profile (DCF 2.0).
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL import ImageCms

_NOTICED = 2
"""Profiles that change no colour by more than this of 255 are taken for sRGB."""
_ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""The XYZ (D50) of its red, green and blue (Adobe RGB (1998) Color Image Encoding)."""
_ADOBE_GAMMA = 2 + 51 / 256
_EXIF, _INTEROPERABILITY, _COLOUR_SPACE, _INDEX = 0x8769, 0xA005, 0xA001, 1
_UNCALIBRATED = 0xFFFF
_OUT = {"RGB": "RGB", "RGBA": "RGBA", "L": "RGB", "CMYK": "RGB", "LAB": "RGB"}


def to_srgb(image: Image.Image) -> Image.Image:
    """Return `image` with the colours that its profile means; itself where it has none, or one that cannot be used."""
    profile = image.info.get("icc_profile")
    if not profile and image.mode == "RGB" and _is_adobe_rgb(image):
        profile = _adobe_rgb()
    if not profile and image.mode != "LAB":
        return image
    if "transparency" in image.info or image.mode == "PA":
        image = image.convert("RGBA")
    elif image.mode == "P":
        image = image.convert("RGB")
    if image.mode not in _OUT:
        return image
    transform = _transform(bytes(profile or b""), image.mode)
    if transform is None:
        return image
    from PIL import ImageCms

    return ImageCms.applyTransform(image, transform) or image


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether the EXIF data name the space; data that cannot be read name none."""
    try:
        exif = image.getexif()
        if exif.get_ifd(_EXIF).get(_COLOUR_SPACE) != _UNCALIBRATED:
            return False
        return str(exif.get_ifd(_INTEROPERABILITY).get(_INDEX, "")).startswith("R03")
    except Exception:
        return False


@lru_cache(maxsize=1)
def _adobe_rgb() -> bytes:
    """Return its profile: that of sRGB with other primaries and another curve; nothing where Pillow has no lcms."""
    try:
        from PIL import ImageCms
    except ImportError:
        return b""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    places = {
        bytes(data[at : at + 4]): struct.unpack_from(">I", data, at + 4)[0] for at in range(132, 132 + 12 * count, 12)
    }
    for name, primary in zip((b"rXYZ", b"gXYZ", b"bXYZ"), _ADOBE_RGB, strict=True):
        struct.pack_into(">3i", data, places[name] + 8, *(round(value * 65536) for value in primary))
    for name in (b"rTRC", b"gTRC", b"bTRC"):  # a parametric curve becomes one of the first kind: a power
        struct.pack_into(">HHi", data, places[name] + 8, 0, 0, round(_ADOBE_GAMMA * 65536))
    return bytes(data)


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what turns a profile's colours into sRGB; None where that changes nothing, or cannot be done."""
    try:
        from PIL import ImageCms

        source = ImageCms.createProfile("LAB") if mode == "LAB" else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            _OUT[mode],
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode in ("RGB", "L"):
            colours = _some_colours(mode)
            seen = np.asarray(ImageCms.applyTransform(colours, made), int)
            if np.abs(seen - np.asarray(colours.convert("RGB"), int)).max() <= _NOTICED:
                return None
        return made
    except Exception:  # Pillow without lcms, or a profile that is damaged or of another kind of picture
        return None


def _some_colours(mode: str) -> Image.Image:
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(steps[None])
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    return Image.fromarray(cube)
