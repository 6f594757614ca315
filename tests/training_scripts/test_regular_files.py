"""A pipe, a socket or a device among files from elsewhere is refused at once, whoever reads them."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core.debugger.foreign_curves import _table, _tensorboard
from core.models.files import unpacked
from core.profiler.read_framework import read_framework
from core.profiler.read_kineto import _text
from core.profiler.read_system import read_system
from training_scripts.artifact import check, looks_whole
from training_scripts.debugger.storage import FolderStorage
from training_scripts.durable import sha256_of
from training_scripts.outside import read_json
from training_scripts.regular_files import NOT_REGULAR, open_regular, read_regular

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")

METRICS = "1700000000.algo-1.json"


def bounded(read: Callable[[], object]) -> str:
    """Return what reading said, within seconds."""
    said = list[str]()

    def run() -> None:
        try:
            said.append(str(read()))
        except Exception as error:
            said.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert said, "it waits for whoever might write into the pipe"
    return said[0]


def test_what_is_not_a_regular_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file") == b"content"
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(tmp_path)  # the path of a socket is short
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        for path in (tmp_path / "pipe", tmp_path / "socket", Path("/dev/zero")):
            with pytest.raises(OSError, match=NOT_REGULAR):
                open_regular(path)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "nothing")


@pytest.mark.parametrize(
    "read",
    [
        read_json,
        sha256_of,
        check,
        looks_whole,
        _text,
        _table,
        _tensorboard,
        lambda path: FolderStorage(path.parent).read(path.name),
        lambda path: read_system([path]),
        lambda path: read_framework([path]),
        lambda path: unpacked(path, path.parent / "kept"),
    ],
)
def test_nobody_waits_for_a_pipe(read, tmp_path):
    os.mkfifo(tmp_path / METRICS)
    said = bounded(lambda: read(tmp_path / METRICS))
    assert "pipe" in said
