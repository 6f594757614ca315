"""From a picture to the pixels a network sees, for training, features and prediction alike (Pillow and numpy only)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageEnhance

from training_scripts.backbones import Framing, Preprocessing
from training_scripts.pictures.reading import open_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels of a picture."""
Augmentation = Literal["none", "light", "strong"]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# Smallest share of the area that is cut out, and how far brightness, contrast and colour may go from 1.
_STRENGTHS: dict[str, tuple[float, float]] = {"light": (0.6, 0.0), "strong": (0.25, 0.4)}
_ASPECTS = (3 / 4, 4 / 3)


@dataclass(frozen=True, slots=True)
class View:
    """A part of a picture that the network sees as a square; where it is padded, more than there is."""

    box: Box
    mirrored: bool = False


def views_of(size: tuple[int, int], preprocessing: Preprocessing) -> tuple[View, ...]:
    """Return what the network sees of a picture of `size`, first what the framing says, then as many as are asked for.

    They are the framing's own, its mirror image, the other of the two (the whole picture squashed; the middle where the
    framing squashes), the largest square in the middle and at both ends.
    """
    width, height = size
    short, whole = min(size), (0.0, 0.0, float(width), float(height))
    middle = _middle(size, short * preprocessing.size / preprocessing.resize)
    own = {"crop": middle, "squash": whole, "pad": _middle(size, max(size))}[preprocessing.framing]
    other = middle if preprocessing.framing == "squash" else whole
    ends = ((0.0, 0.0, float(short), float(short)), (float(width - short), float(height - short), *whole[2:]))
    found = View(own), View(own, mirrored=True), View(other), View(_middle(size, short)), *map(View, ends)
    return found[: preprocessing.views]


def pixels(source: Path | str | bytes, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return RGB of one picture in the preprocessing's `shape`, as evaluation and prediction see it.

    Raises:
        PictureUnreadable: see `pictures.open_picture`.
    """
    return framed(opened(source, preprocessing), preprocessing)


def framed(image: Image.Image, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Return RGB of a picture in the preprocessing's `shape`, each view in one step: only what is seen is computed."""
    views = views_of(image.size, preprocessing)
    seen: dict[Box, NDArray[np.uint8]] = {}
    for view in views:
        if view.box not in seen:
            seen[view.box] = _part(image, view.box, preprocessing)
    squares = [seen[view.box][:, ::-1] if view.mirrored else seen[view.box] for view in views]
    return squares[0] if len(squares) == 1 else np.stack(squares)


def field_of_view(size: tuple[int, int], preprocessing: Preprocessing) -> Box:
    """Return what the network sees of a picture of `size`: (left, top, right, bottom), beyond it where it is padded.

    Only "squash" and several views see something else than a square.
    """
    lefts, tops, rights, bottoms = zip(*(view.box for view in views_of(size, preprocessing)), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _middle(size: tuple[int, int], side: float) -> Box:
    left, top = (size[0] - side) / 2, (size[1] - side) / 2
    return (left, top, left + side, top + side)


def _part(image: Image.Image, box: Box, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    if preprocessing.framing == "pad" and box == _middle(image.size, max(image.size)):
        image = _padded(image, preprocessing)
        box = (0, 0, *image.size)
    return _cut(image, box, preprocessing)


def augmented(
    source: Path | str | bytes, preprocessing: Preprocessing, augmentation: Augmentation, random: np.random.Generator
) -> NDArray[np.uint8]:
    """Return (size, size, 3) RGB of a random part, perhaps mirrored; `strong`: brightness, contrast, colour change too.

    Raises:
        PictureUnreadable: see `pictures.open_picture`.
    """
    if augmentation == "none":
        return pixels(source, replace(preprocessing, views=1))
    image = opened(source, preprocessing)
    smallest, jitter = _STRENGTHS[augmentation]
    if preprocessing.framing == "pad":
        image = _padded(image, preprocessing)
    part = _cut(image, _random_box(image.size, smallest, random, preprocessing.framing), preprocessing)
    if random.random() < 0.5:
        part = part[:, ::-1]
    if not jitter:
        return np.ascontiguousarray(part)
    changed = Image.fromarray(np.ascontiguousarray(part))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        changed = enhance(changed).enhance(random.uniform(1 - jitter, 1 + jitter))
    return np.array(changed)


def opened(source: Path | str | bytes, preprocessing: Preprocessing) -> Image.Image:
    """Return one picture as RGB: the frame and channels that the preprocessing chooses, between its levels.

    Raises:
        PictureUnreadable: see `pictures.open_picture`.
    """
    return open_picture(
        source,
        edge=preprocessing.resize,
        scale=preprocessing.levels,
        frame=preprocessing.frame,
        channels=preprocessing.channels,
    )


def _padded(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Return a square with the whole picture in its middle, reduced where it is large; the rest has the mean colour."""
    longer, limit = max(image.size), 2 * preprocessing.resize
    if longer > limit:
        smaller = [max(1, round(side * limit / longer)) for side in image.size]
        image = image.resize((smaller[0], smaller[1]), _FILTERS[preprocessing.interpolation])
    side = max(image.size)
    red, green, blue = (round(255 * mean) for mean in preprocessing.mean)
    square = Image.new("RGB", (side, side), (red, green, blue))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def _cut(image: Image.Image, box: Box, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    size = (preprocessing.size, preprocessing.size)
    return np.array(image.resize(size, _FILTERS[preprocessing.interpolation], box=box))


def _random_box(size: tuple[int, int], smallest: float, random: np.random.Generator, framing: Framing) -> Box:
    """Return a part of `smallest`…1 of the area with an aspect ratio of 3:4…4:3, as in the Inception papers.

    Where the whole picture is squashed its parts are too: their ratio is to the picture's.
    """
    width, height = size
    own = width / height if framing == "squash" else 1.0
    for _ in range(10):
        area = width * height * random.uniform(smallest, 1.0)
        aspect = own * np.exp(random.uniform(np.log(_ASPECTS[0]), np.log(_ASPECTS[1])))
        w, h = (area * aspect) ** 0.5, (area / aspect) ** 0.5
        if w <= width and h <= height:
            left, top = random.uniform(0, width - w), random.uniform(0, height - h)
            return (left, top, left + w, top + h)
    if framing == "squash":
        return (0, 0, width, height)
    side = min(size)
    return ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
