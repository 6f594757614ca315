"""What the peers' own readers make of the datasets that we write, each in an environment that has it.

`make peers` installs them beside .venv and runs this; `python -m tests.peers PYTHON` takes an environment that is
there. A peer that is not installed is named as such. No part of the suite: Sagehound needs none of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from core.formats.records import Example, Listing
from core.formats.registry import format_named
from core.formats.writing import write_dataset
from tests.core.formats.drawn import pictures

SPLITS = ("train", "valid", "test")
CLASSES = ("cat", "dog, small", "grüne Katze")
EACH = 4
TOTAL = len(SPLITS) * len(CLASSES) * EACH

_PICTURES = "{label: sum(1 for found in labels if found == label) for label in sorted(set(labels))}"

CHECKS: dict[str, tuple[str, str]] = {
    "datasets (imagefolder)": (
        "huggingface",
        """
from datasets import load_dataset
data = load_dataset("imagefolder", data_dir=folder, cache_dir=cache)
labels = [row["label"] for split in data.values() for row in split]
splits = {name: len(split) for name, split in data.items()}
assert all(row["image"].size == (24, 16) for split in data.values() for row in split)
version = __import__("datasets").__version__
""",
    ),
    "pycocotools": (
        "coco",
        """
from pycocotools.coco import COCO
labels, splits = [], {}
for name in ("train", "valid", "test"):
    coco = COCO(f"{folder}/annotations/instances_{name}.json")
    splits[name] = len(coco.imgs)
    for image in coco.imgs:
        found = coco.loadAnns(coco.getAnnIds(imgIds=[image]))
        labels += [coco.cats[annotation["category_id"]]["name"] for annotation in found]
version = __import__("importlib.metadata").metadata.version("pycocotools")
""",
    ),
    "label-studio-sdk": (
        "label-studio",
        """
import json
from label_studio_sdk.label_interface import LabelInterface
interface = LabelInterface(open(f"{folder}/labeling_config.xml", encoding="utf-8").read())
tasks = json.load(open(f"{folder}/tasks.json", encoding="utf-8"))
for task in tasks:
    assert interface.validate_task({"data": task["data"]}), task  # with annotations it stumbles over itself
    assert all(interface.validate_annotation(annotation) for annotation in task["annotations"]), task
labels = [task["annotations"][0]["result"][0]["value"]["choices"][0] for task in tasks]
splits = {name: sum(task["data"]["split"] == name for task in tasks) for name in ("train", "valid", "test")}
version = __import__("importlib.metadata").metadata.version("label-studio-sdk")
""",
    ),
    "label-studio-sdk (converter)": (
        "label-studio",
        """
import json, os
from label_studio_sdk.converter import Converter
converter = Converter(f"{folder}/labeling_config.xml", project_dir=folder, download_resources=False)
converter.convert_to_json_min(f"{folder}/tasks.json", cache, is_dir=False)
rows = json.load(open(os.path.join(cache, "result.json"), encoding="utf-8"))
labels = [row["choice"] for row in rows]
splits = {name: sum(row["split"] == name for row in rows) for name in ("train", "valid", "test")}
version = __import__("importlib.metadata").metadata.version("label-studio-sdk")
""",
    ),
    "fiftyone (FiftyOneImageClassificationDataset)": (
        "fiftyone",
        """
import fiftyone.utils.data.importers as importers
labels, splits = [], {}
for name in ("train", "valid", "test"):
    importer = importers.FiftyOneImageClassificationDatasetImporter(dataset_dir=f"{folder}/{name}")
    with importer:
        found = list(importer)
    splits[name] = len(found)
    labels += [label.label for _, _, label in found]
version = __import__("importlib.metadata").metadata.version("fiftyone")
""",
    ),
    "ultralytics (ClassificationDataset)": (
        "ultralytics",
        """
