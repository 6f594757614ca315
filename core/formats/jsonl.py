"""JSON lines, or a JSON list: one object for each picture with its path and label."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import DatasetError
from core.formats.columns import GROUP_NAMES, IMAGE_NAMES, LABEL_NAMES, SPLIT_NAMES, text_of, usual
from core.formats.dataset_format import DatasetFormat, Reader, Writer, Written
from core.formats.records import Example, Listing, split_of
from core.formats.source import Collector, Source
from core.translation import tr
from training_scripts.outside import parse_json

_LOOKED_AT = 50


def _rows(source: Source, path: str) -> list[Mapping[str, Any]]:
    key = f"jsonl:{path}"
    if key not in source.memo:
        try:
            if path.lower().endswith(".json"):
                data = source.json(path)
            else:
                data = [parse_json(line) for line in source.text(path).splitlines() if line.strip()]
        except (ValueError, DatasetError):
            data = None
        good = isinstance(data, list) and all(isinstance(row, dict) for row in data)
        source.memo[key] = data if good else []
    rows: list[Mapping[str, Any]] = source.memo[key]
    return rows


def _columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    names = list(rows[0]) if rows else []
    image, label = usual(names, IMAGE_NAMES), usual(names, LABEL_NAMES)
    return (image, label) if image and label else None


def _sees(source: Source) -> Sequence[str]:
    found = []
    for path in source.files(".jsonl", ".ndjson", ".json"):
        rows = _rows(source, path)
        columns = _columns(rows)
        if columns is None:
            continue
        sample, near = rows[:_LOOKED_AT], os.path.dirname(path)
        if 2 * sum(source.index.find(text_of(row.get(columns[0])), near) is not None for row in sample) >= len(sample):
            found.append(path)
    return found


def _read(source: Source, files: Sequence[str]) -> Listing:
    found, count = Collector(source), 0
    for path in files:
        rows = _rows(source, path)
        columns = _columns(rows)
        if columns is None:
            raise DatasetError(
                tr("{path} does not say pictures and labels.").format(path=path), tr("It has no `image` and `label`.")
            )
        names = list(dict.fromkeys(name for row in rows for name in row))  # not every row says its split or group
        split, group = usual(names, SPLIT_NAMES) or "", usual(names, GROUP_NAMES) or ""
        count += len(rows)
        for row in rows:
            value = row.get(columns[1])
            labels = [text_of(item) for item in value] if isinstance(value, list) else [text_of(value)]
            of_split = split_of(text_of(row.get(split)))
            found.add(
                text_of(row.get(columns[0])), labels, of_split, text_of(row.get(group)) or None, os.path.dirname(path)
            )
    return found.listing(
        files, tr("{files}: {count:,} JSON objects, one for each picture.").format(files=", ".join(files), count=count)
    )


def _place(_example: Example, name: str) -> str:
    return f"images/{name}"


def describe(pictures: Sequence[Written]) -> Iterator[tuple[str, str]]:
    """Yield the file of labels of pictures: its name and its text."""
    several = any(len(picture.example.labels) > 1 for picture in pictures)
    lines = []
    for picture in pictures:
        example, labels = picture.example, sorted(picture.example.labels)
        said: dict[str, Any] = {"labels": labels} if several else {"label": labels[0] if labels else None}
        rest = {"split": example.split, "group": example.group}
        row = {"image": picture.path, **said, **{key: value for key, value in rest.items() if value}}
        lines.append(json.dumps(row, ensure_ascii=False))
    yield "labels.jsonl", "\n".join(lines) + "\n"


FORMAT = DatasetFormat(
    "jsonl",
    tr("JSON lines"),
    tr(
        'One object a line, `{"image": "a.jpg", "label": "cat"}`, with `split` and `group` where '
        "there are any; a JSON list of such objects is read too."
    ),
    "pandas, datasets, most scripts",
    Reader(_sees, _read),
    Writer(_place, describe, groups=True),
)
