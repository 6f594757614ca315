"""Where labels may be written that no folder shows: files beside the pictures, words in file names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from core.formats.folders import Folder
from core.translation import tr

LABEL_SUFFIXES = frozenset((".csv", ".tsv", ".xlsx", ".json", ".jsonl", ".parquet", ".arrow", ".mat", ".xml"))
_LISTS = re.compile(r"label|annot|class|train|test|list", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?\w)[ ._-]*\(?\d+\)?")

_MANY_NAMES = 3
"""So many pictures per word make the words that file names begin with look like classes."""


def label_files(folders: Iterable[Folder]) -> list[str]:
    """Return the files in these folders that may say which class a picture is of."""
    return [
        f"{folder.path}/{name}" if folder.path else name
        for folder in folders
        for name in folder.others
        if _may_hold_labels(name)
    ]


def _may_hold_labels(name: str) -> bool:
    stem, suffix = os.path.splitext(name.lower())
    return suffix in LABEL_SUFFIXES or (suffix == ".txt" and _LISTS.search(stem) is not None)


def labels_elsewhere(tables: Sequence[str]) -> str:
    """Return a sentence on files that may hold the labels, as `label_files` found them; "" without any."""
    if not tables:
        return ""
    return tr("The labels may be in {tables}, but nothing there is understood as labels of these pictures.").format(
        tables=listed(tables)
    )


def words_in_names(names: Sequence[str]) -> str:
    """Return a sentence on words that numbered files begin with (cat.0.jpg, dog.0.jpg), if they look like classes."""
    found = (_NUMBERED.fullmatch(os.path.splitext(name)[0]) for name in names)
    words = Counter(match[1] for match in found if match and not match[1].isdigit())
    named = sum(words.values())
    if len(words) < 2 or named < 0.9 * len(names) or named < _MANY_NAMES * len(words):
        return ""
    return tr("The file names begin with {words}: if these are the classes, make a folder of each.").format(
        words=listed(sorted(words))
    )


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names in a sentence, the first few of many."""
    shown, more = list(names[:most]), len(names) - most
    last = f"{more:,} more" if more > 0 else shown.pop() if len(shown) > 1 else ""
    return ", ".join(shown) + (f" and {last}" if last else "")
