"""classify.py reads pictures as Sagehound does, for every framing and kind of picture."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.models.export.formats import FORMATS
from core.models.export.script import script, write_script
from core.models.export.writers import WRITERS
from training_scripts.backbones import BACKBONES, FRAMINGS, Preprocessing
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
    """Return what the script reads a picture with, in the folder that it is written to."""
    nothing = dataclasses.replace(FORMATS["onnx"], load="network = None", imports="import math", call="[[1.0]], batch")
    write_script(folder, nothing, preprocessing)
    (folder / "model.json").write_text(json.dumps({"classes": ["a"], "preprocessing": preprocessing.to_json()}))
    # Isolated: neither this program nor the folder that the tests run in is on the path.
    command = f"import sys; sys.path.insert(0, {str(folder)!r}); import classify, training_scripts as t, numpy; "
    command += "print(t.__file__); [numpy.save(p + '.npy', classify.pixels(p, classify.SEEN)) for p in sys.argv[1:]]"

    def read(pictures: Sequence[Path]) -> list[np.ndarray]:
        said = subprocess.run(
            [sys.executable, "-I", "-c", command, *map(str, pictures)], capture_output=True, text=True, check=True
        ).stdout
        assert Path(said.strip()).parent == folder / "training_scripts"
        return [np.load(f"{picture}.npy") for picture in pictures]

    return read


@pytest.mark.parametrize("framing", FRAMINGS)
def test_classify_py_sees_what_training_saw(framing, tmp_path):
    pictures = list(make(tmp_path).values())
    usual = BACKBONES["efficientnet_lite0"].preprocessing
    preprocessing = dataclasses.replace(usual, framing=framing, views=6, levels=(0.0, 4095.0))
    for picture, found in zip(pictures, reader(preprocessing, tmp_path / "out")(pictures), strict=True):
        assert np.array_equal(found, pixels(picture, preprocessing)), picture.name


def test_classify_py_sees_the_frame_and_the_channels_that_were_chosen(tmp_path):
    deep = RANDOM.integers(0, 4096, (60, 90, 6), np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="minisblack", planarconfig="contig", metadata=None)
    usual = BACKBONES["efficientnet_lite0"].preprocessing
    preprocessing = dataclasses.replace(usual, channels=(5, 3, 1), levels=(0.0, 4095.0), frame="last")
    (found,) = reader(preprocessing, tmp_path / "out")([tmp_path / "deep.tif"])
    assert np.array_equal(found, pixels(tmp_path / "deep.tif", preprocessing))
    assert "tifffile" in (tmp_path / "out" / "classify.py").read_text("utf-8")


def test_every_format_has_a_script_of_thirty_lines_and_a_writer():
    assert FORMATS.keys() == WRITERS.keys()
    for format_ in FORMATS.values():
        text = script(format_, Preprocessing())
        tree = ast.parse(text)
        assert "sagehound" not in text.lower()
        assert max(map(len, text.splitlines())) <= 120
        bodies = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef)]
        said = sum(str(ast.get_docstring(node, clean=False)).count("\n") + 1 for node in bodies)
        assert len([line for line in text.splitlines() if line.strip()]) - said <= 30, format_.name
