"""Drop to label: the predictor against Pillow + torch eager in a script, a 12-megapixel and a 500-pixel JPEG."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from core.paths import ROOT
from core.predict.predictor import Predictor
from tests.benchmarks.harness import Sample, measure, paired, percentile, print_table

RUNS = 40
REACH, REACH_FIRST_S = 2.0, 1.5
BACKBONE = "efficientnet_lite0"
# What people write: the same network and preprocessing, loaded once, warm, in a process of its own.
RIVAL = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, torch
from PIL import Image
from training_scripts.inference import model_fn
model = model_fn(sys.argv[2])
mean = torch.tensor(model.preprocessing.mean).view(3, 1, 1)
std = torch.tensor(model.preprocessing.std).view(3, 1, 1)
for line in sys.stdin:
    image = Image.open(line.rstrip("\\n")).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224))))
    with torch.no_grad():
        answer = model.network(((pixels.permute(2, 0, 1).float() / 255 - mean) / std)[None]).softmax(1)
    print(model.classes[int(answer.argmax())], flush=True)
"""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = _model(root / "model")
        pictures = {"12-megapixel JPEG": root / "large.jpg", "500 px JPEG": root / "small.jpg"}
        _draw(4000, 3000).save(pictures["12-megapixel JPEG"], quality=90)
        _draw(500, 375).save(pictures["500 px JPEG"], quality=90)
        _convert(root, model)
        starts = Sample(tuple(measure(lambda: _first_answer(root, model, pictures["500 px JPEG"])) for _ in range(5)))
        print_table(
            ("first answer after the process's start, model converted before", f"reach: {REACH_FIRST_S} s"),
            [(starts, "met" if starts.median <= REACH_FIRST_S else "NOT MET")],
        )
        predictor = Predictor(root / "converted")
        predictor.load(model)
        command = [sys.executable, "-c", RIVAL, str(ROOT), str(model)]
        rival = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        try:
            print_table(
                ("warm", "ours", "p95", "Pillow + torch eager", "p95", "times faster", "by p95", f"reach: {REACH:g}x"),
                [_row(name, path, predictor, rival) for name, path in pictures.items()],
            )
        finally:
            predictor.close()
            rival.communicate()


def _row(name: str, path: Path, predictor: Predictor, rival: subprocess.Popen[str]) -> tuple[object, ...]:
    pair = paired(lambda: predictor.classify([path], thumbnail=128), _asker(rival, path), RUNS)
    ours, theirs = (percentile(sample.seconds, 0.95) for sample in (pair.ours, pair.rival))
    verdict = "met" if min(median(pair.ratios), theirs / ours) >= REACH else "NOT MET"
    p95 = f"{1000 * ours:.1f} ms", f"{1000 * theirs:.1f} ms"
    return name, pair.ours, p95[0], pair.rival, p95[1], pair.ratio, f"{theirs / ours:.2f}x", verdict


def _asker(rival: subprocess.Popen[str], path: Path) -> Callable[[], str]:
    def ask() -> str:
        assert rival.stdin is not None
        assert rival.stdout is not None
        rival.stdin.write(f"{path}\n")
        rival.stdin.flush()
        return rival.stdout.readline()

    return ask


def _first_answer(root: Path, model: Path, picture: Path) -> None:
    predictor = Predictor(root / "converted")
    try:
        predictor.load(model)
        predictor.classify([picture])
    finally:
        predictor.close()


def _convert(root: Path, model: Path) -> None:
    predictor = Predictor(root / "converted")
    predictor.load(model)
    predictor.close()


def _model(folder: Path) -> Path:
    """The bundled backbone with an untrained head: as much work as a trained one."""
    import torch

    from training_scripts.backbones import BACKBONES
    from training_scripts.network import build
    from training_scripts.weights import find

    folder.mkdir()
    torch.save(build(BACKBONE, "linear", 10, find(BACKBONE, "default")).state_dict(), folder / "model.pth")
    preprocessing = BACKBONES[BACKBONE].preprocessing.to_json()
    classes = [f"class {number}" for number in range(10)]
    card = {"format": 1, "backbone": BACKBONE, "head": "linear", "classes": classes, "preprocessing": preprocessing}
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def _draw(width: int, height: int) -> Image.Image:
    """A picture with the smooth and the fine parts of a photograph."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize((width, height))
    fine = random.normal(0, 6, (height, width, 3)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(coarse, np.float32) + fine, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
