"""Computing frozen features, decoding included: features.py against the machine's limit and against a DataLoader.

The limit is cores / (bare decode + bare forward, in core-seconds per picture): one process per core that only decodes,
and OpenVINO that only computes, with one stream per core, 1, 2 or 32 pictures at a time, whichever is fastest, in the
fastest precision whose features agree with torch's: bfloat16 for ResNet-18 where the processor has it, float32 for
Lite0. The rival is torchvision's reference way: ImageFolder and DataLoader with one worker per core, batches of 32,
torch eager in eval mode and float32, timed from its second batch on. ResNet-18's weights are untrained: as much work as
with trained ones.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from core.paths import ROOT
from tests.benchmarks.harness import print_table
from tests.benchmarks.pictures import dataset
from training_scripts.backbones import BACKBONES
from training_scripts.data import cores
from training_scripts.preprocess import pixels

PICTURES, OURS, RIVALS, RUNS, BATCH = 2000, 1000, 128, 5, 32
REACH_OF_LIMIT = 0.85
REACH = {"efficientnet_lite0": 6.0, "resnet18": 2.5}
WEIGHTS = {"efficientnet_lite0": "default", "resnet18": "none"}
_SPEED = re.compile(r"features (\d+)/\1 \(([\d.]+) pictures/s\)")


def main() -> None:
    """Print the table."""
    rows = []
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        files = sorted(pictures.rglob("*.jpg"))[:: PICTURES // OURS]
        channel = _channel(Path(place) / "train", pictures, files)
        for backbone in REACH:
            rival, forward = _rival(backbone, pictures), _bare_forward(backbone)
            runs = []
            for number in range(RUNS):
                ours = _ours(backbone, channel, Path(place) / f"{backbone}-{number}")
                decode, compute = _bare_decode(backbone, files), forward()
                limit = 1 / (1 / decode + 1 / compute)
                runs.append((ours, decode, compute, ours / limit, ours / rival()))
            rows.append(_row(backbone, runs))
    print(f"Pictures per second on {cores()} cores; 500 px JPEG in the page cache; {RUNS} runs in turn.\n")
    print_table(("backbone", "ours", "bare decode", "bare forward", "share of the limit", "against DataLoader"), rows)


def _row(backbone: str, runs: list[tuple[float, ...]]) -> tuple[str, ...]:
    ours, decode, compute, share, ratio = zip(*runs, strict=True)
    verdicts = [
        f"reach {REACH_OF_LIMIT:.0%}: {'met' if median(share) >= REACH_OF_LIMIT else 'NOT MET'}",
        f"reach {REACH[backbone]}x: {'met' if median(ratio) >= REACH[backbone] else 'NOT MET'}",
    ]
    return (
        backbone,
        f"{median(ours):.0f} ({min(ours):.0f} to {max(ours):.0f})",
        f"{median(decode):.0f}",
        f"{median(compute):.0f}",
        f"{median(share):.0%} ({min(share):.0%} to {max(share):.0%}); {verdicts[0]}",
        f"{median(ratio):.1f}x ({min(ratio):.1f} to {max(ratio):.1f}); {verdicts[1]}",
    )


def _channel(folder: Path, root: Path, files: list[Path]) -> Path:
    classes = sorted({file.parent.name for file in files})
    listed = [
        {"path": file.relative_to(root).as_posix(), "label": classes.index(file.parent.name), "sha256": ""}
        for file in files
    ]
    folder.mkdir()
    data = {"format": 1, "root": str(root), "dataset_version": "bench", "classes": classes, "pictures": listed}
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def _ours(backbone: str, channel: Path, output: Path) -> float:
    """Pictures per second, as features.py says them: from the first picture to the last, its start left out."""
    command = [sys.executable, str(ROOT / "training_scripts" / "features.py"), "--backbone", backbone]
    command += ["--weights", WEIGHTS[backbone], "--output", str(output), "--store", str(output / "store")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SM_")}
    environment |= {"SM_CHANNEL_TRAIN": str(channel), "SM_OUTPUT_DIR": str(output)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    found = _SPEED.search(done.stdout)
    if done.returncode or found is None:
        raise SystemExit(f"features.py failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return float(found[2])


def _bare_decode(backbone: str, files: list[Path]) -> float:
    """Pictures per second of one process per core that does nothing but decode, each its own share."""
    with ProcessPoolExecutor(cores()) as pool:
        list(pool.map(_decode, [backbone] * cores(), [files[:4]] * cores()))  # the processes are up
        began = time.perf_counter()
        list(pool.map(_decode, [backbone] * cores(), [files[number :: cores()] for number in range(cores())]))
        return len(files) / (time.perf_counter() - began)


def _decode(backbone: str, files: list[Path]) -> None:
    for file in files:
        pixels(file, BACKBONES[backbone].preprocessing)


def _bare_forward(backbone: str) -> Any:
    """A function that measures pictures per second of OpenVINO alone, at the better of two batch sizes."""
    import openvino

    from training_scripts import runtime
    from training_scripts.network import build_backbone
    from training_scripts.weights import find

    spec = BACKBONES[backbone]
    preprocessing, bfloat16 = spec.preprocessing, runtime.for_features("auto", spec.bfloat16)[0] == runtime.BFLOAT16
    network = build_backbone(backbone, find(backbone, WEIGHTS[backbone])).eval()
    model = runtime.convert(network, preprocessing, bfloat16)
    assert model is not None
    precision = "bf16" if bfloat16 else "f32"
    settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": cores(), "INFERENCE_NUM_THREADS": cores()}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    size = preprocessing.size

    def speed(batch: int) -> float:
        queue = openvino.AsyncInferQueue(compiled, cores())
        pictures = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
        rounds = max(8, OURS // (2 * batch))
        for _ in range(2 * cores()):
            queue.start_async([pictures])
        queue.wait_all()
        began = time.perf_counter()
        for _ in range(rounds):
            queue.start_async([pictures])
        queue.wait_all()
        return rounds * batch / (time.perf_counter() - began)

    return lambda: max(speed(1), speed(2), speed(BATCH))


def _rival(backbone: str, pictures: Path) -> Any:
    """A function that measures pictures per second of a DataLoader before torch eager."""
    import torch
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from training_scripts.network import build_backbone
    from training_scripts.weights import find

    spec = BACKBONES[backbone].preprocessing
    mode = transforms.InterpolationMode(spec.interpolation)
    steps = [transforms.Resize(spec.resize, interpolation=mode), transforms.CenterCrop(spec.size)]
    steps += [transforms.ToTensor(), transforms.Normalize(spec.mean, spec.std)]
    chosen = Subset(ImageFolder(str(pictures), transforms.Compose(steps)), range(0, PICTURES, PICTURES // RIVALS))
    network = build_backbone(backbone, find(backbone, WEIGHTS[backbone])).eval()

    def measure() -> float:
        began, seen = 0.0, 0
        with torch.no_grad():
            for batch, _ in DataLoader(chosen, BATCH, num_workers=cores()):
                network(batch)
                if began:
                    seen += len(batch)
                else:
                    began = time.perf_counter()
        return seen / (time.perf_counter() - began)

    return measure


if __name__ == "__main__":
    main()
