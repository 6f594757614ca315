"""Groups that one split should hold together: pictures taken one after the other, or numbered under one name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from core.check.findings import Finding, FindingKind, Remedy
from core.dataset.records import Picture
from core.progress import CancelToken

_FRAME = re.compile(r"(.*?)[ _.-]*(?:frame|img|f)?[ _.-]*\d+(?:[ _.-]+\d+)*$", re.IGNORECASE)
_TIME, _ORIGINAL, _MAKE, _MODEL, _EXIF = 306, 36867, 271, 272, 34665
_WITHIN_S = 60.0
_LARGEST_SHARE = 0.2
"""A name that so many pictures begin with tells none of them from the others."""


def groups_of(
    pictures: Sequence[Picture], root: Path, cosines: dict[tuple[int, int], float], cancel: CancelToken | None = None
) -> dict[str, list[int]]:
    """Return rows that belong together, by what holds them together.

    Pictures of one camera within a minute are a burst; pictures that are numbered under one name, and look alike, are
    frames. `cosines` are of the pairs of nearest pictures.

    Raises:
        Cancelled: through `cancel`.
    """
    cancel = cancel or CancelToken()
    found: dict[str, list[int]] = {}
    shots: dict[str, list[tuple[float, int]]] = defaultdict(list)
    stems: dict[str, list[int]] = defaultdict(list)
    for row, picture in enumerate(pictures):
        cancel.raise_if_cancelled()
        if picture.format == "JPEG" and (shot := _shot(root / picture.path)) is not None:
            shots[shot[0]].append((shot[1], row))
        folder, _, name = picture.path.rpartition("/")
        if (match := _FRAME.fullmatch(name.rpartition(".")[0])) and match[1]:
            stems[f"{folder}/{match[1]}"].append(row)
    for camera, taken in shots.items():
        for burst in _bursts(sorted(taken)):
            found[f"taken by {camera} within a minute of each other, {len(found)}"] = burst
    most = max(2, int(_LARGEST_SHARE * len(pictures)))
    for stem, rows in stems.items():
        if 1 < len(rows) <= most and _are_alike(rows, cosines):
            found[f"numbered as parts of {stem.rpartition('/')[2]}, and alike"] = rows
    return found


def group_findings(
    pictures: Sequence[Picture], groups: dict[str, list[int]], splits: Sequence[str | None]
) -> list[Finding]:
    """Return the groups; those that two splits share are grave, and are moved to the split that has most of them."""
    found = []
    for why, rows in groups.items():
        paths = tuple(pictures[row].path for row in rows)
        of_split = [splits[row] for row in rows if splits[row]]
        kinds = set(of_split)
        remedy = None
        if len(kinds) > 1:
            home = max(sorted(kinds, key=str), key=of_split.count)
            remedy = Remedy("split", paths, str(home))
        sentence = f"{len(rows)} pictures are {why}" + (", but are in two splits." if remedy else ".")
        score = 0.9 if remedy else 0.6
        found.append(Finding(FindingKind.GROUP, paths, score, sentence, remedy=remedy, grave=bool(remedy)))
    return found


def _bursts(taken: Sequence[tuple[float, int]]) -> list[list[int]]:
    bursts: list[list[int]] = []
    last = float("-inf")
    for time, row in taken:
        if time - last <= _WITHIN_S and bursts:
            bursts[-1].append(row)
        else:
            bursts.append([row])
        last = time
    return [burst for burst in bursts if len(burst) > 1]


def _are_alike(rows: Sequence[int], cosines: dict[tuple[int, int], float]) -> bool:
    """Whether most of the rows are among each other's nearest pictures."""
    inside = set(rows)
    near = {row for pair in cosines if inside.issuperset(pair) for row in pair}
    return 2 * len(near) > len(rows)


def _shot(file: Path) -> tuple[str, float] | None:
    """Return the camera and the time (seconds) that a picture's EXIF says; None where it says neither."""
    from PIL import Image

    try:
        with Image.open(file) as opened:
            exif = opened.getexif()
            text = exif.get_ifd(_EXIF).get(_ORIGINAL) or exif.get(_TIME)
            if not text:
                return None
            camera = " ".join(str(exif[tag]).strip("\0 ") for tag in (_MAKE, _MODEL) if exif.get(tag)) or "one camera"
            return camera, datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S").timestamp()
    except (OSError, ValueError, SyntaxError, TypeError, KeyError):
        return None
