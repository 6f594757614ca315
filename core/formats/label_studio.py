"""Label Studio: a JSON list of tasks with annotations, or its short form (JSON-MIN)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from core.formats.columns import SPLIT_NAMES, usual
from core.formats.dataset_format import DatasetFormat, Reader, Writer, Written
from core.formats.records import Example, Listing, split_of
from core.formats.source import Collector, Source
from core.translation import tr

_LOCAL = "/data/local-files/?d="
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
_PICTURE = ("image", "img", "picture", "photo", "url", "file")


def _is_tasks(data: Any) -> bool:
    if not isinstance(data, list) or not data or not isinstance(data[0], dict):
        return False
    return (isinstance(data[0].get("data"), dict) and "annotations" in data[0]) or "annotation_id" in data[0]


def _sees(source: Source) -> Sequence[str]:
    return source.json_files(_is_tasks)


def _picture(data: dict[str, Any]) -> str:
    name = usual([key for key in data if isinstance(data[key], str)], _PICTURE)
    return str(data[name]) if name else ""


def _labels(task: dict[str, Any]) -> set[str]:
    """Return the choices of the latest annotation that was not cancelled; of boxes their labels."""
    if "annotation_id" in task:
        choice = task.get("choice", task.get("label", ""))
        choices = choice.get("choices", []) if isinstance(choice, dict) else [choice]
        return {item for item in choices if isinstance(item, str) and item}
    annotations = [item for item in task.get("annotations") or [] if not item.get("was_cancelled")]
    labels: set[str] = set()
    for result in annotations[-1].get("result", []) if annotations else []:
        value = result.get("value", {})
        kind = next((key for key in ("choices", "rectanglelabels", "labels") if key in value), None)
        labels.update(str(item) for item in value[kind]) if kind else None
    return labels


def _find(found: Collector, source: Source, address: str, labels: set[str], split: str | None, near: str) -> None:
    """Take a task's picture: by its local path, or by its name, which an upload puts eight digits before."""
    query = parse_qs(urlsplit(address).query).get("d")
    name = query[0] if query else address
    parent, _, last = name.rpartition("/")
    bare = _UPLOADED.sub("", last)
    if source.index.find(name, near) is None and bare != last:
        name = f"{parent}/{bare}" if parent else bare
    found.add(name, labels, split, near=near)


def _read(source: Source, files: Sequence[str]) -> Listing:
    found, count = Collector(source), 0
    for path in files:
        for task in source.json(path):
            data = task.get("data", task) if isinstance(task, dict) else None
            if not isinstance(data, dict):
                continue
            name = usual([key for key in data if isinstance(key, str)], SPLIT_NAMES)
            split = split_of(str(data[name])) if name else None
            _find(found, source, _picture(data), _labels(task), split, os.path.dirname(path))
            count += 1
    return found.listing(
        files, tr("{files}: Label Studio with {count:,} tasks.").format(files=", ".join(files), count=count)
    )


def _place(_example: Example, name: str) -> str:
    return f"images/{name}"


def _describe(pictures: Sequence[Written]) -> Iterator[tuple[str, str]]:
    tasks = []
    for at, picture in enumerate(pictures, 1):
        labels = sorted(picture.example.labels)
        result = [{"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": labels}}]
        data = {"image": _LOCAL + quote(picture.path)} | (
            {"split": picture.example.split} if picture.example.split else {}
        )
        tasks.append({"id": at, "data": data, "annotations": [{"id": at, "result": result}] if labels else []})
    yield "tasks.json", json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"
    classes = sorted({label for picture in pictures for label in picture.example.labels})
    several = "multiple" if any(len(picture.example.labels) > 1 for picture in pictures) else "single-radio"
    choices = "\n".join(f'    <Choice value="{_escaped(label)}"/>' for label in classes)
    yield (
        "labeling_config.xml",
        f'<View>\n  <Image name="image" value="$image"/>\n  <Choices name="choice" toName="image" choice="{several}">\n'
        f"{choices}\n  </Choices>\n</View>\n",
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


FORMAT = DatasetFormat(
    "label-studio",
    "Label Studio",
    tr(
        "A JSON of tasks with choices (JSON or JSON-MIN). Written with `labeling_config.xml`, and "
        "paths for a local storage whose document root is the folder."
    ),
    "Label Studio, label-studio-sdk",
    Reader(_sees, _read, certain=True),
    Writer(_place, _describe),
)
