"""An epoch of fine_tune on the CPU, ResNet-18: train.py against torchvision's reference training loop.

Both train the same parameters with Adam, batches of 32, random crops of 60 to 100 % of the area and mirroring, from
untrained weights; as many threads and DataLoader workers as there are cores. The second epoch of each is compared. An
epoch of the whole network takes so long that there are three pairs over 128 pictures. Ours is mixed precision where
the processor computes in bfloat16, as is its default (`amp`); the reference is float32, as is its own. Both begin with
the same weights, so that their losses can be compared: they differ by the order of the pictures and by random crops.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from core.paths import ROOT
from tests.benchmarks.harness import print_table
from tests.benchmarks.pictures import dataset
from training_scripts.backbones import BACKBONES
from training_scripts.data import cores

PICTURES, USED, BATCH, PAIRS = 2000, 128, 32, 3
REACH = 1.5
RATE = 3e-4
_EPOCH = re.compile(r"^epoch=\d/2 .* train_loss=([0-9.]+) .* seconds=([0-9.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Epoch:
    """Seconds and mean train loss of one epoch."""

    seconds: float
    loss: float


def main() -> None:
    """Print the table."""
    rows = []
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        channel = _channel(Path(place) / "train", pictures)
        for unfreeze in ("last_block", "all"):
            rival = _rival(pictures, unfreeze)
            first = rival()  # its workers are up, the caches warm
            pairs = [(_ours(channel, unfreeze), rival()) for _ in range(PAIRS)]
            ours, theirs = zip(*((mine[1].seconds, other.seconds) for mine, other in pairs), strict=True)
            ratios = [other / mine for mine, other in zip(ours, theirs, strict=True)]
            learned, reference = pairs[0][0], (first, pairs[0][1])
            rows.append(
                (
                    unfreeze,
                    f"{USED / median(ours):.1f}",
                    f"{USED / median(theirs):.1f}",
                    f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
                    "met" if median(ratios) >= REACH else "NOT MET",
                    ", ".join(f"{epoch.loss:.3f}" for epoch in learned),
                    ", ".join(f"{epoch.loss:.3f}" for epoch in reference),
                )
            )
    headers = ("trained", "ours, pictures/s", "reference loop", "times faster", f"reach: {REACH}x")
    print_table((*headers, "train loss, epochs 1 and 2", "reference loop"), rows)


def _channel(folder: Path, root: Path) -> Path:
    files = sorted(root.rglob("*.jpg"))[:: PICTURES // USED][:USED]
    classes = sorted({file.parent.name for file in files})
    listed = [
        {"path": file.relative_to(root).as_posix(), "label": classes.index(file.parent.name), "sha256": ""}
        for file in files
    ]
    folder.mkdir()
    data = {"format": 1, "root": str(root), "dataset_version": "bench", "classes": classes, "pictures": listed}
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def _ours(channel: Path, unfreeze: str) -> list[Epoch]:
    """The two epochs of a job."""
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SM_")}
        environment |= {"SM_CHANNEL_TRAIN": str(channel), "SM_MODEL_DIR": f"{place}/model", "SM_OUTPUT_DIR": place}
        chosen = {"mode": "fine_tune", "unfreeze": unfreeze, "backbone": "resnet18", "weights": "none"}
        chosen |= {"augmentation": "light", "num_epochs": 2, "batch_size": BATCH, "learning_rate": RATE}
        command = [sys.executable, str(ROOT / "training_scripts" / "train.py")]
        command += [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
        found = _EPOCH.findall(done.stdout)
        if done.returncode or len(found) != 2:
            raise SystemExit(f"The job failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
        return [Epoch(float(seconds), float(loss)) for loss, seconds in found]


def _rival(pictures: Path, unfreeze: str) -> Callable[[], Epoch]:
    """A function that trains one epoch as torchvision's references/classification/train.py does."""
    import torch
    from torch.utils.data import DataLoader, Subset
    from torchvision import models, transforms
    from torchvision.datasets import ImageFolder

    from training_scripts.network import build_backbone, build_head
    from training_scripts.weights import find

    spec = BACKBONES["resnet18"].preprocessing
    steps = [transforms.RandomResizedCrop(spec.size, scale=(0.6, 1.0)), transforms.RandomHorizontalFlip()]
    steps += [transforms.ToTensor(), transforms.Normalize(spec.mean, spec.std)]
    chosen = range(0, PICTURES, PICTURES // USED)[:USED]
    folder = Subset(ImageFolder(str(pictures), transforms.Compose(steps)), chosen)
    loader = DataLoader(folder, BATCH, shuffle=True, num_workers=cores(), persistent_workers=True)
    torch.set_num_threads(cores())
    start = build_backbone("resnet18", find("resnet18", "none", 0)).state_dict()
    torch.manual_seed(0)
    head = build_head("linear", 512, 10).state_dict()
    model = models.resnet18(weights=None, num_classes=10)
    model.load_state_dict(start | {f"fc.{name}": value for name, value in head.items()})
    for name, parameter in model.named_parameters():
        parameter.requires_grad = unfreeze == "all" or name.startswith(("layer4.", "fc."))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    criterion, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.Adam(trained, lr=RATE)

    def epoch() -> Epoch:
        began, total = time.perf_counter(), 0.0
        model.train()
        for image, target in loader:
            output = model(image)
            loss = criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            (output.argmax(1) == target).float().mean().item()
            total += loss.item() * len(target)
        return Epoch(time.perf_counter() - began, total / USED)

    return epoch


if __name__ == "__main__":
    main()
