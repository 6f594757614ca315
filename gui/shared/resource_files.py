"""The files in the resources folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from core.paths import ROOT

_FOLDER = ROOT / "resources"


def resource(*parts: str) -> Path:
    """Return the path of a file or folder in resources, in a checkout and in an installed wheel alike."""
    return _FOLDER.joinpath(*parts)


@cache
def read_text(*parts: str) -> str:
    """Return the text of a resource, read once."""
    return resource(*parts).read_text(encoding="utf-8")
