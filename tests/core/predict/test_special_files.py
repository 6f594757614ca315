"""Special files block nobody, wherever pictures are opened beside scan and training."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from core.dataset.thumbnails import thumbnail
from core.engines.sagemaker.endpoints.invoke import EndpointClient, _shrink
from core.engines.sagemaker.upload.picture_file import compare
from core.errors import DatasetError, PictureError
from core.predict.decoding import decode, render
from core.predict.intake import gather
from tests.training_scripts.pictures.drawn import encoded, noisy, png
from training_scripts.backbones import Preprocessing
from training_scripts.pictures.reading import open_picture
from training_scripts.pictures.structure import PictureUnreadable

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A pipe that nobody writes to, where a picture was."""
    os.mkfifo(tmp_path / "picture.jpg")
    return tmp_path / "picture.jpg"


def test_nobody_waits_for_a_pipe(pipe: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    for read in (
        lambda: decode(pipe, Preprocessing()),
        lambda: render(pipe, 100),
        lambda: thumbnail(pipe, "ab" * 32, tmp_path / "cache"),
    ):
        with pytest.raises(PictureUnreadable, match="a pipe, a socket or a device"):
            read()
    with pytest.raises(PictureError, match="a pipe, a socket or a device"):
        EndpointClient._body(EndpointClient.__new__(EndpointClient), pipe)
    with pytest.raises(DatasetError, match="a pipe, a socket or a device"):
        compare(pipe, "ab" * 32)
    os.mkfifo(tmp_path / "unnamed")
    (tmp_path / "named by content").write_bytes(encoded(noisy()))
    found = gather([tmp_path])
    assert [picture.name for picture in found.pictures] == ["named by content", "picture.jpg"]
    assert time.monotonic() - began < 5


def test_a_picture_that_is_made_smaller_for_an_endpoint_keeps_its_colours_and_its_side() -> None:
    from tests.training_scripts.pictures.drawn import PROPHOTO, in_space, profile

    picture = noisy((2400, 1600))
    stored = encoded(in_space(picture, PROPHOTO, 1.8), "PNG", icc_profile=profile(PROPHOTO, 1.8))
    sent = open_picture(_shrink(stored, Path("wide.png"), 4_000_000))
    assert max(sent.size) == 1024
    expected = open_picture(stored).resize(sent.size)
    assert np.abs(np.asarray(sent, int) - np.asarray(expected, int)).mean() < 6


def test_a_picture_that_is_made_smaller_says_the_same_to_a_model() -> None:
    """Frames, channels and values of more than 8 bits are the model's to choose from, there as here."""
    large = (1300, 1040)
    deep = np.asarray(noisy(large).convert("L")).astype(np.uint16) * 150
    many = np.stack([deep + 999 * at for at in range(6)], axis=-1)
    file = io.BytesIO()
    tifffile.imwrite(file, many, photometric="minisblack", planarconfig="contig", metadata=None)
    pages = [noisy(large, seed) for seed in range(3)]
    film = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    clear = noisy(large).copy()
    clear.putalpha(noisy(large, 4).convert("L"))
    asked: list[tuple[bytes, dict[str, Any]]] = [
        (file.getvalue(), {"channels": (6, 4, 1), "scale": (0, 65535)}),
        (png(deep), {"scale": (0, 65535)}),
        (png(np.stack([deep, deep // 2, deep // 3], axis=-1)), {"scale": (0, 65535)}),
        (film, {"frame": "last"}),
        (film, {"frame": "middle"}),
        (encoded(clear, "PNG"), {"channels": (4, 1, 2)}),
    ]
    for stored, how in asked:
        sent = open_picture(_shrink(stored, Path("large"), 13_000_000), **how)
        assert max(sent.size) <= 1024
        expected = open_picture(stored, **how).resize(sent.size)
        assert np.abs(np.asarray(sent, int) - np.asarray(expected, int)).mean() < 3, how
    with pytest.raises(PictureError, match="stays larger"):
        _shrink(file.getvalue(), Path("large"), 100_000)
