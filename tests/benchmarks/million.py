"""A million pictures whose features are made up: what each step takes, for a process of its own (see bench_million).

Each step but the first finds in the folder what the one before left there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.benchmarks.growth import peak_bytes

DIM, CLASSES, CHUNK, SEED = 1280, 20, 8192, 0
MEMORY_MB = 1000
"""What the training may have of the features in memory: a fifth of a million."""


def fill_store(place: Path, pictures: int) -> None:
    """Append the features of so many pictures to a store, flushed to the disk as a job does it."""
    from training_scripts.feature_store import FeatureStore

    (place / "store").mkdir()
    store = FeatureStore(place / "store", DIM)
    for first, rows in _made_up(pictures):
        store.append([_sha(number) for number in range(first, first + len(rows))], rows)


def write_channel(place: Path, pictures: int) -> None:
    """Open the store, look whether its rows are sound, and write the channel of a split of 9 to 1."""
    from training_scripts.backbones import Preprocessing
    from training_scripts.data import Samples
    from training_scripts.feature_store import FeatureStore
    from training_scripts.feature_store import write_channel as write

    store, splits = FeatureStore(place / "store", DIM), {}
    names = [_sha(number) for number in range(pictures)]
    assert store.drop_damaged(names) == 0
    cut = pictures * 9 // 10
    for split, numbers in (("train", range(cut)), ("valid", range(cut, pictures))):
        labels = np.fromiter(numbers, np.int64) % CLASSES
        paths = tuple(f"class {number % CLASSES}/{number:07d}.jpg" for number in numbers)
        splits[split] = Samples(Path("/data"), _classes(), paths, labels, tuple(names[n] for n in numbers), "made up")
    about = {
        "backbone": "efficientnet_lite0",
        "weights": "made up",
        "classes": list(_classes()),
        "dataset_version": "made up",
        "backbone_state": "backbone.pth",
        "preprocessing": Preprocessing().to_json(),
    }
    write(place / "channel", store, splits, about)


def read_channel(place: Path, pictures: int) -> None:
    """Read the channel, every row of it compared with its checksum."""
    from training_scripts.feature_store import read_channel as read

    assert sum(len(found.rows) for found in read(place / "channel").sets.values()) == pictures


def train_head(place: Path, pictures: int) -> None:
    """Train a head for one epoch by blocks, and judge it on the valid pictures."""
    import torch

    from training_scripts import train
    from training_scripts.network import build_backbone
    from training_scripts.row_matrix import MEMORY_MB as VARIABLE
    from training_scripts.weights import find

    state = build_backbone("efficientnet_lite0", find("efficientnet_lite0", "none", 0, {})).state_dict()
    torch.save(state, place / "channel" / "backbone.pth")
    job = place / "job"
    for name, folder in (("MODEL", "model"), ("OUTPUT", "output"), ("OUTPUT_DATA", "data"), ("CHECKPOINT", "no")):
        os.environ[f"SM_{name}_DIR"] = str(job / folder)
    os.environ |= {"SM_CHANNEL_FEATURES": str(place / "channel"), VARIABLE: str(MEMORY_MB)}
    asked = {"optimizer": "adam", "batch_size": 256, "num_epochs": 1, "learning_rate": 0.001}
    words = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
    began = time.perf_counter()
    assert train.main(words) == 0
    print(f"trained in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    found = json.loads((job / "data" / "evaluation.json").read_text(encoding="utf-8"))
    assert found["valid"]["accuracy"] > 0.9, "the made-up classes can be told apart"


def look_alike(place: Path, pictures: int) -> None:
    """Find every picture's nearest ones, which is most of what a check computes."""
    from core.features.neighbours import nearest
    from training_scripts.feature_store import read_channel as read

    found = read(place / "channel").sets["train"]
    features = found.matrix[found.rows]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    assert len(nearest(features, 10).index) == len(features)


def show_window(place: Path, pictures: int) -> None:
    """Put the pictures into the grid of the Data tab, arrange them, and scroll across all of them."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtWidgets import QApplication

    from core.dataset.gallery import Gallery
    from core.dataset.query import Query
    from core.dataset.records import Picture
    from gui.bridge import Bridge
    from gui.data.picture_grid import PictureGrid
    from gui.data.pictures_model import PicturesModel
    from gui.shared.theme import Theme
    from gui.shared.thumbnail_pixmaps import Thumbnails

    app = QApplication.instance() or QApplication(["sagehound"])
    Theme(app, "light")
    one = Picture("", "", None, 20_000, 320, 240, "JPEG", "", 0)
    made = [
        replace(one, path=f"{number:07d}.jpg", sha256=_sha(number), label=_classes()[number % CLASSES])
        for number in range(pictures)
    ]
    began = time.perf_counter()
    gallery = Gallery()
    gallery.add(made)
    gallery.arrange(Query())
    _say("gallery", began)
    began = time.perf_counter()
    gallery.arrange(Query(label=_classes()[3]))
    _say("one class", began)
    bridge, model = Bridge(), PicturesModel()
    thumbnails = Thumbnails(bridge, place / "thumbnails", 160)
    thumbnails.set_root(place)
    grid = PictureGrid(model, thumbnails)
    grid.resize(900, 700)
    grid.show()
    began = time.perf_counter()
    model.set_pictures(made)
    app.processEvents()
    _say("shown", began)
    bar, frames = grid.verticalScrollBar(), []
    for _ in range(100):
        began = time.perf_counter()
        bar.setValue(bar.value() + bar.maximum() // 100)
        app.processEvents()
        frames.append(time.perf_counter() - began)
    print(f"longest of 100 frames {1000 * max(frames):.0f} ms", file=sys.stderr)
    grid.close()
    bridge.close(10)


def measure(step: str, place: str, pictures: int) -> None:
    """Do one step and print its seconds and its peak memory in bytes."""
    began = time.perf_counter()
    globals()[step](Path(place), pictures)
    print("MEASURED", time.perf_counter() - began, peak_bytes())


def _say(what: str, began: float) -> None:
    print(f"{what} {time.perf_counter() - began:.2f} s", file=sys.stderr)


def _made_up(pictures: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield features by chunks: of each class around a centre of its own."""
    random = np.random.default_rng(SEED)
    centres = random.standard_normal((CLASSES, DIM), dtype=np.float32)
    for first in range(0, pictures, CHUNK):
        count = min(CHUNK, pictures - first)
        rows = random.standard_normal((count, DIM), dtype=np.float32)
        yield first, rows + centres[np.arange(first, first + count) % CLASSES]


def _sha(number: int) -> str:
    return f"{number:064x}"


def _classes() -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(CLASSES))
