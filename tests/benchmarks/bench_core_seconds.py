"""What a picture costs in core-seconds: its frozen features, an epoch of a head over them, the notebook's way.

Processor time, not the clock, so that what else the machine does matters little; and the difference between a larger
and a smaller run, so that starting Python, torch and OpenVINO is not in it. docs/SCALING.md is computed from this.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from core.paths import ROOT
from tests.benchmarks.harness import print_figure, print_table
from tests.benchmarks.pictures import dataset
from training_scripts.backbones import BACKBONES
from training_scripts.feature_store import FeatureStore

BACKBONE = "efficientnet_lite0"
FEATURES, NOTEBOOK, EPOCHS = (100, 700), (32, 160), (2, 7)
ROWS, BATCH, RUNS = 20_000, 32, 3


def main() -> None:
    """Print the table."""
    with dataset(1000) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as name:
        place = Path(name)
        files = sorted(pictures.rglob("*.jpg"))
        chosen = {count: files[:: len(files) // count][:count] for count in FEATURES}
        channels = {count: _channel(place / f"{count}", pictures, chosen[count]) for count in FEATURES}
        features = _features(channels[FEATURES[0]], place / "made")[1]
        _enlarge(features)
        measured: dict[str, list[float]] = {"features": [], "notebook": [], "head": []}
        for number in range(RUNS):
            cost = [_features(channels[count], place / f"features{number}-{count}")[0] for count in FEATURES]
            measured["features"].append((cost[1] - cost[0]) / (FEATURES[1] - FEATURES[0]))
            cost = [_cpu([sys.executable, "-m", __spec__.name, str(pictures), str(count)], {}) for count in NOTEBOOK]
            measured["notebook"].append((cost[1] - cost[0]) / (NOTEBOOK[1] - NOTEBOOK[0]))
            cost = [_head(features, channels[FEATURES[0]], place / f"head{number}-{count}", count) for count in EPOCHS]
            measured["head"].append((cost[1] - cost[0]) / (EPOCHS[1] - EPOCHS[0]) / ROWS)
    words = {
        "features": "frozen features, decoding included",
        "notebook": "DataLoader and torch eager, one epoch",
        "head": "a linear head over features, one epoch",
    }
    print(f"{BACKBONE}, 500 px JPEG; processor time of all a job's processes; {RUNS} runs in turn.\n")
    rows = []
    for kind, cost in measured.items():
        low, middle, high = (f"{1000 * value:.3g}" for value in (min(cost), median(cost), max(cost)))
        rows.append((words[kind], f"{middle} ms ({low} to {high})", f"{1 / median(cost):,.0f}"))
    print_table(("what", "core time per picture", "pictures per core and second"), rows)
    for kind, cost in measured.items():
        print_figure(f"{kind}_per_core", 1 / median(cost))


def notebook(pictures: Path, count: int) -> None:
    """The notebook's way over so many pictures: ImageFolder, DataLoader, a frozen network in torch eager."""
    import torch
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from training_scripts.network import build_backbone
    from training_scripts.weights import find

    spec = BACKBONES[BACKBONE].preprocessing
    mode = transforms.InterpolationMode(spec.interpolation)
    steps = [transforms.Resize(spec.resize, interpolation=mode), transforms.CenterCrop(spec.size)]
    steps += [transforms.ToTensor(), transforms.Normalize(spec.mean, spec.std)]
    network = build_backbone(BACKBONE, find(BACKBONE, "default")).eval()
    with torch.no_grad():
        for batch, _ in DataLoader(Subset(ImageFolder(str(pictures), transforms.Compose(steps)), range(count)), BATCH):
            network(batch)


def _channel(folder: Path, pictures: Path, files: list[Path]) -> Path:
    classes = sorted({file.parent.name for file in files})
    listed = [
        {"path": file.relative_to(pictures).as_posix(), "label": classes.index(file.parent.name), "sha256": ""}
        for file in files
    ]
    about = {"format": 1, "root": str(pictures), "dataset_version": "bench", "classes": classes, "pictures": listed}
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def _features(channel: Path, output: Path) -> tuple[float, Path]:
    """Core-seconds of features.py over a channel, and the channel of features that it wrote."""
    script = ROOT / "training_scripts" / "features.py"
    command = [sys.executable, str(script), "--output", str(output), "--store", str(output / "store")]
    return _cpu(command, {"SM_CHANNEL_TRAIN": channel, "SM_OUTPUT_DIR": output}), output


def _enlarge(channel: Path) -> None:
    """Add made-up features to a channel, as many as a head is measured with."""
    about = json.loads((channel / "features.json").read_text(encoding="utf-8"))
    listed = about["matrices"][0]
    store = FeatureStore((channel / listed["file"]).resolve().parent, about["dim"])
    start, random = len(store), np.random.default_rng(0)
    made = random.standard_normal((ROWS, about["dim"]), dtype=np.float32)
    store.append([f"{number:064x}" for number in range(ROWS)], made)
    np.save(channel / "train.rows.npy", np.arange(start, start + ROWS))
    np.save(channel / "train.labels.npy", np.arange(ROWS, dtype=np.int64) % len(about["classes"]))
    names = json.loads((channel / "train.pictures.json").read_text(encoding="utf-8"))
    names["paths"] = [str(number) for number in range(ROWS)]
    (channel / "train.pictures.json").write_text(json.dumps(names), encoding="utf-8")
    about["splits"], listed["rows"] = {"train": ROWS}, start + ROWS
    (channel / "features.json").write_text(json.dumps(about), encoding="utf-8")


def _head(features: Path, channel: Path, job: Path, epochs: int) -> float:
    """Core-seconds of a job that trains a head for so many epochs."""
    script = ROOT / "training_scripts" / "train.py"
    command = [sys.executable, str(script), "--mode", "head", "--head", "linear", "--batch_size", str(BATCH)]
    folders = {"SM_MODEL_DIR": job / "model", "SM_OUTPUT_DIR": job, "SM_OUTPUT_DATA_DIR": job / "data"}
    folders |= {"SM_CHANNEL_FEATURES": features, "SM_CHANNEL_TRAIN": channel}
    return _cpu([*command, "--num_epochs", str(epochs)], folders, threads=1)


def _cpu(command: list[str], variables: dict[str, Path], threads: int = 0) -> float:
    """Core-seconds of a process and all that it started."""
    import psutil

    environment = {name: value for name, value in os.environ.items() if not name.startswith("SM_")}
    environment |= {name: str(value) for name, value in variables.items()}
    environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    before = psutil.Process().cpu_times()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise SystemExit(f"{command[1]} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    after = psutil.Process().cpu_times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    if len(sys.argv) > 1:
        notebook(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
