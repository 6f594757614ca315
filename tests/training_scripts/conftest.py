"""A tiny dataset that can be learned, and jobs run in this process under SageMaker's contract."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training_scripts import features

CLASSES = ("disks", "noise", "stripes")


def draw(label: str, random: np.random.Generator, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """A picture of a class, on a random ground."""
    width, height = size
    ground = random.integers(0, 256, 3)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    if label == "noise":
        values = random.integers(0, 256, (height, width, 3))
    else:
        period = random.integers(6, 12)
        inside = (x // period) % 2 == 0
        if label == "disks":
            centre = random.uniform(0.35, 0.65, 2) * (width, height)
            inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (height * random.uniform(0.2, 0.35)) ** 2
        values = np.where(inside[..., None], 255 - ground, ground)
    return Image.fromarray(values.astype(np.uint8))


@pytest.fixture(scope="session")
def learnable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with train (8 of each class), valid (4) and test (4): JPEG and PNG files."""
    root = tmp_path_factory.mktemp("learnable")
    random = np.random.default_rng(7)
    for split, count in (("train", 8), ("valid", 4), ("test", 4)):
        for label in CLASSES:
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                suffix = "png" if number % 4 == 3 else "jpg"
                draw(label, random).save(folder / f"{label} {number}.{suffix}")
    return root


@dataclass
class Job:
    """The folders of one job, and its channels."""

    root: Path
    channels: dict[str, Path] = field(default_factory=dict)

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def data(self) -> Path:
        return self.root / "output" / "data"

    @property
    def failure(self) -> str:
        return (self.root / "output" / "failure").read_text(encoding="utf-8")

    def environment(self) -> dict[str, str]:
        (self.root / "checkpoints").mkdir(parents=True, exist_ok=True)
        return {
            "SM_MODEL_DIR": str(self.model),
            "SM_OUTPUT_DIR": str(self.root / "output"),
            "SM_OUTPUT_DATA_DIR": str(self.data),
            "SM_CHECKPOINT_DIR": str(self.root / "checkpoints"),
            "SM_NUM_CPUS": "2",
            "TRAINING_JOB_NAME": "a-job",
            **{f"SM_CHANNEL_{name.upper()}": str(folder) for name, folder in self.channels.items()},
        }


@pytest.fixture
def new_job(tmp_path: Path, learnable: Path) -> Callable[..., Job]:
    """Makes a job over the learnable dataset, or over other channels."""
    made: list[Job] = []

    def make(**channels: Path | None) -> Job:
        wanted = {split: learnable / split for split in ("train", "valid", "test")} | channels
        job = Job(tmp_path / f"job{len(made)}", {name: folder for name, folder in wanted.items() if folder})
        made.append(job)
        return job

    return make


@pytest.fixture
def in_job(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a script's main with the variables of a job; returns its exit status."""

    def run(main: Callable[[list[str]], int], job: Job, **hyperparameters: object) -> int:
        with monkeypatch.context() as patch:
            for name, value in job.environment().items():
                patch.setenv(name, value)
            arguments = [part for name, value in hyperparameters.items() for part in (f"--{name}", str(value))]
            return main(arguments)

    return run


@pytest.fixture(autouse=True)
def _signals_back() -> Iterator[None]:
    """A job's main takes SIGTERM; the next test must not have it."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def _no_stray_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights of this machine, no store of this user."""
    for name in ("SAGEHOUND_WEIGHTS_DIR", "SAGEHOUND_FEATURES_DIR", "SAGEHOUND_RUNTIME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def channel(learnable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frozen features of the dataset, computed by torch."""
    folder = tmp_path_factory.mktemp("features")
    names = {f"SM_CHANNEL_{split.upper()}": str(learnable / split) for split in ("train", "valid", "test")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        assert features.main(["--runtime", "torch", "--output", str(folder)]) == 0
    return folder
