"""Check a dataset: copies, suspect labels, odd pictures, faults of quality and groups, gravest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.check.duplicates import CANDIDATES, NEIGHBOURS, candidates, clusters, confirm, strangers
from core.check.findings import Finding, FindingKind, Remedy
from core.check.groups import group_findings, groups_of
from core.check.pixels import littles
from core.check.quality import quality_findings
from core.check.suspects import label_suspects
from core.check.trained import TrainedAnswers
from core.dataset.records import Picture, Scan
from core.features.dataset_features import PictureFeatures
from core.features.neighbours import Neighbours, nearest
from core.features.space import Space, space_of
from core.labels.label_state import LabelState
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import plural, tr

_NEIGHBOURS = 10
_ODD = 3.5
"""Deviations (by the median) that the distance to the third neighbour is above the usual one."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One picture for each content; `copies` has the other pictures of the same content, with their class as it is."""

    pictures: tuple[Picture, ...]
    labels: tuple[str, ...]
    splits: tuple[str | None, ...]
    copies: Mapping[int, tuple[Picture, ...]]
    matrix: NDArray[np.float32]


def check(
    scan: Scan,
    state: LabelState,
    splits: Mapping[str, str],
    features: PictureFeatures,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    trained: TrainedAnswers | None = None,
) -> list[Finding]:
    """Return what may be wrong, gravest first; pictures that are left out are not looked at.

    Args:
        scan: the dataset.
        state: its labels.
        splits: the split of pictures, by path, as training would see them.
        features: of the scan's pictures.
        on_progress: hears how far it is.
        cancel: asked between steps.
        trained: what a model that was trained on the dataset says of the pictures that it did not learn from.

    Raises:
        Cancelled: through `cancel`.
    """
    cancel = cancel or CancelToken()
    work = _work(state, splits, features)
    if len(work.pictures) < 2:
        return []
    on_progress(Progress(0, None, tr("Comparing the pictures"), "pictures"))
    space = space_of(work.matrix)
    raw = nearest(work.matrix, NEIGHBOURS, cancel)
    near = nearest(space.unit, _NEIGHBOURS, cancel)
    small = littles([scan.root / picture.path for picture in work.pictures], on_progress, cancel)
    seen = {row: little for row, little in enumerate(small) if little is not None}
    pairs = confirm(candidates(raw), seen, cancel, strangers(raw))
    likeness = {(pair.first, pair.second): pair.likeness for pair in pairs}
    on_progress(Progress(0, None, tr("Looking for wrong labels"), "pictures"))
    together = clusters(pairs)
    found = [
        *_duplicates(work, together, likeness),
        *_suspects(work, space, near, together, trained, cancel),
        *_odd(work, near),
        *quality_findings(work.pictures, seen),
        *group_findings(work.pictures, groups_of(work.pictures, scan.root, _cosines(raw), cancel), work.splits),
    ]
    rank = {kind: place for place, kind in enumerate(FindingKind)}
    return sorted(found, key=lambda finding: (not finding.grave, rank[finding.kind], -finding.score))


def _work(state: LabelState, splits: Mapping[str, str], features: PictureFeatures) -> _Work:
    rows: dict[str, int] = {}
    copies: dict[int, tuple[Picture, ...]] = {}
    kept: list[int] = []
    for at, picture in enumerate(features.pictures):
        if state.is_excluded(picture):
            continue
        if (row := rows.get(picture.sha256)) is not None:
            copies[row] = (*copies.get(row, ()), replace(picture, label=state.label_of(picture)))
            continue
        rows[picture.sha256] = len(kept)
        kept.append(at)
    pictures = tuple(features.pictures[at] for at in kept)
    return _Work(
        pictures,
        tuple(state.label_of(picture) for picture in pictures),
        tuple(splits.get(picture.path) or state.split_of(picture) for picture in pictures),
        copies,
        features.matrix[kept],
    )


