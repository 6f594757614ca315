"""Near duplicates: pictures that features bring together, confirmed by their pixels, at a glance and then in detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.check.alignment import Overlay, fit
from core.check.pixels import Little, likeness
from core.dataset.together import joined
from core.features.neighbours import Neighbours
from core.progress import CancelToken

NEAR = 0.5
"""Pictures whose features are less alike than this are not compared pixel by pixel."""

GLANCE = 0.6
"""Pictures that are less alike than this at a glance are not laid over each other."""

SAME = 0.92
"""Details that agree so far are of one picture: recoded, resized, cropped, mirrored, lighter or darker."""

CANDIDATES = 5
_MANY, _CLOSER = 40, 0.4


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows that show the same picture, and how alike they are, 0…1."""

    first: int
    second: int
    likeness: float


def candidates(near: Neighbours) -> list[tuple[int, int]]:
    """Return the pairs of rows that are worth a look: each with its nearest ones."""
    pairs = {
        (min(row, other), max(row, other))
        for row, (others, cosines) in enumerate(
            zip(near.index[:, :CANDIDATES].tolist(), near.cosine[:, :CANDIDATES].tolist(), strict=True)
        )
        for other, cosine in zip(others, cosines, strict=True)
        if cosine >= NEAR
    }
    return sorted(pairs)


def confirm(
    pairs: Sequence[tuple[int, int]], littles: Mapping[int, Little], cancel: CancelToken | None = None
) -> list[Pair]:
    """Return the pairs whose pixels are the same, likest first.

    Raises:
        Cancelled: through `cancel`.
    """
    cancel = cancel or CancelToken()
    compared, rough = 0, list[tuple[int, int]]()
    overlays: list[Overlay] = []
    for first, second in pairs:
        cancel.raise_if_cancelled()
        one, two = littles.get(first), littles.get(second)
        if one is None or two is None or min(one.deviation, two.deviation) < 2:
            continue  # a blank picture is like every other one
        compared += 1
        alike, overlay = likeness(one, two)
        if alike >= GLANCE:
            rough.append((first, second))
            overlays.append(overlay)
    if not rough:
        return []
    alikes = fit(overlays, cancel)
    # Where different pictures are alike too (a catalogue of shirts), copies must be much more so.
    everyone = np.concatenate([alikes, np.zeros(compared - len(alikes))])
    usual = float(np.percentile(everyone, 75)) if compared >= _MANY else 0.0
    least = max(SAME, 1 - _CLOSER * (1 - usual))
    found = (Pair(*pair, float(alike)) for pair, alike in zip(rough, alikes, strict=True) if alike >= least)
    return sorted(found, key=lambda pair: -pair.likeness)


def clusters(pairs: Sequence[Pair], exact: Sequence[Sequence[int]] = ()) -> list[list[int]]:
    """Return the rows that belong together by pairs, and by groups given, each sorted."""
    groups = joined([*map(list, exact), *([pair.first, pair.second] for pair in pairs)])
    return [rows for rows in groups if len(rows) > 1]
