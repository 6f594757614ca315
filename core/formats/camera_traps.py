"""Camera traps: MegaDetector's JSON, and the CSV that Timelapse exports."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from core.errors import DatasetError, Offer
from core.formats.columns import LABEL_NAMES, Roles, Table, usual
from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.hints import listed
from core.formats.records import Listing, Problem, ReadOptions, Severity
from core.formats.source import Collector, Source
from core.formats.table import read_table
from core.translation import tr
from training_scripts.outside import UNUSABLE

EMPTY = "empty"
"""The class of pictures in which nothing was detected."""

_USUAL_THRESHOLD = 0.2
_TIMELAPSE = ("File", "RelativePath", "DateTime")
_OF_TIMELAPSE = frozenset(("File", "RelativePath", "Folder", "DateTime", "DeleteFlag", "RootFolder", "Date", "Time"))


def _is_megadetector(data: Any) -> bool:
    images = data.get("images") if isinstance(data, dict) else None
    return (
        isinstance(images, list)
        and "detection_categories" in data
        and all(isinstance(image, dict) and "file" in image for image in images[:20])
    )


def _sees_megadetector(source: Source) -> Sequence[str]:
    return source.json_files(_is_megadetector)


def _class_of(image: dict[str, Any], data: dict[str, Any], threshold: float) -> str:
    """Return the class of the surest detection, by its classification where there is one; EMPTY below the threshold."""
    detections = image.get("detections") or []
    surest = max(detections, key=lambda found: float(found["conf"]), default=None)
    if surest is None or float(surest["conf"]) < threshold:
        return EMPTY
    if surest.get("classifications"):
        name, _ = max(surest["classifications"], key=lambda pair: float(pair[1]))
        return str(data["classification_categories"][name])
    return str(data["detection_categories"][surest["category"]])


def _read_megadetector(source: Source, files: Sequence[str]) -> Listing:
    found = Collector(source)
    for path in files:
        data = source.json(path)
        try:
            advised = (data.get("info") or {}).get("detector_metadata", {}).get("typical_detection_threshold")
            threshold = float(advised) if advised is not None else _USUAL_THRESHOLD
            for image in data["images"]:
                failed = image.get("failure") or image.get("detections") is None
                labels = [] if failed else [_class_of(image, data, threshold)]
                group = os.path.dirname(str(image["file"]).replace("\\", "/")) or None
                found.add(str(image["file"]), labels, group=group, near=os.path.dirname(path))
        except UNUSABLE as error:
            why = tr("What it says does not fit together: {kind} {error}.").format(
                kind=type(error).__name__, error=error
            )
            raise DatasetError(
                tr("{path} (MegaDetector) cannot be read.").format(path=path), why, tr("Run the detector again.")
            ) from error
    seen = tr("{files}: MegaDetector; the class is the surest detection from {threshold:g} on, else {empty}.").format(
        files=", ".join(files), threshold=threshold, empty=EMPTY
    )
    listing = found.listing(files, seen)
    message = tr("The labels are what a detector found, not what people say; the camera's folder is the group.")
    listing.problems.append(
        Problem("machine-labels", Severity.INFO, message, tuple(files), tr("Look through some of them."))
    )
    return listing


def _sees_timelapse(source: Source) -> Sequence[str]:
    tables = {path: read_table(source, path) for path in source.files(".csv")}
    return [path for path, table in tables.items() if table and set(_TIMELAPSE) <= set(table.columns)]


def _read_timelapse(source: Source, files: Sequence[str]) -> Listing:
    found = Collector(source)
    for path in files:
        table = read_table(source, path)
        assert table is not None
        label = _label_of(table, source.options.columns)
        folders, deleted = table.column("RelativePath"), ["false"] * len(table.rows)
        if "DeleteFlag" in table.columns:
            deleted = [value.lower() for value in table.column("DeleteFlag")]
        rows = zip(table.column("File"), folders, table.column(label), deleted, strict=True)
        for name, folder, value, gone in rows:
            if name and gone != "true":
                where = folder.replace("\\", "/").strip("/")
                found.add(f"{where}/{name}".lstrip("/"), [value], group=where or None, near=os.path.dirname(path))
    return found.listing(
        files,
        tr("{files}: Timelapse, the label is {label}, the group the camera's folder.").format(
            files=", ".join(files), label=label
        ),
    )


def _label_of(table: Table, chosen: str) -> str:
    """Return the column of a person's own that is the label.

    Raises:
        DatasetError: it is not clear which.
    """
    own = [name for name in table.columns if name not in _OF_TIMELAPSE]
    if chosen:
        named = dict(part.partition("=")[::2] for part in chosen.split(",")).get("label", "")
        if named in own:
            return named
    label = usual(own, ("species", *LABEL_NAMES, "animal", "analysis"))
    if label is not None:
        return label
    offers = [
        Offer(
            tr("The label is {name}").format(name=name),
            ReadOptions(labels=table.path, columns=Roles("File", (name,)).text()),
        )
        for name in own[:6]
    ]
    raise DatasetError(
        tr("{path} is an export of Timelapse, but which of its columns is the label?").format(path=table.path),
        tr("Its own columns are {own}.").format(own=listed(own, 8)),
        tr("Choose one."),
        offers=offers,
    )


MEGADETECTOR = DatasetFormat(
    "megadetector",
    "MegaDetector",
    tr("The detector's JSON: the class is the surest detection (its classification where there is one), or `empty`."),
    "MegaDetector, SpeciesNet, AddaxAI, EcoAssist",
    Reader(_sees_megadetector, _read_megadetector, certain=True),
)

TIMELAPSE = DatasetFormat(
    "timelapse",
    "Timelapse",
    tr("The CSV that Timelapse exports (File, RelativePath, DateTime and the columns of its template)."),
    "Timelapse",
    Reader(_sees_timelapse, _read_timelapse, certain=True),
)
