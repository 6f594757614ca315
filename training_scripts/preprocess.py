"""From a picture to the pixels a network sees, for training, features and prediction alike (Pillow and numpy only)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageEnhance

from training_scripts.backbones import Preprocessing
from training_scripts.pictures import open_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Augmentation = Literal["none", "light", "strong"]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Smallest share of the area that is cut out, and how far brightness, contrast and colour may go from 1.
_STRENGTHS: dict[str, tuple[float, float]] = {"light": (0.6, 0.0), "strong": (0.25, 0.4)}
_ASPECTS = (3 / 4, 4 / 3)


def pixels(source: Path | str | bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """(size, size, 3) RGB of one picture, as evaluation and prediction see it.

    Raises:
        PictureUnreadable: see `pictures.open_picture`.
    """
    return central(open_picture(source, edge=preprocessing.resize), preprocessing)


def central(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Scale the shorter side to `resize` and cut out the central square, in one step: only that square is computed."""
    side = min(image.size) * preprocessing.size / preprocessing.resize
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return _cut(image, (left, top, left + side, top + side), preprocessing)


def augmented(
    source: Path | str | bytes, preprocessing: Preprocessing, augmentation: Augmentation, random: np.random.Generator
) -> NDArray[np.uint8]:
    """(size, size, 3) RGB of a random part, perhaps mirrored; `strong` also changes brightness, contrast and colour.

    Raises:
        PictureUnreadable: see `pictures.open_picture`.
    """
    if augmentation == "none":
        return pixels(source, preprocessing)
    image = open_picture(source, edge=preprocessing.resize)
    smallest, jitter = _STRENGTHS[augmentation]
    part = _cut(image, _random_box(image.size, smallest, random), preprocessing)
    if random.random() < 0.5:
        part = part[:, ::-1]
    if not jitter:
        return np.ascontiguousarray(part)
    changed = Image.fromarray(np.ascontiguousarray(part))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        changed = enhance(changed).enhance(random.uniform(1 - jitter, 1 + jitter))
    return np.array(changed)


def _cut(image: Image.Image, box: tuple[float, float, float, float], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    size = (preprocessing.size, preprocessing.size)
    return np.array(image.resize(size, _FILTERS[preprocessing.interpolation], box=box))


def _random_box(
    size: tuple[int, int], smallest: float, random: np.random.Generator
) -> tuple[float, float, float, float]:
    """A part of `smallest`…1 of the area with an aspect ratio of 3:4…4:3, as in the Inception papers."""
    width, height = size
    for _ in range(10):
        area = width * height * random.uniform(smallest, 1.0)
        aspect = np.exp(random.uniform(np.log(_ASPECTS[0]), np.log(_ASPECTS[1])))
        w, h = (area * aspect) ** 0.5, (area / aspect) ** 0.5
        if w <= width and h <= height:
            left, top = random.uniform(0, width - w), random.uniform(0, height - h)
            return (left, top, left + w, top + h)
    side = min(size)
    return ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