from types import SimpleNamespace
from ultralytics.data.dataset import ClassificationDataset
from ultralytics.data.utils import check_cls_dataset
found = check_cls_dataset(folder)
options = SimpleNamespace(imgsz=32, fraction=1.0, cache=False, scale=0.5, single_cls=False)
labels, splits = [], {}
for name in ("train", "val", "test"):
    data = ClassificationDataset(str(found[name]), options)
    splits[name] = len(data)
    labels += [found["names"][data.samples[at][1]] for at in range(len(data))]
version = __import__("ultralytics").__version__
""",
    ),
    "torchvision (ImageFolder)": (
        "folders",
        """
from torchvision.datasets import ImageFolder
labels, splits = [], {}
for name in ("train", "valid", "test"):
    data = ImageFolder(f"{folder}/{name}")
    splits[name] = len(data)
    labels += [data.classes[target] for target in data.targets]
version = __import__("torchvision").__version__
""",
    ),
    "datumaro (coco)": (
        "coco",
        """
from datumaro.components.dataset import Dataset
data = Dataset.import_from(folder, "coco")
names = data.categories()[list(data.categories())[0]]
labels, splits = [], {}
for item in data:
    labels += [names[annotation.label].name for annotation in item.annotations]
    splits[item.subset] = splits.get(item.subset, 0) + 1
version = __import__("importlib.metadata").metadata.version("datumaro")
""",
    ),
    "pandas (csv)": (
        "csv",
        """
import os, pandas
data = pandas.read_csv(f"{folder}/labels.csv")
assert all(os.path.isfile(os.path.join(folder, name)) for name in data["image"])
labels, splits = list(data["label"]), dict(data["split"].value_counts())
splits = {name: int(count) for name, count in splits.items()}
version = pandas.__version__
""",
    ),
    "pandas (jsonl)": (
        "jsonl",
        """
import pandas
data = pandas.read_json(f"{folder}/labels.jsonl", lines=True)
labels, splits = list(data["label"]), {name: int(count) for name, count in data["split"].value_counts().items()}
version = pandas.__version__
""",
    ),
}

_ABSENT = "ModuleNotFoundError"


def main(python: str) -> int:
    """Print what each peer read; returns how many read something else than was written."""
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        dataset = _dataset(root / "in")
        for peer, (format_, code) in CHECKS.items():
            out = root / peer.replace(" ", "-")
            write_dataset(dataset, format_named(format_), out)
            said, good = _ask(python, code, out, root / f"{out.name}-cache")
            wrong += not good
            word = "absent" if said.startswith(_ABSENT) else "ok" if good else "WRONG"
            print(f"{word:<6}  {format_:<13} {peer}: {said}", flush=True)
    return wrong


def _dataset(root: Path) -> Listing:
    examples = [
        Example(f"{split}/{label}/{at}.jpg", frozenset((label,)), split)
        for split in SPLITS
        for label in CLASSES
        for at in range(EACH)
    ]
    return Listing(pictures(root, *(example.path for example in examples)), examples=examples)


def _ask(python: str, code: str, folder: Path, cache: Path) -> tuple[str, bool]:
    """Return what a peer says of a folder, and whether that is what was written; one that is not there is no fault."""
    cache.mkdir()
    head = f"folder, cache = {str(folder)!r}, {str(cache)!r}\n"
    tail = f"\nimport json\nprint('ANSWER' + json.dumps([version, {_PICTURES}, splits]))"
    found = subprocess.run([python, "-c", head + code + tail], capture_output=True, text=True, timeout=300, check=False)
    answer = next((line for line in found.stdout.splitlines() if line.startswith("ANSWER")), None)
    if answer is None:
        reason = (found.stderr.strip().splitlines() or ["no word"])[-1]
        return reason, reason.startswith(_ABSENT)
    version, labels, splits = json.loads(answer.removeprefix("ANSWER"))
    good = labels == dict.fromkeys(CLASSES, len(SPLITS) * EACH) and sorted(splits.values()) == [TOTAL // 3] * 3
    return f"{version} reads {sum(labels.values())} pictures, {labels}, {splits}", good


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else sys.executable))
