"""A scan without files, and labels over it in a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.dataset.records import Picture, Scan
from core.labels.labelling import Labelling
from core.store import Store

MakeScan = Callable[..., Scan]


def scan_of(root: Path, triples: list[tuple[str, str | None, int]]) -> Scan:
    """Pictures from (label, split, content); a label "" is none."""
    pictures = tuple(
        Picture(f"{split or ''}{label}/{at:03d}.jpg", label, split, 100, 32, 32, "JPEG", f"{content:064x}", 0)
        for at, (label, split, content) in enumerate(triples)
    )
    classes = tuple(sorted({picture.label for picture in pictures if picture.label}))
    layout = "splits" if any(picture.split for picture in pictures) else "classes"
    return Scan(root, layout, classes, pictures, (), ())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "results.sqlite3")
    yield store
    store.close()


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """Three cats, three dogs, two pictures without a label, the second a copy of the first cat."""
    cats, dogs = [("cat", None, number) for number in (1, 2, 3)], [("dog", None, number) for number in (4, 5, 6)]
    return scan_of(tmp_path / "data", [*cats, *dogs, ("", None, 7), ("", None, 1)])


@pytest.fixture
def labelling(store: Store, scan: Scan) -> Labelling:
    return Labelling(store, scan)
