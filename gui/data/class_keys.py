"""The key that stands for each class: 1 to 9, then letters; a class keeps its key while the dataset is open."""

from __future__ import annotations

from collections.abc import Collection
from string import ascii_lowercase

from core.dataset.query import in_order

ACCEPT = "y"
"""Accepts what is suggested, so no class has it."""
KEYS = "123456789" + ascii_lowercase.replace(ACCEPT, "")


class ClassKeys:
    """Which key is whose. A class that comes later takes a free key, so that no other's changes under the fingers."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def reset(self) -> None:
        """Free all keys: the classes of another dataset come."""
        self._of.clear()

    def set_classes(self, classes: Collection[str]) -> None:
        """Give each class a key as long as there are some."""
        for gone in self._of.keys() - set(classes):
            del self._of[gone]
        free = (key for key in KEYS if key not in self._of.values())
        for name in sorted(set(classes) - self._of.keys(), key=in_order):
            key = next(free, None)
            if key is None:
                return
            self._of[name] = key

    def key_of(self, name: str) -> str:
        """Return the key of a class; "" for one that has none."""
        return self._of.get(name, "")

    def class_of(self, key: str) -> str | None:
        """Return the class of a key."""
        return next((name for name, own in self._of.items() if own == key.lower()), None)