def _duplicates(
    work: _Work, together: Sequence[Sequence[int]], likeness: Mapping[tuple[int, int], float]
) -> list[Finding]:
    """Return one finding for each set of pictures that show the same; its remedy keeps the largest one."""
    found = []
    alone = [[row] for row in work.copies if not any(row in rows for rows in together)]
    for rows in [*together, *alone]:
        pictures = [picture for row in rows for picture in (work.pictures[row], *work.copies.get(row, ()))]
        pictures.sort(key=lambda picture: (-picture.width * picture.height, picture.path))
        score = max((alike for pair, alike in likeness.items() if set(pair) <= set(rows)), default=1.0)
        labels = {work.labels[row] for row in rows if work.labels[row]} | {
            picture.label for row in rows for picture in work.copies.get(row, ()) if picture.label and len(rows) == 1
        }
        splits = {work.splits[row] for row in rows if work.splits[row]}
        paths = tuple(picture.path for picture in pictures)
        if len(labels) > 1:
            why = (
                tr("{count} files show the same file, but in different classes ({where}).")
                if len(rows) == 1
                else tr("{count} files show the same picture, but in different classes ({where}).")
            )
        elif len(splits) > 1:
            why = (
                tr("{count} files show the same file, but in different splits ({where}).")
                if len(rows) == 1
                else tr("{count} files show the same picture, but in different splits ({where}).")
            )
        else:
            why = (
                tr("{count} files show the same file.")
                if len(rows) == 1
                else tr("{count} files show the same picture.")
            )
        why = why.format(count=len(paths), where=", ".join(sorted(map(str, labels if len(labels) > 1 else splits))))
        remedy = Remedy("exclude", paths[1:])
        grave = len(labels) > 1 or len(splits) > 1
        found.append(Finding(FindingKind.NEAR_DUPLICATE, paths, float(score), why, remedy=remedy, grave=grave))
    return found


def _suspects(
    work: _Work,
    space: Space,
    near: Neighbours,
    together: Sequence[Sequence[int]],
    trained: TrainedAnswers | None,
    cancel: CancelToken,
) -> list[Finding]:
    """Return the labels that may be wrong; of pictures that show the same, one is learned from."""
    hidden = {row for rows in together for row in rows[1:]}
    known = np.array([row for row, label in enumerate(work.labels) if label and row not in hidden], np.int64)
    classes = sorted({work.labels[row] for row in known.tolist()})
    if len(classes) < 2:
        return []
    position = {label: number for number, label in enumerate(classes)}
    labels = np.array([position[work.labels[row]] for row in known.tolist()], np.int64)
    values = Space(space.values[known], space.unit[known])
    among = near if len(known) == len(work.pictures) else nearest(values.unit, _NEIGHBOURS, cancel)
    contents = [work.pictures[row].sha256 for row in known.tolist()]
    said = None if trained is None else trained.probabilities(contents, classes)
    found = []
    for suspect in label_suspects(values, labels, len(classes), among, cancel, trained=said):
        path = work.pictures[int(known[suspect.row])].path
        own, other = classes[int(labels[suspect.row])], classes[suspect.looks_like]
        evidence = tuple(work.pictures[int(known[row])].path for row in suspect.neighbours)
        why = (
            plural(
                "Labelled {own}, but looks like {other}, as its nearest picture is.",
                "Labelled {own}, but looks like {other}, as {count} of its nearest pictures are.",
                len(evidence),
                own=own,
                other=other,
            )
            if evidence
            else tr("Labelled {own}, but looks like {other}.").format(own=own, other=other)
        )
        if trained is not None:
            why = f"{why} {trained.says_so_too(contents[suspect.row], other)}".rstrip()
        remedy = Remedy("label", (path,), other)
        found.append(Finding(FindingKind.LABEL_SUSPECT, (path,), suspect.probability, why, other, evidence, remedy))
    return found


def _odd(work: _Work, near: Neighbours) -> list[Finding]:
    """Return pictures that are far from all others: the cosine to the third neighbour is unusually low."""
    if near.cosine.shape[1] < 3 or len(work.pictures) < 20:
        return []
    far = 1.0 - near.cosine[:, 2]
    middle = float(np.median(far))
    spread = 1.4826 * float(np.median(np.abs(far - middle)))
    limit = middle + _ODD * max(spread, 1e-3)
    found = []
    for row in np.flatnonzero(far > limit).tolist():
        path = work.pictures[row].path
        nearest_one = work.pictures[int(near.index[row, 0])].path
        why = tr("It looks like none of the others; even its nearest pictures are unusually far.")
        score = float(min(1.0, (far[row] - middle) / max(spread, 1e-3) / (2 * _ODD)))
        found.append(
            Finding(FindingKind.ODD, (path,), score, why, evidence=(nearest_one,), remedy=Remedy("exclude", (path,)))
        )
    return found


def _cosines(near: Neighbours) -> dict[tuple[int, int], float]:
    return {
        (min(row, other), max(row, other)): cosine
        for row, (others, cosines) in enumerate(zip(near.index.tolist(), near.cosine.tolist(), strict=True))
        for other, cosine in zip(others[:CANDIDATES], cosines[:CANDIDATES], strict=True)
    }
