"""Generated pictures for the benchmarks: JPEG files with smooth and fine parts, like photographs, in class folders.

`python -m tests.benchmarks` names one folder for all benchmarks in SAGEHOUND_BENCH_DATA, so that each set is made once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

VARIABLE = "SAGEHOUND_BENCH_DATA"
CLASSES = 10
SIZE = (500, 375)


@contextmanager
def dataset(count: int, size: tuple[int, int] = SIZE) -> Iterator[Path]:
    """A folder of `count` distinct pictures in class folders; kept where `VARIABLE` names a place, else temporary."""
    place = os.environ.get(VARIABLE)
    if place:
        folder = Path(place) / f"{count}-of-{size[0]}x{size[1]}"
        if not folder.exists():
            partial = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            _generate(partial, count, size)
            partial.rename(folder)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as temporary:
        _generate(Path(temporary) / "pictures", count, size)
        yield Path(temporary) / "pictures"


def _generate(root: Path, count: int, size: tuple[int, int]) -> None:
    """Classes differ in their colours and in how coarse their patches are, so that a network can tell them apart."""
    random = np.random.default_rng(0)
    width, height = size
    grain = random.normal(0, 7, (2 * height, 2 * width, 3)).astype(np.int16)
    for number in range(count):
        label = number % CLASSES
        folder = root / f"class{label}"
        folder.mkdir(parents=True, exist_ok=True)
        patches = 4 + 3 * (label % 5)
        tint = 40 * np.cos(label + np.arange(3) * 2.1)
        coarse = random.normal(128 + tint, 50, (patches, patches, 3)).clip(0, 255).astype(np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC), np.int16)
        top, left = random.integers(0, height), random.integers(0, width)
        picture = (smooth + grain[top : top + height, left : left + width]).clip(0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number:06d}.jpg", quality=90)
