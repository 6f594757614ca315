"""Teachable Machine: a project (.tm), which is a zip of its samples with a manifest.json."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from core.errors import DatasetError
from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.records import Listing
from core.formats.source import Collector, Source
from core.translation import tr

_MARK = "-!-"
"""Stands between the class and the number in the names of samples: `Class 1-!-0.jpg`."""


def _is_project(data: Any) -> bool:
    return isinstance(data, dict) and "type" in data and "appdata" in data


def _sees(source: Source) -> Sequence[str]:
    return [path for path in source.json_files(_is_project) if os.path.basename(path) == "manifest.json"]


def _read(source: Source, files: Sequence[str]) -> Listing:
    data = source.json(files[0])
    if data["type"] != "image":
        raise DatasetError(
            tr("This Teachable Machine project holds no pictures."),
            tr("It is of the kind {type}.").format(type=data["type"]),
        )
    found = Collector(source)
    for path in source.index.paths:
        folder, _, name = path.rpartition("/")
        label = name.rpartition(_MARK)[0] if _MARK in name else folder.rpartition("/")[2]
        found.add(path, [label])
    return found.listing(files, tr("A project of Teachable Machine."))


FORMAT = DatasetFormat(
    "teachable-machine",
    "Teachable Machine",
    tr("A project (`.tm`) with its samples."),
    "Teachable Machine",
    Reader(_sees, _read, certain=True),
)
