"""Frozen features, an epoch of fine_tune and a search of heads on the device that is there, which is named.

Beside features stands torchvision's way: ImageFolder, a DataLoader with a worker for each core, ResNet-18 in eval mode.
Beside fine_tune stands a plain reference loop with autocast, which trains the same parameters. Pictures are made here,
weights are untrained, nothing is fetched; besides torch, torchvision, numpy and Pillow it needs filelock, psutil and
Optuna. `make bench-gpu`, or `python -m tests.benchmarks.bench_gpu`. Without a GPU it runs small, to be seen to work.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

from tests.benchmarks.harness import print_figure, print_table
from tests.benchmarks.pictures import dataset
from training_scripts.backbones import BACKBONES
from training_scripts.data import cores
from training_scripts.packed.lines import RECORD_FILE
from training_scripts.packed.order import FILE, SearchOrder
from training_scripts.strategies.dimensions import Dimension
from training_scripts.strategies.plan import SearchPlan

SCRIPTS = Path(__file__).resolve().parents[2] / "training_scripts"
BATCH = 32
_SPEED = re.compile(r"features (\d+)/\1 \(([\d.]+) pictures/s\)")
_EPOCH = re.compile(r"^epoch=(\d+)/\d+ .* seconds=([0-9.]+)", re.MULTILINE)
_LIMIT_S = 240


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is to do: pictures for features and their DataLoader, epochs of fine_tune, heads."""

    pictures: int
    epochs: int
    heads: int


GPU, CPU = Sizes(4000, 3, 200), Sizes(64, 2, 3)


def main() -> None:
    """Print the tables."""
    began = time.monotonic()
    has_gpu = torch.cuda.is_available()
    sizes, device = (GPU, torch.device("cuda")) if has_gpu else (CPU, torch.device("cpu"))
    name = torch.cuda.get_device_name() if has_gpu else f"no GPU ({platform.processor() or platform.machine()})"
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "-"
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    print(f"Device: {name}; {cores()} cores, {versions}, load {load}.\n")
    with dataset(sizes.pictures) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as temporary:
        place = Path(temporary)
        channel = _channel(place / "train", pictures)
        features, ours = _features(channel, place / "features")
        rival = _frozen_loader(pictures, device)
        rows = [
            ("frozen features, ResNet-18", f"{ours:.0f} pictures/s", f"{rival:.0f} pictures/s", f"{ours / rival:.2f}x")
        ]
        print_figure("gpu_features", ours)
        for unfreeze in ("last_block", "all"):
            mine = _fine_tune(channel, place / unfreeze, unfreeze, sizes.epochs)
            other = _reference(pictures, device, unfreeze, sizes.epochs)
            rows.append((f"fine_tune, {unfreeze}, an epoch", f"{mine:.2f} s", f"{other:.2f} s", f"{other / mine:.2f}x"))
            print_figure(f"gpu_fine_tune_{unfreeze}", mine)
        print_table(("work", "ours", "torchvision's way", "times faster"), rows)
        seconds = _heads(features, place / "heads", sizes.heads)
        what = f"{sizes.heads} heads x 10 epochs over the features of {sizes.pictures:,} pictures"
        print(f"{what}: {seconds:.1f} s, with the start of the process and its workers.\n")
        print_figure("gpu_heads_seconds", seconds)
    print(f"All of it took {time.monotonic() - began:.0f} s.")


