"""An epoch of head training over frozen features, as a job runs it, against the loop that a notebook would have.

The notebook keeps the features in memory, as a TensorDataset behind a DataLoader; the same head, batch size and
optimizer. docs/SCALING.md is computed from what an epoch takes per picture.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from core.paths import ROOT
from tests.benchmarks.harness import measure, print_figure, print_table
from tests.benchmarks.pictures import dataset
from training_scripts.feature_store import FeatureStore

ROWS, DIM, CLASSES, BATCH, EPOCHS, RUNS = 20_000, 1280, 10, 32, 3, 5
_EPOCH = re.compile(r"^epoch=.* seconds=([\d.]+)", re.MULTILINE)


def main() -> None:
    """Print the table."""
    random = np.random.default_rng(0)
    features = random.standard_normal((ROWS, DIM), dtype=np.float32)
    labels = np.arange(ROWS, dtype=np.int64) % CLASSES
    with dataset(100) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as name:
        channel = _channel(Path(name), pictures, features, labels)
        loader = DataLoader(TensorDataset(torch.from_numpy(features), torch.from_numpy(labels)), BATCH, shuffle=True)
        runs = [
            (_ours(channel, Path(name) / f"job{number}"), measure(lambda: _epoch(loader))) for number in range(RUNS)
        ]
    ours, theirs = ([ROWS / seconds for seconds in side] for side in zip(*runs, strict=True))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(
        f"{ROWS:,} pictures, {DIM} features each, linear head, batches of {BATCH}; one thread; {RUNS} runs in turn.\n"
    )
    print_table(
        ("pictures per second", "DataLoader over tensors in memory", "ours is faster"),
        [(_spread(ours), _spread(theirs), f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})")],
    )
    print_figure("head_per_second", median(ours))


def _spread(values: list[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def _channel(place: Path, pictures: Path, features: np.ndarray, labels: np.ndarray) -> Path:
    """A channel of real features, to which as many made-up ones are added as are wanted."""
    train, output = place / "train", place / "features"
    train.mkdir()
    files = sorted(pictures.rglob("*.jpg"))
    classes = sorted({file.parent.name for file in files})
    listed = [
        {"path": file.relative_to(pictures).as_posix(), "label": classes.index(file.parent.name), "sha256": ""}
        for file in files
    ]
    about = {"format": 1, "root": str(pictures), "dataset_version": "bench", "classes": classes, "pictures": listed}
    (train / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    script = ROOT / "training_scripts" / "features.py"
    _run([script, "--output", output, "--store", place / "store"], {"SM_CHANNEL_TRAIN": train, "SM_OUTPUT_DIR": place})
    said = json.loads((output / "features.json").read_text(encoding="utf-8"))
    store = FeatureStore((output / said["matrix"]).resolve().parent, DIM)
    start = len(store)
    store.append([f"{number:064x}" for number in range(ROWS)], features)
    np.save(output / "train.rows.npy", np.arange(start, start + ROWS))
    np.save(output / "train.labels.npy", labels)
    names = {"root": str(pictures), "paths": [str(number) for number in range(ROWS)]}
    (output / "train.pictures.json").write_text(json.dumps(names), encoding="utf-8")
    said["splits"] = {"train": ROWS}
    (output / "features.json").write_text(json.dumps(said), encoding="utf-8")
    return output


def _ours(channel: Path, job: Path) -> float:
    """Seconds of an epoch in a job, as the job says them; the first epoch warms up."""
    script = ROOT / "training_scripts" / "train.py"
    options = ["--mode", "head", "--head", "linear", "--num_epochs", EPOCHS, "--batch_size", BATCH]
    folders = {"SM_MODEL_DIR": job / "model", "SM_OUTPUT_DIR": job, "SM_OUTPUT_DATA_DIR": job / "data"}
    output = _run(
        [script, *options], folders | {"SM_CHANNEL_FEATURES": channel, "SM_CHANNEL_TRAIN": channel.parent / "train"}
    )
    return median(float(value) for value in _EPOCH.findall(output)[1:])


def _epoch(loader: DataLoader[tuple[torch.Tensor, ...]]) -> None:
    torch.set_num_threads(1)
    head = torch.nn.Linear(DIM, CLASSES)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.003)
    for batch, labels in loader:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(batch), labels).backward()
        optimizer.step()


def _run(command: list[object], variables: dict[str, Path]) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    environment |= {name: str(value) for name, value in variables.items()} | {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, *map(str, command)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
