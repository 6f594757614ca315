"""A search of 20 trials x 10 epochs in head mode over 2,000 pictures: `sagehound tune` against the notebook way.

The notebook way is torchvision's ImageFolder and DataLoader with a frozen network in eval mode, every picture decoded
and forwarded in every epoch of every trial. One such epoch is measured, and multiplied by 20 x 10. Its features are
kept, and the other nine epochs of one trial follow over them: a frozen network gives the same ones in every epoch, so
these are the losses that the notebook would reach. They are compared with those of our best trial, which began with
the same head, learning rate and order of pictures.

ResNet-18's ImageNet weights would have to be fetched, so its weights are untrained, with batch norm's statistics taken
from the pictures: as much work as with trained ones. Lite0's are the bundled ones. Where the processor has bfloat16 our
features of ResNet-18 are made in it. Its learning rates end at 3e-3: over an untrained network's features, which are
large, the loss leaps up in the first steps at 1e-2, and from there any rounding leads elsewhere (in float32 with
another resize, too).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from core.dataset.manifest import Manifest
from core.paths import ROOT, AppPaths
from core.processors import available_cores
from core.workbench import Workbench
from tests.benchmarks.harness import Sample, measure, print_table
from tests.benchmarks.pictures import dataset
from training_scripts.backbones import BACKBONES
from training_scripts.network import build_backbone, build_head
from training_scripts.weights import find

PICTURES, TRIALS, EPOCHS, BATCH = 2000, 20, 10, 32
RUNS = {"cold": 2, "cached": 3}  # few, as each takes 10 to 30 s
REACH = {"resnet18": 100, "efficientnet_lite0": 300}
LARGEST_RATE = {"resnet18": "3e-3", "efficientnet_lite0": "3e-2"}
CACHED_SECONDS = 15


@dataclass(frozen=True)
class Found:
    """Our best trial: its learning rate and seed, and per epoch its train loss, valid loss and valid accuracy."""

    learning_rate: float
    seed: int
    train: list[float]
    valid: list[float]
    accuracy: list[float]


def main() -> None:
    """Print the tables."""
    rows, agreement = [], []
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        for backbone in REACH:
            weights = _untrained(pictures, Path(place) / "resnet18.pth") if backbone == "resnet18" else "default"
            cold, cached, home = _ours(backbone, weights, pictures, Path(place))
            found, manifest = _best(home)
            notebook = Notebook(backbone, weights, manifest, found)
            epoch = measure(notebook.first_epoch)
            rows.append(_row(backbone, cold, cached, epoch))
            agreement.append((backbone, *_compared(found, notebook)))
    print(f"{PICTURES:,} pictures of 500 px in the page cache; the notebook way: one epoch x {TRIALS} x {EPOCHS}.\n")
    print_table(
        ("backbone", "cold", "cached", "notebook way, one epoch", "extrapolated", "times faster, cold", "reach"), rows
    )
    print(f"Reach of the cached search: under {CACHED_SECONDS} s.\n")
    print_table(
        ("backbone", "ours: last valid loss, accuracy", "notebook way", "largest difference of a loss"), agreement
    )


def _row(backbone: str, cold: Sample, cached: Sample, epoch: float) -> tuple[object, ...]:
    whole = epoch * TRIALS * EPOCHS
    ratio, reach = whole / cold.median, REACH[backbone]
    spread = f"{ratio:.0f}x ({whole / max(cold.seconds):.0f} to {whole / min(cold.seconds):.0f})"
    verdict = f"{reach}x: {'met' if ratio >= reach else 'NOT MET'}"
    verdict += f"; cached {'met' if cached.median < CACHED_SECONDS else 'NOT MET'}"
    return backbone, cold, cached, f"{epoch:.1f} s", f"{whole / 60:.0f} min", spread, verdict


def _ours(backbone: str, weights: str, pictures: Path, place: Path) -> tuple[Sample, Sample, Path]:
    """Seconds of the cold searches, each in a new installation, and of those whose features are there."""
    homes = [place / f"{backbone}-{number}" for number in range(RUNS["cold"])]
    cold = [measure(lambda home=home: _tune(home, backbone, weights, pictures)) for home in homes]
    cached = [measure(lambda: _tune(homes[-1], backbone, weights, pictures)) for _ in range(RUNS["cached"])]
    return Sample(tuple(cold)), Sample(tuple(cached)), homes[-1]


def _tune(home: Path, backbone: str, weights: str, pictures: Path) -> None:
    fixed = {"weights": weights, "num_epochs": EPOCHS, "batch_size": BATCH}
    command = [sys.executable, str(ROOT / "__main__.py"), "tune", str(pictures), "--json", "--backbone", backbone]
    command += ["--mode", "head", "--head", "linear", "--max-jobs", str(TRIALS), "--max-parallel-jobs", "2"]
    command += [
        "--strategy",
        "Bayesian",
        "--seed",
        "1",
        "--range",
        f"learning_rate=continuous:1e-4:{LARGEST_RATE[backbone]}:log",
    ]
    command += [word for name, value in fixed.items() for word in ("--static", f"{name}={value}")]
    environment = os.environ | {"SAGEHOUND_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode or json.loads(done.stdout)["status"] != "Completed":
        raise SystemExit(f"The search failed:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")


def _best(home: Path) -> tuple[Found, Manifest]:
    workbench = Workbench(AppPaths(home))
    try:
        trial = workbench.jobs.find("best")
        series = [
            [event.value for event in workbench.store.metrics(trial.name, name)]
            for name in ("train:loss", "valid:loss", "valid:accuracy")
        ]
        manifest = workbench.data.manifest(trial.dataset_version)
        assert manifest is not None
        drawn = trial.hyperparameters
        return Found(float(drawn["learning_rate"]), int(drawn.get("seed", "0")), *series), manifest
    finally:
        workbench.close()


class Notebook:
    """One trial as a notebook would run it, with the head and the order of pictures that our trial had."""

    def __init__(self, backbone: str, weights: str, manifest: Manifest, found: Found) -> None:
        from torchvision.datasets import ImageFolder

        spec = BACKBONES[backbone]
        self._network = build_backbone(backbone, find(backbone, weights, 0)).eval().requires_grad_(False)
        torch.manual_seed(found.seed)
        self._seed = found.seed
        self._head = build_head("linear", spec.dim, len(manifest.classes))
        self._optimizer = torch.optim.Adam(self._head.parameters(), lr=found.learning_rate)
        folder = ImageFolder(str(manifest.root), _transform(backbone))
        position = {Path(path).relative_to(manifest.root).as_posix(): at for at, (path, _) in enumerate(folder.samples)}
        self._sets = {
            split: Subset(folder, [position[entry.path] for entry in manifest.of(split)])
            for split in ("train", "valid")
        }
        self._features: dict[str, torch.Tensor] = {}
        self._labels: dict[str, torch.Tensor] = {}
        self.train: list[float] = []
        self.valid: list[float] = []
        self.accuracy: list[float] = []

    def first_epoch(self) -> None:
        """The epoch that is measured: both splits through DataLoader and network, a step of the head per batch."""
        order = self._order(1)
        self._train_on(self._seen("train", order))
        self._judge(self._seen("valid", np.arange(len(self._sets["valid"]))))

    def go_on(self) -> None:
        """The other epochs, over the features that the first one gave."""
        for epoch in range(2, EPOCHS + 1):
            order = torch.from_numpy(self._order(epoch)).split(BATCH)
            self._train_on((self._features["train"][part], self._labels["train"][part]) for part in order)
            self._judge([(self._features["valid"], self._labels["valid"])])

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, epoch]).permutation(len(self._sets["train"]))

    def _seen(self, split: str, order: np.ndarray):
        """Batches of features and labels; keeps them, by position, for the epochs that are not run."""
        loader = DataLoader(self._sets[split], BATCH, sampler=order.tolist(), num_workers=available_cores())
        kept = []
        for pictures, labels in loader:
            with torch.no_grad():
                features = self._network(pictures)
            kept.append((features, labels))
            yield features, labels
        back = torch.from_numpy(np.argsort(order))
        self._features[split] = torch.cat([features for features, _ in kept])[back]
        self._labels[split] = torch.cat([labels for _, labels in kept])[back]

    def _train_on(self, batches) -> None:
        total = count = 0.0
        for features, labels in batches:
            self._optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(self._head(features), labels)
            loss.backward()
            self._optimizer.step()
            total, count = total + loss.item() * len(labels), count + len(labels)
        self.train.append(total / count)

    @torch.no_grad()
    def _judge(self, batches) -> None:
        total = right = count = 0.0
        for features, labels in batches:
            logits = self._head(features)
            total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            right, count = right + (logits.argmax(1) == labels).sum().item(), count + len(labels)
        self.valid.append(total / count)
        self.accuracy.append(right / count)


def _compared(found: Found, notebook: Notebook) -> tuple[str, str, str]:
    notebook.go_on()
    pairs = [*zip(found.train, notebook.train, strict=True), *zip(found.valid, notebook.valid, strict=True)]
    apart = max(abs(ours - theirs) for ours, theirs in pairs)
    largest = max(theirs for _, theirs in pairs)
    return (
        f"{found.valid[-1]:.4f}, {found.accuracy[-1]:.3f}",
        f"{notebook.valid[-1]:.4f}, {notebook.accuracy[-1]:.3f}",
        f"{apart:.4f} (of losses up to {largest:.2f})",
    )


def _transform(backbone: str):
    from torchvision import transforms

    spec = BACKBONES[backbone].preprocessing
    mode = transforms.InterpolationMode(spec.interpolation)
    return transforms.Compose(
        [
            transforms.Resize(spec.resize, interpolation=mode),
            transforms.CenterCrop(spec.size),
            transforms.ToTensor(),
            transforms.Normalize(spec.mean, spec.std),
        ]
    )


def _untrained(pictures: Path, file: Path) -> str:
    """A state_dict of an untrained ResNet-18 whose batch norm knows these pictures' statistics."""
    from torchvision.datasets import ImageFolder

    network = build_backbone("resnet18", find("resnet18", "none", 0)).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    folder = ImageFolder(str(pictures), _transform("resnet18"))
    chosen = range(0, len(folder), len(folder) // 64)
    with torch.no_grad():
        network(torch.stack([folder[number][0] for number in chosen]))
    torch.save(network.state_dict(), file)
    return str(file)


if __name__ == "__main__":
    main()
