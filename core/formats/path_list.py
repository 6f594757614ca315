"""Lists of paths: a text file with a picture a line, and its label after it or in the name of its folder."""

from __future__ import annotations

import os
from collections.abc import Sequence

from core.errors import DatasetError
from core.formats.coco import split_by_name
from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.records import Listing
from core.formats.source import Collector, Source, path_of_address
from core.translation import tr

_LOOKED_AT = 50


def _pairs(source: Source, path: str) -> list[tuple[str, str]]:
    """Return (picture, label) for each line; without a label the name of the picture's folder is it."""
    key = f"list:{path}"
    if key not in source.memo:
        lines = [line.strip() for line in source.text(path).splitlines()]
        source.memo[key] = [_pair(source, path, line) for line in lines if line and not line.startswith("#")]
    pairs: list[tuple[str, str]] = source.memo[key]
    return pairs


def _pair(source: Source, path: str, line: str) -> tuple[str, str]:
    near = os.path.dirname(path)
    address, *said = line.split(maxsplit=1)
    # What follows a whole address is the label, also where the address ends in a query that would take it along.
    if (found := path_of_address(address)) is not None and source.index.find(address, near) is not None:
        return address, said[0] if said else os.path.basename(os.path.dirname(found))
    name, _, label = line.rpartition("\t") if "\t" in line else line.rpartition(" ")
    whole = source.index.find(line, near) is not None or (os.path.isabs(line) and os.path.isfile(line))
    if whole or not name:
        return line, os.path.basename(os.path.dirname(line.replace("\\", "/")))
    return name.strip(), label.strip()


def _sees(source: Source) -> Sequence[str]:
    found = []
    for path in source.files(".txt", ".lst"):
        try:
            pairs = _pairs(source, path)
        except DatasetError:
            continue
        sample, near = pairs[:_LOOKED_AT], os.path.dirname(path)
        there = sum(_is_there(source, name, near) for name, _ in sample)
        if sample and 2 * there >= len(sample) and len({label for _, label in pairs}) > 1:
            found.append(path)
    return found


def _is_there(source: Source, name: str, near: str) -> bool:
    return source.index.find(name, near) is not None or (os.path.isabs(name) and os.path.isfile(name))


def _read(source: Source, files: Sequence[str]) -> Listing:
    found, splits, count = Collector(source), split_by_name(files), 0
    for path in files:
        for name, label in _pairs(source, path):
            found.add(name, [label], splits.get(path), near=os.path.dirname(path))
            count += 1
    return found.listing(
        files, tr("{files}: a list of {count:,} pictures.").format(files=", ".join(files), count=count)
    )


FORMAT = DatasetFormat(
    "list",
    tr("List of paths"),
    tr(
        "A text file with a picture a line: `path label`, or a path alone whose folder is the class; "
        "`train.txt` and `test.txt` are splits."
    ),
    tr("Caffe, ImageNet's lists, Food-101, `find`"),
    Reader(_sees, _read),
)
