"""Colour profiles: the same colours from sRGB, Adobe RGB, Display P3, ProPhoto and printers' CMYK (ICC.1, by lcms2)."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL import ImageCms

_NOTICED = 2
"""Profiles that change no colour by more than this of 255 are taken for sRGB."""
_OUT = {"RGB": "RGB", "RGBA": "RGBA", "L": "RGB", "CMYK": "RGB", "LAB": "RGB"}


def to_srgb(image: Image.Image) -> Image.Image:
    """Return `image` with the colours that its profile means; itself where it has none, or one that cannot be used."""
    profile = image.info.get("icc_profile")
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
