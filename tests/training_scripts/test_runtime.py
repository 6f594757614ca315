"""Networks that OpenVINO computes: opened by many threads at once, converted once for many models."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training_scripts import runtime
from training_scripts.backbones import Preprocessing
from training_scripts.network import Classifier, Strangeness, WithStrangeness
from training_scripts.unknown import Gauge, Known


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


PREPROCESSING = Preprocessing(size=16)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """A tiny backbone of four features."""
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()


@pytest.fixture(scope="module")
def saved(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It, converted and saved."""
    model = runtime.convert(network, PREPROCESSING)
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


@pytest.mark.parametrize(("strange", "views"), [(False, 1), (True, 1), (True, 3)])
def test_a_model_over_a_converted_backbone_answers_as_one_that_is_converted_whole(
    network: torch.nn.Module, saved: Path, strange: bool, views: int
) -> None:
    preprocessing = replace(PREPROCESSING, views=views)
    classifier = Classifier(network, torch.nn.Linear(4, 3), temperature=2.0).eval()
    if strange:
        random = np.random.default_rng(1)
        values = [random.normal(size=shape).astype(np.float32) for shape in ((4,), (2, 4), (5, 2))]
        classifier.strangeness = Strangeness(
            Known(*values, ("",) * 5), Gauge((0.5, 0.1), (1.0, 2.0), 3.0, 0.95, "valid", 5)
        )
    model = WithStrangeness(classifier)
    whole, behind = runtime.convert(model, preprocessing), runtime.convert(model, preprocessing, backbone=saved)
    pictures = np.random.default_rng(2).integers(0, 256, (3, *preprocessing.shape), dtype=np.uint8)
    answers = [runtime.openvino_forward(one)(pictures) for one in (whole, behind)]
    assert answers[0].shape == (3, 6 if strange else 3)
    assert np.allclose(*answers, rtol=1e-5, atol=1e-5)


def test_another_backbone_s_conversion_is_not_believed(saved: Path) -> None:
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    model = WithStrangeness(Classifier(other, torch.nn.Linear(4, 3)).eval())
    assert runtime.convert(model, PREPROCESSING, backbone=saved) is None
