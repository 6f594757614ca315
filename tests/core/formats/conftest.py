"""Datasets as other programs write them, of small real pictures."""

from __future__ import annotations

from tests.core.dataset.conftest import encode, make_dataset, picture_bytes

__all__ = ["encode", "make_dataset", "picture_bytes"]
