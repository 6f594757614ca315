"""Pictures are read alike in threads and in processes, whatever becomes of a process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training_scripts import decoders, extraction
from training_scripts.backbones import BACKBONES

PREPROCESSING = BACKBONES["resnet18"].preprocessing


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for number in range(3 * decoders.CHUNK + 1):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (40, 30), (number, 2 * number, 200)).save(file)
        found.append(file)
    found[5].write_bytes(b"no picture")
    found[7].unlink()
    return found


def told(read):
    return [(sha256, None if pixels is None else pixels.tobytes(), why) for sha256, pixels, why in read]


def test_processes_read_what_threads_read_in_order(files):
    threads = told(decoders.read_in_threads(PREPROCESSING, files, 2, 8))
    assert told(decoders.read_in_processes(PREPROCESSING, files, 2)) == threads
    assert [place for place, (_, pixels, _) in enumerate(threads) if pixels is None] == [5, 7]


class _Broken(ThreadPoolExecutor):
    """A pool whose processes are gone after two chunks."""

    def __init__(self, processes, context, initializer):
        super().__init__(processes)
        self._asked = 0

    def submit(self, work, *words):
        self._asked += 1
        if self._asked > 2:
            raise BrokenProcessPool
        return super().submit(work, *words)


def test_processes_that_are_killed_cost_no_picture(files, monkeypatch, capsys):
    monkeypatch.setattr(decoders, "ProcessPoolExecutor", _Broken)
    found = told(decoders.read_in_processes(PREPROCESSING, files, 2))
    assert found == told(decoders.read_in_threads(PREPROCESSING, files, 2, 8))
    assert "decoded in threads" in capsys.readouterr().out


def test_features_are_the_same_where_a_gpu_waits_for_processes(files, monkeypatch):
    def forward(pictures):
        return pictures.reshape(len(pictures), -1)[:, :8].astype(np.float32)

    def rows():
        found = extraction._rows_in_batches(PREPROCESSING, forward, decoders.LEAST_PROCESSES, files)
        return [(row.sha256, None if row.features is None else row.features.tolist(), row.reason) for row in found]

    in_threads, asked = rows(), []
    monkeypatch.setattr(extraction.runtime, "has_gpu", lambda: True)
    monkeypatch.setattr(
        decoders, "read_in_processes", lambda *words: asked.append(words) or decoders.read_in_threads(*words, 8)
    )
    assert rows() == in_threads
    assert len(asked) == 1
