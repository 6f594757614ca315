"""Hugging Face's imagefolder: `metadata.csv`, `.jsonl` or `.parquet` beside the pictures, with a column `file_name`."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import DatasetError
from core.formats.columns import LABEL_NAMES, text_of, usual
from core.formats.dataset_format import DatasetFormat, Reader, Writer, Written
from core.formats.records import Example, Listing
from core.formats.source import Collector, Source
from core.translation import tr
from training_scripts.outside import parse_json

_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_NAMES = ("file_name", "image_file_name", "image")
_SPLIT_FOLDERS = {"train": "train", "valid": "validation", "test": "test"}


def _rows(source: Source, path: str) -> list[Mapping[str, Any]]:
    """Return the rows of a metadata file.

    Raises:
        DatasetError: it cannot be read, or needs a package that is not there.
    """
    if path.endswith(".csv"):
        return list(csv.DictReader(io.StringIO(source.text(path))))
    if path.endswith(".jsonl"):
        try:
            rows = [parse_json(line) for line in source.text(path).splitlines() if line.strip()]
        except ValueError as error:
            raise DatasetError(
                tr("{path} cannot be read.").format(path=path),
                tr("A line of it is no JSON: {error}.").format(error=error),
            ) from error
        return [row for row in rows if isinstance(row, dict)]
    try:
        from pyarrow import parquet
    except ImportError:
        fix = tr("Install it (pip install pyarrow), or save the table as metadata.csv.")
        raise DatasetError(
            tr("{path} cannot be read.").format(path=path), tr("Parquet needs the package pyarrow."), fix
        ) from None
    try:
        read: list[Mapping[str, Any]] = parquet.read_table(io.BytesIO(source.data(path))).to_pylist()
    except Exception as error:
        raise DatasetError(
            tr("{path} cannot be read.").format(path=path),
            tr("pyarrow says: {error}.").format(error=error),
            tr("Save it again."),
        ) from error
    return read


def _label_column(rows: Sequence[Mapping[str, Any]]) -> str | None:
    names = [name for name in (rows[0] if rows else {}) if isinstance(name, str)]
    return usual(names, LABEL_NAMES)


def _sees(source: Source) -> Sequence[str]:
    found = []
    for path in source.files(*_FILES):
        if os.path.basename(path).lower() not in _FILES:
            continue
        if path.endswith(".parquet"):
            found.append(path)
        else:
            rows = _rows(source, path)
            if rows and any(name in rows[0] for name in _NAMES) and _label_column(rows):
                found.append(path)
    return found


def _read(source: Source, files: Sequence[str]) -> Listing:
    found = Collector(source)
    for path in files:
        rows, near = _rows(source, path), os.path.dirname(path)
        column = _label_column(rows)
        name = next((name for name in _NAMES if rows and name in rows[0]), None)
        if column is None or name is None:
            raise DatasetError(
                tr("{path} does not say the labels.").format(path=path),
                tr("Its columns are {str}: file_name and label are looked for.").format(
                    str=", ".join(map(str, rows[0] if rows else ()))
                ),
                tr("Name a column label, or choose the columns (--columns image=NAME,label=NAME)."),
            )
        for row in rows:
            value = row.get(column)
            labels = [text_of(item) for item in value] if isinstance(value, list) else [text_of(value)]
            found.add(text_of(row.get(name)), labels, near=near)
    return found.listing(
        files,
        tr("{files}: Hugging Face imagefolder, the label is {column}.").format(files=", ".join(files), column=column),
    )


def _place(example: Example, name: str) -> str:
    return f"{_SPLIT_FOLDERS[example.split]}/{name}" if example.split else f"data/{name}"


def _describe(pictures: Sequence[Written]) -> Iterator[tuple[str, str]]:
    folders: dict[str, list[Written]] = defaultdict(list)
    for picture in pictures:
        folders[picture.path.partition("/")[0]].append(picture)
    several = any(len(picture.example.labels) > 1 for picture in pictures)
    for folder, inside in folders.items():
        lines = []
        for picture in inside:
            labels = sorted(picture.example.labels)
            said = {"labels": labels} if several else {"label": labels[0] if labels else None}
            row = {"file_name": picture.path.partition("/")[2], **said}
            lines.append(json.dumps(row, ensure_ascii=False))
        yield f"{folder}/metadata.jsonl", "\n".join(lines) + "\n"


FORMAT = DatasetFormat(
    "huggingface",
    "Hugging Face imagefolder",
    tr(
        "`metadata.csv`, `metadata.jsonl` or `metadata.parquet` with `file_name` and a label, beside "
        "the pictures or in the folder of each split."
    ),
    "`datasets.load_dataset('imagefolder', data_dir=FOLDER)`",
    Reader(_sees, _read, certain=True),
    Writer(_place, _describe),
)
