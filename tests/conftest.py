"""What tests of several parts share: one small training job, run by the real script."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from core.paths import ROOT

# How long an example takes says how busy the machine is. The same examples come in every run, so that a failure is the
# work of the change at hand; `make stress` draws others, and more.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, max_examples=50, **_PATIENT)
settings.register_profile("random", max_examples=200, **_PATIENT)
settings.load_profile("same")

pytest_plugins = ["tests.cloud.fixtures", "tests.profiles"]

# Several tests run side by side on few cores. The threads that torch computes with would spin while they wait for each
# other, and so keep the cores from those that they wait for: half of all processor time. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_configure() -> None:
    """Windows that nobody sees, also without a display; and processes that hear Ctrl-C.

    A suite that is started in the background ignores Ctrl-C, and so would every process that a test starts.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first: left for last, one of them would run while the other processes have nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


COLOURS = {"blue": (40, 60, 200), "green": (40, 170, 60), "red": (200, 50, 40)}


@dataclass(frozen=True)
class TrainedJob:
    """A finished job: its folder (model/, output/data/), its dataset, and its classes in order."""

    folder: Path
    dataset: Path
    classes: tuple[str, ...]

    @property
    def model(self) -> Path:
        """What model.tar.gz would unpack to."""
        return self.folder / "model"

    def picture(self, label: str, split: str = "test", number: int = 0) -> Path:
        """One picture of a class."""
        return sorted((self.dataset / split / label).iterdir())[number]


@pytest.fixture(scope="session")
def smdebug_python() -> str:
    """Return the Python of smdebug's own environment, which lies beside the one that runs the tests."""
    python = Path(sys.prefix).resolve().parent / ".smdebug" / ("Scripts" if os.name == "nt" else "bin") / "python"
    assert python.exists(), "smdebug's own environment is missing: make .smdebug/.installed"
    return str(python)


@pytest.fixture(scope="session")
def trained_job(tmp_path_factory: pytest.TempPathFactory) -> TrainedJob:
    """A linear head on the bundled backbone, trained on pictures of three colours."""
    root = tmp_path_factory.mktemp("trained")
    random = np.random.default_rng(3)
    for split, count in (("train", 6), ("valid", 2), ("test", 3)):
        for label, colour in COLOURS.items():
            folder = root / "dataset" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                noise = random.normal(0, 25, (60, 80, 3))
                pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).resize((320, 240)).save(folder / f"{label} {number}.jpg")
    job = root / "job"
    channels = {f"SM_CHANNEL_{s.upper()}": str(root / "dataset" / s) for s in ("train", "valid", "test")}
    environment = {
        **os.environ,
        **channels,
        "SM_MODEL_DIR": str(job / "model"),
        "SM_OUTPUT_DIR": str(job / "output"),
        "SM_OUTPUT_DATA_DIR": str(job / "output" / "data"),
        "SM_CHECKPOINT_DIR": str(job / "checkpoints"),
        "TRAINING_JOB_NAME": "colours",
    }
    command = [sys.executable, str(ROOT / "training_scripts" / "train.py"), "--num_epochs", "12", "--batch_size", "6"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return TrainedJob(job, root / "dataset", tuple(COLOURS))
