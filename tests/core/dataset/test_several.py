"""A scan says of files with several frames or channels which of them count, and how to choose others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from core.dataset import cache, scan


def test_frames_and_channels_are_said_before_anything_is_trained(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for at in range(3):
            frames = [Image.fromarray(random.integers(0, 255, (30, 40, 3), np.uint8)) for _ in range(3)]
            frames[0].save(tmp_path / label / f"{at}.gif", save_all=True, append_images=frames[1:])
            values = random.integers(0, 255, (30, 40, 7), np.uint8)
            tifffile.imwrite(
                tmp_path / label / f"{at}.tif", values, photometric="minisblack", planarconfig="contig", metadata=None
            )
    found = {problem.kind: problem for problem in scan(tmp_path).problems}
    assert found["several-frames"].message == "Some files hold several frames or pages, of which the first counts."
    assert {Path(path).suffix for path in found["several-frames"].paths} == {".gif"}
    assert (
        found["several-channels"].message == "Some pictures have 7 channels: 1, 2 and 3 count as red, green and blue."
    )
    assert "--channels" in found["several-channels"].fix


def test_what_an_earlier_scan_could_not_read_is_looked_at_again_with_another_package(tmp_path: Path) -> None:
    from tests.core.dataset.conftest import encode

    for label in ("cat", "dog"):
        for at in range(2):
            (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
            picture = tmp_path / "set" / label / f"{at}.png"
            picture.write_bytes(encode(at + len(label)))
            os.utime(picture, (1e9, 1e9))  # one that was written just now is not remembered
    file = tmp_path / "scans.sqlite3"
    scan(tmp_path / "set", cache=file)
    assert cache.ScanCache(file).load(tmp_path / "set")
    assert cache.ScanCache(file, version=7).load(tmp_path / "set") == {}
