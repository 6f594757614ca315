"""What names of folders say: a split, or what belongs to the pictures of the folder beside it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator

from core.formats.records import split_of

_SEPARATORS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
_IMAGES = frozenset(("images", "image", "imgs", "img", "pictures", "photos", "jpegimages", "rgb", "bilder", "imagenes"))
_OF_ANY_SPLIT = frozenset(("data", "dataset", "set", "split", "daten", "datos")) | _IMAGES
_ANNOTATIONS = frozenset(
    [
        "mask",
        "masks",
        "label",
        "labels",
        "annotation",
        "annotations",
        "anno",
        "annos",
        "gt",
        "groundtruth",
        "truth",
        "segmentation",
        "segmentations",
        "seg",
        "segmentationclass",
        "segmentationobject",
        "trimap",
        "trimaps",
        "manual",
        "contour",
        "contours",
        "masken",
        "mascaras",
        "masques",
    ]
)
"""Names of folders that hold what belongs to the pictures of the folder beside them, one file for each."""


def named_splits(names: Collection[str]) -> dict[str, str]:
    """Return which of these folders, side by side, stand for splits, and for which.

    Besides the usual names, names of one kind count where they tell train from another split: seg_train and seg_test,
    train_images and testimages, 01_train and 02_test, trainA and testA; but not steam_train and crash_test.
    """
    found = {name: split for name in names if (split := split_of(name))}
    kinds: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        for split, kind in _readings(name):
            kinds[kind].setdefault(name, split)
    for named in kinds.values():
        if "train" in named.values() and len(set(named.values())) > 1:
            found |= named
    return found


def _readings(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return which splits a name may stand for, each with the other words of it, which splits side by side share."""
    words = [word for part in _SEPARATORS.split(name) if (word := part.lower().strip("0123456789"))]
    for at, word in enumerate(words):
        ends = (ending for ending in _OF_ANY_SPLIT if word.endswith(ending))
        if split := split_of(word) or next(filter(None, (split_of(word.removesuffix(end)) for end in ends)), None):
            yield split, tuple(other for other in (*words[:at], *words[at + 1 :]) if other not in _OF_ANY_SPLIT)


def names_a_split(name: str) -> bool:
    """Whether a folder by itself is named like a split: test, Test Set, 02_test; not crash_test."""
    return any(not kind for _, kind in _readings(name))


def annotations_among(names: Collection[str]) -> list[str]:
    """Return which of the folders that would be classes hold masks or labels of the pictures beside them.

    Such are images and masks; not mask and without_mask, or images and videos.
    """
    images = {name for name in names if _letters(name) in _IMAGES}
    annotations = {name for name in names if _letters(name) in _ANNOTATIONS}
    return sorted(annotations) if images and annotations and set(names) == images | annotations else []


def _letters(name: str) -> str:
    """Return a name without its numbers: GroundTruth, ground_truth and 1st_manual are groundtruth and manual."""
    return "".join(re.findall(r"[a-z]+", re.sub(r"\d+[a-z]*", "", name.lower())))
