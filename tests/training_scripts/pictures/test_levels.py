"""Deep pictures keep their content, on one scale for all."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.training_scripts.pictures.drawn import encoded, noisy, png
from training_scripts.pictures.levels import common, of_picture, to_bytes
from training_scripts.pictures.reading import levels_in, open_picture

GREY = np.asarray(noisy((64, 48)).convert("L"))
COLOUR = np.asarray(noisy((64, 48)))


def tiff(values: NDArray[np.generic], **options: object) -> bytes:
    return encoded(Image.fromarray(values), "TIFF", **options)


def deep(values: NDArray[np.generic]) -> dict[str, bytes]:
    """16-bit grey values in every format that takes them."""
    image = Image.fromarray(values)
    return {
        "png": png(values),
        "tiff": encoded(image, "TIFF"),
        "packed tiff": encoded(image, "TIFF", compression="tiff_deflate"),
        "pgm": encoded(image, "PPM"),
    }


@pytest.mark.parametrize("kind", ["png", "tiff", "packed tiff", "pgm"])
def test_12_bits_in_16_keep_what_they_show(kind: str) -> None:
    """An X-ray's 256 levels around 400: seen as 16 bits they would be all black."""
    data = deep(GREY.astype(np.uint16) + 300)[kind]
    scale = levels_in(data)
    assert scale == pytest.approx((300 + int(GREY.min()), 300 + int(GREY.max())), abs=6)
    shown = np.asarray(open_picture(data, scale=(300, 555)))[..., 0].astype(int)
    assert np.abs(shown - GREY).max() <= 1
    assert np.asarray(open_picture(data)).std() > 30  # without a scale of its dataset by its own


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_of_16_bits(alpha: bool) -> None:
    """Pillow keeps the upper byte of 16-bit colours, which of 12 bits leaves 16 levels."""
    values = COLOUR.astype(np.uint16) * 16
    if alpha:
        values = np.concatenate([values, np.full((*GREY.shape, 1), 65535, np.uint16)], axis=2)
    data = png(values)
    assert levels_in(data) is not None
    shown = np.asarray(open_picture(data, scale=(0, 4080))).astype(int)
    assert np.abs(shown - COLOUR).max() <= 1


def test_levels_of_floats_are_comparable() -> None:
    """The level is what tells the pictures apart: stretched one by one they would all look alike."""
    random = np.random.default_rng(6)
    pictures = {
        name: tiff((level + random.normal(0, 12, (48, 48))).astype(np.float32))
        for name, level in (("cold", 40), ("warm", 110), ("hot", 180))
    }
    ranges = [found for data in pictures.values() if (found := levels_in(data))]
    scale = common(ranges)
    means = [np.asarray(open_picture(data, scale=scale)).mean() for data in pictures.values()]
    assert means[1] - means[0] > 60
    assert means[2] - means[1] > 60


def test_usual_scales_are_taken_where_they_are_filled_by_half() -> None:
    assert common([(10, 60_000), (0, 65_000)]) == (0, 65535)
    assert common([(100, 3900)]) == (0, 4095)
    assert common([(0.01, 0.9)]) == (0, 1)
    assert common([(300, 550), (290, 560)]) == pytest.approx((290, 560), abs=1)
    assert common([(-1000, 3000)]) == (-1000, 3000)
    assert common([(7, 7)])[1] > 7


def test_few_odd_pictures_and_pixels_do_not_decide() -> None:
    values = np.full((200, 200), 500.0)
    values[0, :5] = 65535
    values[1, 0], values[1, 1] = np.nan, np.inf
    assert of_picture(values) == (500, 500)
    assert common([(300, 550)] * 300 + [(0, 65535)]) == pytest.approx((300, 550))
    assert to_bytes(np.array([np.nan, -5, 0, 50, 100, 900]), (0, 100)).tolist() == [0, 0, 0, 128, 255, 255]
    assert of_picture(np.full((4, 4), np.nan)) == (0, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "PPM", "BMP", "GIF", "WEBP"])
def test_usual_pictures_have_none(kind: str) -> None:
    assert levels_in(encoded(noisy(), kind)) is None
