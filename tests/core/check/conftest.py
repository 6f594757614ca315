"""Checks of small real datasets."""

from __future__ import annotations

from tests.core.dataset.conftest import make_dataset

__all__ = ["make_dataset"]
