"""The preview shows the very pixels that a training would see."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from core.dataset.augmentation import COUNT, EDGE, KINDS, augmentation_sheet
from training_scripts.backbones import BACKBONES
from training_scripts.preprocess import augmented


def test_each_square_is_what_training_draws(tmp_path):
    random = np.random.default_rng(0)
    file = tmp_path / "a.png"
    Image.fromarray(random.integers(0, 256, (90, 120, 3)).astype(np.uint8)).resize((640, 480)).save(file)
    backbone, step = BACKBONES["efficientnet_lite0"], EDGE + 8
    sheet = Image.open(io.BytesIO(augmentation_sheet(file, backbone.name, "crop", None, seed=4).png)).convert("RGB")
    for row, kind in enumerate(KINDS):
        for column in range(1 if kind == "none" else COUNT):
            square = augmented(file, backbone.preprocessing, kind, np.random.default_rng([4, row, column]))
            shown = sheet.crop((column * step, row * step, column * step + EDGE, row * step + EDGE))
            np.testing.assert_array_equal(np.asarray(shown), np.asarray(Image.fromarray(square).resize((EDGE, EDGE))))
