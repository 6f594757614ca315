"""COCO: a JSON with images, annotations and categories; the labels of a picture are its annotations' categories."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from core.errors import DatasetError
from core.formats.dataset_format import DatasetFormat, Reader, Writer, Written
from core.formats.folder_names import named_splits
from core.formats.records import Example, Listing
from core.formats.source import Collector, Source
from core.translation import tr
from training_scripts.outside import UNUSABLE


def _is_coco(data: Any) -> bool:
    return (
        isinstance(data, dict)
        and all(isinstance(data.get(key), list) for key in ("images", "annotations", "categories"))
        and all(isinstance(image, dict) and "file_name" in image and "id" in image for image in data["images"][:20])
    )


def _sees(source: Source) -> Sequence[str]:
    return source.json_files(_is_coco)


def split_by_name(paths: Sequence[str]) -> dict[str, str]:
    """Return the splits that the names of files of labels, or of their folders, tell apart (train.csv, test.csv)."""
    for names in (
        {path: os.path.splitext(os.path.basename(path))[0].lstrip("_") for path in paths},
        {path: os.path.basename(os.path.dirname(path)) for path in paths},
    ):
        splits = named_splits(set(names.values()))
        if len(set(splits.values())) > 1:
            return {path: splits[name] for path, name in names.items() if name in splits}
    return {}


def _read(source: Source, files: Sequence[str]) -> Listing:
    found, splits = Collector(source), split_by_name(files)
    count = 0
    for path in files:
        data, near = source.json(path), os.path.dirname(path)
        try:
            names = {category["id"]: str(category["name"]) for category in data["categories"]}
            labels: dict[Any, set[str]] = defaultdict(set)
            for annotation in data["annotations"]:
                labels[annotation["image_id"]].add(names[annotation["category_id"]])
            count += len(data["annotations"])
            for image in data["images"]:
                found.add(str(image["file_name"]), labels[image["id"]], splits.get(path), near=near)
        except UNUSABLE as error:
            why = tr("What it says does not fit together: {kind} {error}.").format(
                kind=type(error).__name__, error=error
            )
            raise DatasetError(
                tr("{path} (COCO) cannot be read.").format(path=path), why, tr("Export it again.")
            ) from error
    return found.listing(
        files, tr("{files}: COCO with {count:,} annotations.").format(files=", ".join(files), count=count)
    )


def _place(example: Example, name: str) -> str:
    return f"images/{example.split}/{name}" if example.split else f"images/{name}"


def _describe(pictures: Sequence[Written]) -> Iterator[tuple[str, str]]:
    classes = sorted({label for picture in pictures for label in picture.example.labels})
    number = {label: at for at, label in enumerate(classes, 1)}
    by_split: dict[str, list[Written]] = defaultdict(list)
    for picture in pictures:
        by_split[picture.example.split or ""].append(picture)
    for split, of_split in by_split.items():
        images = [
            {"id": at, "file_name": picture.path.removeprefix("images/"), "width": width, "height": height}
            for at, picture in enumerate(of_split, 1)
            for width, height in [picture.size]
        ]
        labelled = [(at, picture, label) for at, picture in enumerate(of_split, 1) for label in picture.example.labels]
        annotations = [
            {
                "id": at,
                "image_id": image,
                "category_id": number[label],
                "bbox": [0, 0, *picture.size],
                "area": picture.size[0] * picture.size[1],
                "iscrowd": 0,
            }
            for at, (image, picture, label) in enumerate(sorted(labelled, key=lambda row: (row[0], row[2])), 1)
        ]
        categories = [{"id": at, "name": label, "supercategory": ""} for label, at in number.items()]
        content = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
        yield f"annotations/instances_{split or 'all'}.json", json.dumps(content, ensure_ascii=False)


FORMAT = DatasetFormat(
    "coco",
    "COCO",
    tr(
        "A JSON with `images`, `annotations` and `categories`, one for each split or one for all; "
        "boxes count as labels."
    ),
    "pycocotools, Roboflow, CVAT, FiftyOne, Datumaro, MMDetection",
    Reader(_sees, _read, certain=True),
    Writer(_place, _describe, sizes=True),
)
