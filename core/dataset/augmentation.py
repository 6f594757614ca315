"""What a training picture becomes: the very pixels that fine-tuning would see, for a person to look at."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from training_scripts.backbones import BACKBONES, Framing
from training_scripts.pictures.levels import Levels
from training_scripts.preprocess import Augmentation, augmented

KINDS: tuple[Augmentation, ...] = get_args(Augmentation)
COUNT = 5
"""How many times a picture is shown with each kind of augmentation, as it would be in so many epochs."""
EDGE = 112
_GAP = 8


@dataclass(frozen=True, slots=True)
class Sheet:
    """One picture, a PNG with a row for each of `KINDS` and `COUNT` squares a row, each of `EDGE` pixels."""

    path: Path
    png: bytes


def augmentation_sheet(path: Path, backbone: str, framing: Framing, levels: Levels | None, seed: int = 0) -> Sheet:
    """Return what a picture becomes before a backbone, by each kind of augmentation.

    Raises:
        PictureUnreadable: the picture cannot be read.
    """
    preprocessing = replace(BACKBONES[backbone].preprocessing, framing=framing, levels=levels)
    step = EDGE + _GAP
    sheet = Image.new("RGBA", (COUNT * step - _GAP, len(KINDS) * step - _GAP), (0, 0, 0, 0))
    for row, kind in enumerate(KINDS):
        for column in range(1 if kind == "none" else COUNT):
            random = np.random.default_rng([seed, row, column])
            square = Image.fromarray(augmented(path, preprocessing, kind, random))
            sheet.paste(square.resize((EDGE, EDGE)), (column * step, row * step))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return Sheet(path, out.getvalue())
