"""Colour profiles are applied: the same colours come out whatever space a picture was saved in."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.training_scripts.pictures.drawn import (
    ADOBE_RGB,
    DISPLAY_P3,
    PROPHOTO,
    SRGB,
    encoded,
    in_space,
    noisy,
    profile,
)
from training_scripts.pictures.colour import to_srgb
from training_scripts.pictures.reading import open_picture

MUTED = Image.fromarray((np.asarray(noisy((96, 64))) * 0.6 + 50).astype(np.uint8))


def difference(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first.convert("RGB"), int) - np.asarray(second, int)).mean())


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize(
    ("space", "gamma"), [(ADOBE_RGB, 2.2), (DISPLAY_P3, 2.2), (PROPHOTO, 1.8)], ids=["Adobe RGB", "P3", "ProPhoto"]
)
def test_wide_spaces(space: tuple[tuple[float, ...], ...], gamma: float, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 97, "subsampling": 0} if kind == "JPEG" else {}
    stored = in_space(MUTED, space, gamma)
    assert difference(stored, MUTED) > 4
    opened = open_picture(encoded(stored, kind, icc_profile=profile(space, gamma), **options))
    assert difference(opened, MUTED) < (5 if kind == "JPEG" else 2)
    if kind == "JPEG":
        assert difference(opened, MUTED) < 0.6 * difference(stored, MUTED)


@pytest.mark.parametrize(
    ("space", "index", "changes"), [(0xFFFF, "R03", True), (0xFFFF, "R98", False), (1, "R03", False)]
)
def test_adobe_rgb_that_the_exif_data_alone_name(space: int, index: str, changes: bool) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = space
    exif.get_ifd(0x8769)[0xA005] = {1: index}
    stored = in_space(MUTED, ADOBE_RGB, 2.2)
    opened = open_picture(encoded(stored, "JPEG", exif=exif, quality=97, subsampling=0))
    plain = open_picture(encoded(stored, "JPEG", quality=97, subsampling=0))
    with_profile = encoded(stored, "JPEG", quality=97, subsampling=0, icc_profile=profile(ADOBE_RGB, 2.2))
    assert difference(opened, open_picture(with_profile) if changes else plain) < 0.6
    assert (difference(opened, plain) > 3) is changes


def test_printers_colours() -> None:
    """CMYK with a profile: a table of how inks look, made here of a plain rule that Pillow's own is not."""
    stored = MUTED.convert("CMYK")
    plain = open_picture(encoded(stored, "TIFF"))
    assert difference(plain, MUTED) < 3
    assert difference(to_srgb(stored), MUTED) < 3  # no profile: Pillow's rule


def test_srgb_itself_changes_nothing() -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc in (own, b"damaged", profile(SRGB, 2.2)[:150]):
        assert np.array_equal(np.asarray(open_picture(encoded(MUTED, "PNG", icc_profile=icc))), np.asarray(MUTED))


def test_transparency_and_palettes_keep_theirs() -> None:
    stored = in_space(MUTED, PROPHOTO, 1.8)
    stored.putalpha(Image.new("L", stored.size, 255))
    icc = profile(PROPHOTO, 1.8)
    assert difference(open_picture(encoded(stored, "PNG", icc_profile=icc)), MUTED) < 2
    stored.putalpha(Image.new("L", stored.size, 0))
    assert open_picture(encoded(stored, "PNG", icc_profile=icc)).getextrema() == ((255, 255),) * 3
    palette = in_space(Image.new("RGB", (8, 8), (200, 60, 40)), PROPHOTO, 1.8).quantize(4)
    red, green, blue = open_picture(encoded(palette, "PNG", icc_profile=icc)).getpixel((2, 2))
    assert (red, green, blue) == pytest.approx((200, 60, 40), abs=4)


def test_lab() -> None:
    lab = ImageCms.applyTransform(
        MUTED,
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    file = io.BytesIO()
    lab.save(file, "TIFF")
    assert difference(open_picture(file.getvalue()), MUTED) < 3
