"""Special files block nobody, wherever pictures are opened beside scan and training."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from core.dataset.thumbnails import thumbnail
from core.engines.sagemaker.endpoints.invoke import EndpointClient, _shrink
from core.engines.sagemaker.upload.upload import _compare
from core.errors import DatasetError, PictureError
from core.predict.decoding import decode, render
from core.predict.intake import gather
from tests.training_scripts.pictures.drawn import encoded, noisy, png
from training_scripts.backbones import Preprocessing
from training_scripts.pictures import PictureUnreadable, open_picture

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
        _compare(pipe, "ab" * 32)
    os.mkfifo(tmp_path / "unnamed")
    (tmp_path / "named by content").write_bytes(encoded(noisy()))
    found = gather([tmp_path])
    assert [picture.name for picture in found.pictures] == ["named by content", "picture.jpg"]
    assert time.monotonic() - began < 5


def test_a_picture_that_is_made_smaller_for_an_endpoint_keeps_its_colours_and_its_side() -> None:
    from tests.training_scripts.pictures.drawn import PROPHOTO, in_space, profile

    picture = noisy((2400, 1600))
    stored = encoded(in_space(picture, PROPHOTO, 1.8), "PNG", icc_profile=profile(PROPHOTO, 1.8))
    sent = open_picture(_shrink(stored, Path("wide.png")))
    assert max(sent.size) == 1024
    expected = open_picture(stored).resize(sent.size)
    assert np.abs(np.asarray(sent, int) - np.asarray(expected, int)).mean() < 6


def test_a_deep_picture_is_not_made_smaller() -> None:
    """Its values would be stretched by themselves, and the model would see another picture."""
    with pytest.raises(PictureError, match="more than 8 bits a channel"):
        _shrink(png(np.asarray(noisy().convert("L")).astype(np.uint16)), Path("x-ray.png"))
