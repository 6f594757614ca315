"""What a file may hold besides one picture in three colours: further frames or pages, and more channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from core.dataset.records import Picture, Problem, ReadOptions, Severity
from core.errors import Offer
from core.formats.records import Frames
from core.translation import tr
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.reading import parts_of
from training_scripts.pictures.structure import PictureUnreadable

_MAY = frozenset(("GIF", "TIFF", "WebP", "DICOM"))
"""The formats whose files may hold several."""
_LOOKED_AT = 12


def say_several(root: Path, pictures: Sequence[Picture], options: ReadOptions) -> Iterator[Problem]:
    """Yield what a few of the pictures, from all over the dataset, hold of which only a part is looked at."""
    may = [picture.path for picture in pictures if picture.format in _MAY]
    frames: list[str] = []
    channels: list[tuple[str, int]] = []
    for path in may[:: max(1, len(may) // _LOOKED_AT)][:_LOOKED_AT]:
        try:
            count, of_pixels = parts_of(read_file(root / path))
        except PictureUnreadable:
            continue
        if count > 1:
            frames.append(path)
        if of_pixels > 4:
            channels.append((path, of_pixels))
    if frames:
        message = tr("Some files hold several frames or pages, of which the first counts.")
        fix = tr("To take each as a picture of its own: --frames all. To look at another one: --frame middle or last.")
        each = Offer(tr("Take each as a picture"), replace(options, frames=Frames.ALL))
        yield Problem("several-frames", Severity.INFO, message, tuple(frames), fix, (each,), "frame")
    if channels:
        count = max(of_pixels for _, of_pixels in channels)
        message = tr("Some pictures have {count} channels: 1, 2 and 3 count as red, green and blue.")
        message = message.format(count=count)
        fix = tr("To choose others: --channels 4,3,2.")
        paths = tuple(path for path, _ in channels)
        yield Problem("several-channels", Severity.INFO, message, paths, fix, setting="channels")
