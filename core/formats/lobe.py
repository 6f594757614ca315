"""Lobe: a project folder with `project.json`, `db.sqlite` and the pictures in `data/blobs`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import quote

from core.errors import DatasetError
from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.records import Listing
from core.formats.source import Collector, Source
from core.translation import tr

_QUERY = """SELECT example_images.hash, example_labels.label FROM example_images
LEFT JOIN example_labels ON example_images.example_id = example_labels.example_id"""


def _sees(source: Source) -> Sequence[str]:
    found = []
    for folder in source.top.walk():
        if {"project.json", "db.sqlite"} <= set(folder.others):
            found.append(f"{folder.path}/db.sqlite".lstrip("/"))
    return found


def _read(source: Source, files: Sequence[str]) -> Listing:
    found = Collector(source)
    for path in files:
        address = f"file:{quote(os.fspath(source.root / path))}?mode=ro&immutable=1"
        try:
            with closing(sqlite3.connect(address, uri=True)) as database:
                rows = database.execute(_QUERY).fetchall()
        except sqlite3.Error as error:
            raise DatasetError(
                tr("{path} (Lobe) cannot be read.").format(path=path), f"{error}.", tr("Export the project again.")
            ) from error
        near = os.path.join(os.path.dirname(path), "data", "blobs")
        for name, label in rows:
            found.add(str(name), [str(label)] if label else [], near=near)
    return found.listing(files, tr("{files}: a project of Lobe.").format(files=", ".join(files)))


FORMAT = DatasetFormat(
    "lobe",
    "Lobe",
    tr("A project folder of Lobe, as it lies in its `projects` folder."),
    "Lobe",
    Reader(_sees, _read, certain=True),
)
