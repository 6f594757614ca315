"""A network that was opened may be asked by many threads at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training_scripts import runtime
from training_scripts.backbones import Preprocessing


class Spy:
    """Hands everything to `real`, and notes which threads compute with it."""

    def __init__(self, real: Any, threads: list[int]) -> None:
        self._real, self._threads = real, threads

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def Core(self) -> Spy:
        return Spy(self._real.Core(), self._threads)

    def compile_model(self, *arguments: Any) -> Spy:
        return Spy(self._real.compile_model(*arguments), self._threads)

    def create_infer_request(self) -> Spy:
        return Spy(self._real.create_infer_request(), self._threads)

    def infer(self, inputs: Any) -> Any:
        self._threads.append(threading.get_ident())
        return self._real.infer(inputs)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network, converted and saved."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    model = runtime.convert(network, Preprocessing(size=16))
    assert model is not None
    file = tmp_path_factory.mktemp("network") / "forward.xml"
    runtime.save(model, file)
    return file


def test_the_first_inference_of_a_process_is_made_where_the_network_is_opened(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two decoding threads that made it together stood still for ever, in 6 to 20 of 100 starts."""
    threads: list[int] = []
    spy = Spy(runtime.import_openvino(), threads)
    monkeypatch.setattr(runtime, "import_openvino", lambda: spy)
    forward = runtime.openvino_forward(saved, 2)
    assert threads == [threading.get_ident()]
    assert forward(np.zeros((3, 16, 16, 3), np.uint8)).shape == (3, 4)
