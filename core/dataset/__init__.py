"""Folders of labelled pictures: scan, split, problems, manifest.

`scan` and `thumbnail` come with Pillow, so they are imported on first use: the window opens without them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from core.dataset.manifest import Entry, Manifest
from core.dataset.records import Picture, Problem, Scan, Severity
from core.dataset.sample import sample_path

if TYPE_CHECKING:
    from core.dataset.scanner import scan
    from core.dataset.splitter import split
    from core.dataset.thumbnails import thumbnail

__all__ = ["Entry", "Manifest", "Picture", "Problem", "Scan", "Severity", "sample_path", "scan", "split", "thumbnail"]

_ON_FIRST_USE = {"scan": "scanner", "split": "splitter", "thumbnail": "thumbnails"}


def __getattr__(name: str) -> object:
    if name in _ON_FIRST_USE:
        return getattr(import_module(f"{__name__}.{_ON_FIRST_USE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
