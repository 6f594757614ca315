"""Pictures bound what they cost, alone and together; special files are refused at once."""

from __future__ import annotations

import itertools
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training_scripts.pictures.drawn import encoded, noisy
from training_scripts.pictures import limits, reading
from training_scripts.pictures.limits import PixelBudget
from training_scripts.pictures.opening import is_picture, read_file
from training_scripts.pictures.reading import open_picture, size_of
from training_scripts.pictures.structure import PictureUnreadable

LARGE = encoded(Image.new("RGB", (2400, 2000)), "PNG")  # 58 MB as it is counted


def test_pixels_in_flight_have_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fit at once, however many threads want one."""
    cost = 2400 * 2000 * limits.BYTES_PER_PIXEL
    budget = PixelBudget(2 * cost)
    monkeypatch.setattr(reading, "budget", budget)
    most, lock = 0, threading.Lock()

    def read(_: int) -> int:
        nonlocal most
        image = open_picture(LARGE)
        with lock:
            most = max(most, budget.used)
        return image.width

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(24))) == {2400}
    assert most == 2 * cost
    assert budget.used == 0


def test_one_picture_beyond_the_budget_is_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = PixelBudget(1000)
    monkeypatch.setattr(reading, "budget", budget)
    image = open_picture(LARGE)
    assert budget.used > 1000
    del image
    assert budget.used == 0


def test_what_fails_gives_its_room_back(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = PixelBudget()
    monkeypatch.setattr(reading, "budget", budget)
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2400, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), "BMP")
    with pytest.raises(PictureUnreadable):
        open_picture(data[: len(data) // 2])
    assert budget.used == 0


def test_a_thread_that_holds_one_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "budget", PixelBudget(1000, patience_s=0.05))
    first, second = open_picture(LARGE), open_picture(LARGE)
    assert first.size == second.size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "PPM"])
def test_a_picture_has_only_so_much_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(noisy((800, 600)), kind)
    monkeypatch.setattr(time, "thread_time", itertools.count(0, limits.DECODE_SECONDS + 1).__next__)
    with pytest.raises(PictureUnreadable, match="seconds to decode"):
        open_picture(data)


@pytest.fixture
def special(tmp_path: Path) -> dict[str, Path]:
    """A pipe nobody writes to, a socket, a device and a folder, all with the ending of a picture."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    made = {name: tmp_path / f"{name}.jpg" for name in ("pipe", "socket", "device", "folder")}
    os.mkfifo(made["pipe"])
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(made["socket"]))
    made["device"].symlink_to("/dev/zero")
    made["folder"].mkdir()
    return made


def test_special_files_are_refused_at_once(special: dict[str, Path]) -> None:
    began = time.monotonic()
    for name, path in special.items():
        words = "folder" if name == "folder" else "not a file"
        for read in (open_picture, read_file, size_of):
            with pytest.raises(PictureUnreadable, match=words):
                read(path)
        assert not is_picture(path.rename(path.with_suffix("")))
    assert time.monotonic() - began < 5
