"""CVAT for images: an XML with an element per image; its tags are the labels, or else what its shapes are called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from xml.etree import ElementTree

from core.errors import DatasetError
from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.folder_names import named_splits
from core.formats.records import Listing
from core.formats.source import Collector, Source
from core.translation import tr


def _root(source: Source, path: str) -> ElementTree.Element | None:
    """Return the top of the XML; None where it is not CVAT, or declares entities, which CVAT never does."""
    key = f"cvat:{path}"
    if key not in source.memo:
        source.memo[key] = None
        try:
            data = source.data(path)
            if b"<annotations" in data[:4096] and b"<!DOCTYPE" not in data and b"<!ENTITY" not in data:
                top = ElementTree.fromstring(data)
                source.memo[key] = top if top.find("image") is not None else None
        except (DatasetError, ElementTree.ParseError, ValueError):
            pass
    found: ElementTree.Element | None = source.memo[key]
    return found


def _sees(source: Source) -> Sequence[str]:
    return [path for path in source.files(".xml") if _root(source, path) is not None]


def _read(source: Source, files: Sequence[str]) -> Listing:
    found, tags, shapes = Collector(source), 0, 0
    for path in files:
        top, near = _root(source, path), os.path.dirname(path)
        images = [] if top is None else top.findall("image")
        splits = named_splits({image.get("subset", "") for image in images})
        for image in images:
            by_kind = {
                kind: {part.get("label", "") for part in image if (part.tag == "tag") == kind} for kind in (True, False)
            }
            labels = by_kind[True] or by_kind[False]
            tags += bool(by_kind[True])
            shapes += not by_kind[True] and bool(labels)
            found.add(image.get("name", ""), labels, splits.get(image.get("subset", "")), near=near)
    how = "tags" if tags or not shapes else "shapes"
    return found.listing(
        files, tr("{files}: CVAT for images, the labels are its {how}.").format(files=", ".join(files), how=how)
    )


FORMAT = DatasetFormat(
    "cvat",
    tr("CVAT for images"),
    tr("`annotations.xml` with an `<image>` for each picture; tags are the labels, or shapes where there are no tags."),
    "CVAT, Datumaro, FiftyOne",
    Reader(_sees, _read, certain=True),
)
