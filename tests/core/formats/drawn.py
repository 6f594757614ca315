"""Datasets as other programs write them, drawn small."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.formats.records import Listing, ReadOptions
from core.formats.registry import read_listing
from core.formats.walk import Walk
from core.progress import CancelToken
from tests.core.dataset.conftest import encode

Labels = Mapping[str, tuple[str | None, set[str]]]
"""By path: the split and the labels of a picture."""

_JPEG = encode(1)


def pictures(root: Path, *paths: str) -> Path:
    """Write the same small picture under each of these paths: a reader of labels does not look into it."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_JPEG)
    return root


def text(root: Path, path: str, content: str) -> Path:
    """Write a file of labels."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return root


def listing(root: Path, **options: str) -> Listing:
    """Read a dataset."""
    return read_listing(Walk(root, CancelToken()), ReadOptions(**options))  # type: ignore[arg-type]


def labels(found: Listing) -> dict[str, str]:
    """Return the labels of each picture that has one, joined with +, by its path."""
    return {example.path: "+".join(sorted(example.labels)) for example in found.examples if example.labels}


def splits(found: Listing) -> dict[str, str | None]:
    """Return the split of each picture."""
    return {example.path: example.split for example in found.examples}


CATS = tuple(f"cat{at}.jpg" for at in range(4))
DOGS = tuple(f"dog{at}.jpg" for at in range(4))
SAID = {name: name[:3] for name in (*CATS, *DOGS)}
"""Eight pictures and what they show."""


def flat(root: Path, folder: str = "images") -> Path:
    """Draw the eight pictures into one folder."""
    return pictures(root, *(f"{folder}/{name}".lstrip("/") for name in SAID))


def said(folder: str = "images") -> dict[str, str]:
    """Return what the eight pictures show, by their path in a folder."""
    return {f"{folder}/{name}".lstrip("/"): label for name, label in SAID.items()}
