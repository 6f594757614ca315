"""classify.py reads pictures as Sagehound does, for every framing and kind of picture."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.models.export.formats import FORMATS
from core.models.export.script import script
from core.models.export.writers import WRITERS
from training_scripts.backbones import BACKBONES, FRAMES, FRAMINGS, Preprocessing
from training_scripts.preprocess import pixels

RANDOM = np.random.default_rng(5)


def gradient(width: int, height: int, channels: int) -> np.ndarray:
    across, down = np.linspace(0, 255, width)[None, :, None], np.linspace(0, 255, height)[:, None, None]
    mixed = across * [1, 0.2, 0.5, 1][:channels] + down * [0.1, 0.8, 0.4, 0][:channels]
    return np.clip(mixed + RANDOM.normal(0, 9, mixed.shape), 0, 255).astype(np.uint8)


def make(folder: Path) -> dict[str, Path]:
    photo = Image.fromarray(gradient(1500, 1100, 3))
    turned = Image.Exif()
    turned[0x0112] = 6
    made = {
        "large.jpg": (photo, {"quality": 88}),
        "turned.jpg": (photo.resize((500, 400)), {"exif": turned}),
        "grey.png": (Image.fromarray(gradient(300, 260, 1)[..., 0]), {}),
        "clear.png": (Image.fromarray(gradient(340, 280, 4)), {}),
        "palette.gif": (photo.resize((270, 400)).quantize(32), {}),
        "deep.png": (Image.fromarray(gradient(320, 300, 1)[..., 0].astype(np.uint16) * 16), {}),
        "tiny.webp": (photo.resize((90, 60)), {"lossless": True}),
    }
    for name, (image, options) in made.items():
        image.save(folder / name, **options)
    return {name: folder / name for name in made}


def reader(preprocessing: Preprocessing, folder: Path):
    """Return `read` of the script, without the model that the rest of it asks."""
    nothing = dataclasses.replace(FORMATS["onnx"], imports="import math", load="network = None")
    (folder / "model.json").write_text(json.dumps({"classes": ["a"]}))
    space = {"__file__": str(folder / "classify.py"), "__name__": "classify"}
    exec(compile(script(nothing, preprocessing), "classify.py", "exec"), space)
    return space["read"]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_classify_py_sees_what_training_saw(framing, tmp_path):
    pictures = make(tmp_path)
    for backbone in ("efficientnet_lite0", "resnet18"):
        usual = BACKBONES[backbone].preprocessing
        preprocessing = dataclasses.replace(usual, framing=framing, levels=(0.0, 4095.0))
        read = reader(preprocessing, tmp_path)
        for name, picture in pictures.items():
            assert np.array_equal(read(picture)[0], pixels(picture, preprocessing)), (name, backbone)


def test_classify_py_sees_the_frame_and_the_channels_that_were_chosen(tmp_path):
    frames = [Image.fromarray(gradient(90, 60, 3)) for _ in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    grey = [Image.fromarray(gradient(90, 60, 1)[..., 0]) for _ in range(5)]
    grey[0].save(tmp_path / "pages.tif", save_all=True, append_images=grey[1:])
    deep = RANDOM.integers(0, 4096, (60, 90, 6), np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="minisblack", planarconfig="contig", metadata=None)
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(deep >> 4, -1, 0).astype(np.uint8), planarconfig="separate")
    turned = Image.Exif()
    turned[0x0112] = 6
    frames[0].resize((900, 700)).save(tmp_path / "turned.jpg", exif=turned)
    usual = BACKBONES["efficientnet_lite0"].preprocessing
    for frame in FRAMES:
        preprocessing = dataclasses.replace(usual, frame=frame)
        for name in ("film.gif", "pages.tif", "turned.jpg"):
            read = reader(preprocessing, tmp_path)(tmp_path / name)[0]
            assert np.array_equal(read, pixels(tmp_path / name, preprocessing)), (name, frame)
    for channels, names in {(5, 3, 1): ("pages.tif", "deep.tif", "planes.tif"), (3, 1, 2): ("turned.jpg",)}.items():
        preprocessing = dataclasses.replace(usual, channels=channels, levels=(0.0, 4095.0))
        for name in names:
            read = reader(preprocessing, tmp_path)(tmp_path / name)[0]
            assert np.array_equal(read, pixels(tmp_path / name, preprocessing)), name


def test_every_format_has_a_script_and_a_writer():
    assert FORMATS.keys() == WRITERS.keys()
    for format_ in FORMATS.values():
        text = script(format_, Preprocessing())
        compile(text, "classify.py", "exec")
        assert "sagehound" not in text.lower()
        assert len([line for line in text.splitlines() if line.strip()]) < 55
