"""Near duplicates: pictures that features bring together, confirmed by their pixels, at a glance and then in detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.check.alignment import Overlay, fit
from core.check.pixels import Little, likeness, recoloured
from core.dataset.together import joined
from core.features.neighbours import Neighbours
from core.progress import CancelToken

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.5
"""Pictures whose features are less alike than this are not compared pixel by pixel."""

GLANCE = 0.7
"""Pictures that are less alike than this at a glance are not laid over each other; planted copies were 0.79 or more."""

SAME = 0.92
"""Details that agree so far are of one picture: recoded, resized, cropped, mirrored, lighter or darker.

Without its colours, or in others, it is not."""

CANDIDATES = 5
NEIGHBOURS = 20
"""The last of so many is no copy but where there are as many copies of one picture."""

_MANY, _SAMPLE, _CLOSER = 40, 400, 0.4


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


def strangers(near: Neighbours) -> list[tuple[int, int]]:
    """Return some rows with the last of their neighbours: pictures that are alike and hardly copies."""
    if near.index.shape[1] < NEIGHBOURS:
        return []
    step = max(1, len(near.index) // _SAMPLE)
    return [(row, int(near.index[row, -1])) for row in range(0, len(near.index), step)]


def confirm(
    pairs: Sequence[tuple[int, int]],
    littles: Mapping[int, Little],
    cancel: CancelToken | None = None,
    others: Sequence[tuple[int, int]] = (),
) -> list[Pair]:
    """Return the pairs whose pixels are the same, likest first.

    Where different pictures are alike too (a catalogue of shirts), copies must be much more so: `others` are pairs of
    pictures that are hardly copies.

    Raises:
        Cancelled: through `cancel`.
    """
    cancel = cancel or CancelToken()
    _, usual = _alike(others, littles, cancel)
    usual = np.concatenate([usual, np.zeros(len(others) - len(usual))])
    least = max(SAME, 1 - _CLOSER * (1 - float(np.percentile(usual, 75)))) if len(others) >= _MANY else SAME
    rough, alikes = _alike(pairs, littles, cancel)
    found = (Pair(*pair, float(alike)) for pair, alike in zip(rough, alikes, strict=True) if alike >= least)
    return sorted(found, key=lambda pair: -pair.likeness)


def _alike(
    pairs: Sequence[tuple[int, int]], littles: Mapping[int, Little], cancel: CancelToken
) -> tuple[list[tuple[int, int]], NDArray[np.float64]]:
    """Return the pairs that are alike at a glance, and how alike they are in detail."""
    rough: list[tuple[int, int]] = []
    overlays: list[Overlay] = []
    for first, second in pairs:
        cancel.raise_if_cancelled()
        one, two = littles.get(first), littles.get(second)
        if one is None or two is None or min(one.deviation, two.deviation) < 2:
            continue  # a blank picture is like every other one
        if recoloured(one, two):
            continue
        alike, overlay = likeness(one, two)
        if alike >= GLANCE:
            rough.append((first, second))
            overlays.append(overlay)
    return rough, fit(overlays, cancel)


def clusters(pairs: Sequence[Pair], exact: Sequence[Sequence[int]] = ()) -> list[list[int]]:
    """Return the rows that belong together by pairs, and by groups given, each sorted."""
    groups = joined([*map(list, exact), *([pair.first, pair.second] for pair in pairs)])
    return [rows for rows in groups if len(rows) > 1]
