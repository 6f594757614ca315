"""An epoch of fine_tune on the CPU, ResNet-18: train.py against torchvision's reference training loop.

Both train the same parameters with Adam, batches of 32, random crops of 60 to 100 % of the area and mirroring, from
untrained weights; as many threads and DataLoader workers as there are cores. The second epoch of each is compared. An
epoch of the whole network takes so long that there are three pairs over 192 pictures.
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
from pathlib import Path
from statistics import median

from core.paths import ROOT
from tests.benchmarks.harness import print_table
from tests.benchmarks.pictures import dataset
from training_scripts.backbones import BACKBONES
from training_scripts.data import cores

PICTURES, USED, BATCH, PAIRS = 2000, 192, 32, 3
REACH = 1.5
_SECONDS = re.compile(r"^epoch=2/2 .* seconds=([0-9.]+)", re.MULTILINE)


def main() -> None:
    """Print the table."""
    rows = []
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        channel = _channel(Path(place) / "train", pictures)
        for unfreeze in ("last_block", "all"):
            rival = _rival(pictures, unfreeze)
            pairs = [(_ours(channel, unfreeze), rival()) for _ in range(PAIRS)]
            ratios = [theirs / ours for ours, theirs in pairs]
            ours, theirs = zip(*pairs, strict=True)
            rows.append(
                (
                    unfreeze,
                    f"{USED / median(ours):.1f}",
                    f"{USED / median(theirs):.1f}",
                    f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})",
                    "met" if median(ratios) >= REACH else "NOT MET",
                )
            )
    print_table(("trained", "ours, pictures/s", "reference loop", "times faster", f"reach: {REACH}x"), rows)


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


def _ours(channel: Path, unfreeze: str) -> float:
    """Seconds of the second epoch."""
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SM_")}
        environment |= {"SM_CHANNEL_TRAIN": str(channel), "SM_MODEL_DIR": f"{place}/model", "SM_OUTPUT_DIR": place}
        chosen = {"mode": "fine_tune", "unfreeze": unfreeze, "backbone": "resnet18", "weights": "none"}
        chosen |= {"augmentation": "light", "num_epochs": 2, "batch_size": BATCH}
        command = [sys.executable, str(ROOT / "training_scripts" / "train.py")]
        command += [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
        found = _SECONDS.search(done.stdout)
        if done.returncode or found is None:
            raise SystemExit(f"The job failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
        return float(found[1])


def _rival(pictures: Path, unfreeze: str) -> Callable[[], float]:
    """A function that trains one epoch as torchvision's references/classification/train.py does; returns seconds."""
    import torch
    from torch.utils.data import DataLoader, Subset
    from torchvision import models, transforms
    from torchvision.datasets import ImageFolder

    spec = BACKBONES["resnet18"].preprocessing
    steps = [transforms.RandomResizedCrop(spec.size, scale=(0.6, 1.0)), transforms.RandomHorizontalFlip()]
    steps += [transforms.ToTensor(), transforms.Normalize(spec.mean, spec.std)]
    chosen = range(0, PICTURES, PICTURES // USED)[:USED]
    folder = Subset(ImageFolder(str(pictures), transforms.Compose(steps)), chosen)
    loader = DataLoader(folder, BATCH, shuffle=True, num_workers=cores(), persistent_workers=True)
    torch.set_num_threads(cores())
    model = models.resnet18(weights=None, num_classes=10)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = unfreeze == "all" or name.startswith(("layer4.", "fc."))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    criterion, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.Adam(trained, lr=3e-4)

    def epoch() -> float:
        began = time.perf_counter()
        model.train()
        for image, target in loader:
            output = model(image)
            loss = criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            (output.argmax(1) == target).float().mean().item()
            loss.item()
        return time.perf_counter() - began

    epoch()  # the workers are up, the caches warm
    return epoch


if __name__ == "__main__":
    main()
