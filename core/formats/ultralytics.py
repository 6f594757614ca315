"""Ultralytics' layout for classification: `train` and `val` hold class folders, `test` if there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.formats.dataset_format import DatasetFormat, Writer, Written
from core.formats.records import Example
from core.translation import tr

_NAMES = {"train": "train", "valid": "val", "test": "test"}


def _place(example: Example, name: str) -> str:
    (label,) = example.labels
    return f"{_NAMES[example.split or 'train']}/{label}/{name}"


def _nothing(_pictures: Sequence[Written]) -> Iterator[tuple[str, str]]:
    yield from ()


FORMAT = DatasetFormat(
    "ultralytics",
    "Ultralytics classify",
    tr("`train`, `val` and `test` with class folders inside; it is read as class folders."),
    "`yolo classify train data=FOLDER`",
    writer=Writer(_place, _nothing, one_label=True, folders=True, splits=True),
)
