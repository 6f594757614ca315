"""Pictures that one split should hold together: shots of one moment, frames under one name, one folder.

A model that has seen one picture of a burst knows the others: it looks better in a test than it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from core.dataset.records import KeepTogether, Picture, Scan
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

_FRAME = re.compile(r"(.*?)[ _.-]*(?:frame|img|f)?[ _.-]*\d+(?:[ _.-]+\d+)*$", re.IGNORECASE)
_TIME, _ORIGINAL, _MAKE, _MODEL, _EXIF = 306, 36867, 271, 272, 34665
_WITHIN_S = 60.0
_LARGEST_SHARE = 0.2
"""A name that so many pictures of a class begin with tells none of them from the others."""

Rows = list[int]


def keep_together(
    scan: Scan, how: KeepTogether, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> Scan:
    """Return the scan with the pictures that belong together in one group, beside the groups that it has already.

    Raises:
        Cancelled: through `cancel`.
    """
    ways: dict[KeepTogether, Callable[[], Iterable[Rows]]] = {
        KeepTogether.SHOTS: lambda: (rows for _, rows in shots(scan.pictures, scan.root, on_progress, cancel)),
        KeepTogether.NAMES: lambda: (rows for _, rows in numbered(scan.pictures)),
        KeepTogether.FOLDERS: lambda: _folders(scan.pictures),
    }
    chosen = (KeepTogether.SHOTS, KeepTogether.NAMES) if how is KeepTogether.BOTH else (how,)
    groups = [rows for way in chosen if way in ways for rows in ways[way]()]
    if not groups:
        return scan
    pictures = list(scan.pictures)
    for number, rows in enumerate(joined([*groups, *_of_one(pictures, lambda picture: picture.group)])):
        for row in rows:
            pictures[row] = replace(pictures[row], group=f"together {number}")
    return replace(scan, pictures=tuple(pictures))


def shots(
    pictures: Sequence[Picture],
    root: Path,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> list[tuple[str, Rows]]:
    """Return the rows that one camera took within a minute of each other, with the camera's name.

    Raises:
        Cancelled: through `cancel`.
    """
    cancel = cancel or CancelToken()
    taken: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for row, picture in enumerate(pictures):
        cancel.raise_if_cancelled()
        if row % 100 == 0:
            on_progress(Progress(row, len(pictures), tr("Reading when pictures were taken"), "pictures"))
        if picture.format == "JPEG" and (shot := _shot(root / picture.path)) is not None:
            taken[shot[0]].append((shot[1], row))
    return [(camera, burst) for camera, of_camera in taken.items() for burst in _bursts(sorted(of_camera))]


def numbered(pictures: Sequence[Picture]) -> list[tuple[str, Rows]]:
    """Return the rows that are numbered under one name in one folder, with that name."""
    stems: dict[tuple[str, str], Rows] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    for row, picture in enumerate(pictures):
        folder, _, name = picture.path.rpartition("/")
        sizes[picture.label] += 1
        if (match := _FRAME.fullmatch(name.rpartition(".")[0])) and match[1]:
            stems[folder, match[1]].append(row)
    return [
        (name, rows)
        for (_, name), rows in stems.items()
        if 1 < len(rows) <= max(2, int(_LARGEST_SHARE * sizes[pictures[rows[0]].label]))
    ]


def _folders(pictures: Sequence[Picture]) -> list[Rows]:
    """Return the rows of each folder that holds no more than half of its class: another one is the class itself."""
    sizes: dict[str, int] = defaultdict(int)
    for picture in pictures:
        sizes[picture.label] += 1
    found = _of_one(pictures, lambda picture: picture.path.rpartition("/")[0])
    return [rows for rows in found if 2 * len(rows) <= sizes[pictures[rows[0]].label]]


def _of_one(pictures: Sequence[Picture], of: Callable[[Picture], str | None]) -> list[Rows]:
    found: dict[str, Rows] = defaultdict(list)
    for row, picture in enumerate(pictures):
        if (name := of(picture)) is not None:
            found[name].append(row)
    return list(found.values())


def joined(groups: Iterable[Rows]) -> list[Rows]:
    """Return the groups, those that share a row as one."""
    chief: dict[int, int] = {}

    def chief_of(row: int) -> int:
        while chief.setdefault(row, row) != row:
            chief[row] = chief[chief[row]]
            row = chief[row]
        return row

    for first, *others in groups:
        for row in (first, *others):
            chief[chief_of(row)] = chief_of(first)
    found: dict[int, Rows] = defaultdict(list)
    for row in sorted(chief):
        found[chief_of(row)].append(row)
    return list(found.values())


def _bursts(taken: Sequence[tuple[float, int]]) -> list[Rows]:
    bursts: list[Rows] = []
    last = float("-inf")
    for time, row in taken:
        if time - last <= _WITHIN_S and bursts:
            bursts[-1].append(row)
        else:
            bursts.append([row])
        last = time
    return [burst for burst in bursts if len(burst) > 1]


def _shot(file: Path) -> tuple[str, float] | None:
    """Return the camera and the time (seconds) that a picture's EXIF says; None where it says neither."""
    from PIL import Image

    from training_scripts.pictures.opening import open_file
    from training_scripts.pictures.structure import PictureUnreadable

    try:
        with open_file(file) as regular, Image.open(regular) as opened:
            exif = opened.getexif()
            text = exif.get_ifd(_EXIF).get(_ORIGINAL) or exif.get(_TIME)
            if not text:
                return None
            camera = " ".join(str(exif[tag]).strip("\0 ") for tag in (_MAKE, _MODEL) if exif.get(tag)) or tr(
                "one camera"
            )
            return camera, datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S").timestamp()
    except (PictureUnreadable, OSError, ValueError, SyntaxError, TypeError, KeyError):
        return None