def _channel(folder: Path, root: Path) -> Path:
    files = sorted(root.rglob("*.jpg"))
    classes = sorted({file.parent.name for file in files})
    listed = [
        {"path": file.relative_to(root).as_posix(), "label": classes.index(file.parent.name), "sha256": ""}
        for file in files
    ]
    folder.mkdir()
    data = {"format": 1, "root": str(root), "dataset_version": "bench", "classes": classes, "pictures": listed}
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def _script(name: str, words: Sequence[str], variables: dict[str, str]) -> str:
    """Run one of our scripts as a container would; returns what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SM_")} | variables
    gpus = str(torch.cuda.device_count())
    command = [sys.executable, str(SCRIPTS / name), *words]
    environment |= {"SM_NUM_GPUS": "1" if gpus != "0" else "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def _features(channel: Path, output: Path) -> tuple[Path, float]:
    variables = {"SM_CHANNEL_TRAIN": str(channel), "SM_OUTPUT_DIR": str(output)}
    text = _script("features.py", ("--backbone", "resnet18", "--weights", "none", "--output", str(output)), variables)
    found = _SPEED.search(text)
    assert found is not None, text
    return output, float(found[2])


def _fine_tune(channel: Path, place: Path, unfreeze: str, epochs: int) -> float:
    """The fastest epoch of a job behind its first."""
    chosen = {"mode": "fine_tune", "unfreeze": unfreeze, "backbone": "resnet18", "weights": "none", "seed": "0"}
    chosen |= {"augmentation": "light", "num_epochs": str(epochs), "batch_size": str(BATCH)}
    variables = {"SM_CHANNEL_TRAIN": str(channel), "SM_MODEL_DIR": str(place / "model"), "SM_OUTPUT_DIR": str(place)}
    text = _script("train.py", [word for pair in chosen.items() for word in (f"--{pair[0]}", pair[1])], variables)
    return min(float(seconds) for epoch, seconds in _EPOCH.findall(text) if epoch != "1")


def _loader(pictures: Path, steps: list[nn.Module], shuffle: bool) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    spec = BACKBONES["resnet18"].preprocessing
    steps = [*steps, transforms.ToTensor(), transforms.Normalize(spec.mean, spec.std)]
    folder = ImageFolder(str(pictures), transforms.Compose(steps))
    # Processes that are forked after CUDA was used may hang.
    return DataLoader(
        folder,
        BATCH,
        shuffle,
        num_workers=cores(),
        persistent_workers=True,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="forkserver",
    )


def _settle(device: torch.device) -> float:
    """Wait for what the device still has to do; returns the time."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def _frozen_loader(pictures: Path, device: torch.device) -> float:
    """Pictures per second of the DataLoader and the frozen network, behind the first batch."""
    size = BACKBONES["resnet18"].preprocessing.size
    loader = _loader(pictures, [transforms.Resize(round(size / 0.875)), transforms.CenterCrop(size)], shuffle=False)
    network = models.resnet18(weights=None)
    network.fc = nn.Identity()
    network = network.eval().to(device=device, memory_format=torch.channels_last)
    count, began = 0, 0.0
    with torch.inference_mode():
        for number, (images, _) in enumerate(loader):
            network(images.to(device, non_blocking=True)).cpu()
            if number == 0:
                began = _settle(device)
            else:
                count += len(images)
    return count / (_settle(device) - began)


def _reference(pictures: Path, device: torch.device, unfreeze: str, epochs: int) -> float:
    """The fastest epoch behind the first of a plain loop with autocast."""
    size = BACKBONES["resnet18"].preprocessing.size
    steps: list[nn.Module] = [transforms.RandomResizedCrop(size, scale=(0.6, 1.0)), transforms.RandomHorizontalFlip()]
    loader = _loader(pictures, steps, shuffle=True)
    network = models.resnet18(weights=None, num_classes=10).to(device=device, memory_format=torch.channels_last)
    for name, parameter in network.named_parameters():
        parameter.requires_grad = unfreeze == "all" or name.startswith(("layer4.", "fc."))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam([item for item in network.parameters() if item.requires_grad], lr=3e-4)
    seconds = []
    for _ in range(epochs):
        began = _settle(device)
        network.train()
        for images, labels in loader:
            moved, answers = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
            with torch.autocast(device.type, torch.bfloat16):
                loss = criterion(network(moved), answers)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(_settle(device) - began)
    return min(seconds[1:])


def _heads(features: Path, place: Path, count: int) -> float:
    """Seconds of a packed search of so many heads over the features."""
    rate = Dimension("learning_rate", low=1e-4, high=3e-2, is_log=True)
    fixed = {
        "mode": "head",
        "backbone": "resnet18",
        "weights": "none",
        "head": "linear",
        "num_epochs": "10",
        "seed": "1",
    }
    kind = {name: fixed[name] for name in ("backbone", "weights", "seed")} | {"preprocessing": "crop", "views": "1"}
    order = SearchOrder(
        "heads", SearchPlan((rate,), learns=True, max_jobs=count), fixed, r"Average loss: ([0-9.]+)", [kind]
    )
    for folder in ("order", "checkpoints", "model", "output/data"):
        (place / folder).mkdir(parents=True)
    (place / "order" / FILE).write_text(order.to_json(), encoding="utf-8")
    variables = {
        "SM_CHANNEL_SEARCH": str(place / "order"),
        "SM_CHANNEL_FEATURES": str(features),
        "SM_CHECKPOINT_DIR": str(place / "checkpoints"),
        "SM_MODEL_DIR": str(place / "model"),
        "SM_OUTPUT_DIR": str(place / "output"),
    }
    began = time.perf_counter()
    _script("packed_search.py", (), variables)
    seconds = time.perf_counter() - began
    done = len(list((place / "checkpoints").glob(f"heads-*/{RECORD_FILE}")))
    assert done == count, f"{done} of {count} trials"
    return seconds


if __name__ == "__main__":
    main()
