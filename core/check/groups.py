"""Groups that one split should hold together: pictures taken one after the other, or numbered under one name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.check.findings import Finding, FindingKind, Remedy
from core.dataset.records import Picture
from core.dataset.together import numbered, shots
from core.progress import CancelToken


def groups_of(
    pictures: Sequence[Picture], root: Path, cosines: dict[tuple[int, int], float], cancel: CancelToken | None = None
) -> dict[str, list[int]]:
    """Return rows that belong together, by what holds them together.

    Pictures of one camera within a minute are a burst; pictures that are numbered under one name, and look alike, are
    frames. `cosines` are of the pairs of nearest pictures.

    Raises:
        Cancelled: through `cancel`.
    """
    found: dict[str, list[int]] = {}
    for camera, burst in shots(pictures, root, cancel=cancel):
        found[f"taken by {camera} within a minute of each other, {len(found)}"] = burst
    for name, rows in numbered(pictures):
        if _are_alike(rows, cosines):
            found[f"numbered as parts of {name}, and alike"] = rows
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


def _are_alike(rows: Sequence[int], cosines: dict[tuple[int, int], float]) -> bool:
    """Whether most of the rows are among each other's nearest pictures."""
    inside = set(rows)
    near = {row for pair in cosines if inside.issuperset(pair) for row in pair}
    return 2 * len(near) > len(rows)
