"""FiftyOne: a classification export (`labels.json` and `data/`), or a whole dataset (`samples.json`)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from core.errors import DatasetError, Offer
from core.formats.coco import split_by_name
from core.formats.dataset_format import DatasetFormat, Reader, Writer, Written
from core.formats.records import Example, Listing, ReadOptions, split_of
from core.formats.source import Collector, Source
from core.translation import tr

_CLASSES = ("Classification", "Classifications")
_FIELDS = ("ground_truth", "label", "labels")


def _is_export(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("labels"), dict) and ("classes" in data or len(data) == 1)


def _is_dataset(data: Any) -> bool:
    samples = data.get("samples") if isinstance(data, dict) else None
    return isinstance(samples, list) and bool(samples) and isinstance(samples[0], dict) and "filepath" in samples[0]


def _sees(source: Source) -> Sequence[str]:
    exports = [path for path in source.json_files(_is_export) if os.path.basename(path) == "labels.json"]
    return exports or source.json_files(_is_dataset)


def _names(value: Any, classes: Sequence[Any] | None) -> list[str]:
    """Return the labels of a target: an index of a class, a name, a classification, or a list of them."""
    if isinstance(value, list):
        return [name for item in value for name in _names(item, classes)]
    if isinstance(value, dict):
        return _names(value.get("classifications", value.get("label")), None)
    if isinstance(value, int) and not isinstance(value, bool) and classes is not None and 0 <= value < len(classes):
        return [str(classes[value])]
    return [] if value is None else [str(value)]


def _read(source: Source, files: Sequence[str]) -> Listing:
    found = Collector(source)
    if _is_dataset(source.json(files[0])):
        field = _field(source, files[0])
        for path in files:
            for sample in source.json(path)["samples"]:
                tagged = [split for tag in sample.get("tags") or [] if (split := split_of(str(tag)))]
                split = tagged[0] if len(tagged) == 1 else None
                found.add(str(sample["filepath"]), _names(sample.get(field), None), split, near=os.path.dirname(path))
        return found.listing(
            files,
            tr("{files}: a dataset of FiftyOne, the label is {field}.").format(files=", ".join(files), field=field),
        )
    splits = split_by_name(files)
    for path in files:
        data = source.json(path)
        classes = data.get("classes") if isinstance(data.get("classes"), list) else None
        near = os.path.join(os.path.dirname(path), "data")
        for name, target in data["labels"].items():
            found.add(str(name), _names(target, classes), splits.get(path), near=near)
    return found.listing(files, tr("{files}: FiftyOne image classification.").format(files=", ".join(files)))


def _field(source: Source, path: str) -> str:
    """Return the field of samples that holds their class.

    Raises:
        DatasetError: none does, or it is not clear which.
    """
    fields: dict[str, None] = {}
    for sample in source.json(path)["samples"]:
        fields |= {
            name: None for name, value in sample.items() if isinstance(value, dict) and value.get("_cls") in _CLASSES
        }
    chosen = source.options.columns.removeprefix("label=") or next((name for name in _FIELDS if name in fields), "")
    if chosen in fields or len(fields) == 1:
        return chosen if chosen in fields else next(iter(fields))
    offers = [
        Offer(tr("The label is {name}").format(name=name), ReadOptions(labels=path, columns=f"label={name}"))
        for name in fields
    ]
    raise DatasetError(
        tr("{path} is a dataset of FiftyOne, but which of its fields is the label?").format(path=path),
        tr("It has the classifications {fields}.").format(fields=", ".join(fields))
        if fields
        else tr("It has no classifications."),
        tr("Choose one.") if fields else tr("Export one with classifications."),
        offers=offers,
    )


def _place(example: Example, name: str) -> str:
    return f"{example.split}/data/{name}" if example.split else f"data/{name}"


def _describe(pictures: Sequence[Written]) -> Iterator[tuple[str, str]]:
    classes = sorted({label for picture in pictures for label in picture.example.labels})
    number = {label: at for at, label in enumerate(classes)}
    for split in sorted({picture.example.split or "" for picture in pictures}):
        targets: dict[str, int | list[int] | None] = {}
        for picture in pictures:
            if (picture.example.split or "") == split:
                found = [number[label] for label in sorted(picture.example.labels)]
                name = os.path.splitext(os.path.basename(picture.path))[0]
                targets[name] = None if not found else found[0] if len(found) == 1 else found
        content = json.dumps({"classes": classes, "labels": targets}, ensure_ascii=False)
        yield f"{split}/labels.json".lstrip("/"), content + "\n"


FORMAT = DatasetFormat(
    "fiftyone",
    "FiftyOne",
    tr(
        "`labels.json` (classes, and a class for each file name) beside `data/`, in one folder or "
        "one for each split; a whole dataset (`samples.json`) is read too."
    ),
    "FiftyOne (`FiftyOneImageClassificationDataset`), luxonis-ml",
    Reader(_sees, _read, certain=True),
    Writer(_place, _describe, one_label=True),
)
