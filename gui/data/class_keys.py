"""The key that stands for each class: 1 to 9, then letters. A class keeps its key for as long as its dataset has it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from string import ascii_lowercase

from core.dataset.query import in_order
from core.errors import UserFacingError
from core.settings import SettingsFile

ACCEPT = "y"
"""Accepts what is suggested, so no class has it."""
KEYS = "123456789" + ascii_lowercase.replace(ACCEPT, "")
KEPT = "data.keys"
MOST_DATASETS = 100


class ClassKeys:
    """Which key is whose, by dataset, also the next time that one is opened.

    The classes that a scan found have keys in their order. One that comes later takes a free key, so that no other's
    changes under the fingers.
    """

    def __init__(self, settings: SettingsFile) -> None:
        self._settings = settings
        self._dataset = ""
        self._of: dict[str, str] = {}

    def open(self, dataset: str) -> None:
        """Take the keys of a dataset; "" for none, as long as its classes are not all known."""
        self._dataset = dataset
        kept = self._kept().get(dataset)
        valid = kept.items() if isinstance(kept, Mapping) else ()
        self._of = {name: key for name, key in valid if isinstance(key, str) and key and key in KEYS}

    def set_classes(self, classes: Collection[str]) -> None:
        """Give each class of the dataset a key as long as there are some."""
        if not self._dataset:
            return
        before = dict(self._of)
        for gone in self._of.keys() - set(classes):
            del self._of[gone]
        free = (key for key in KEYS if key not in self._of.values())
        for name, key in zip(sorted(set(classes) - self._of.keys(), key=in_order), free, strict=False):
            self._of[name] = key
        if self._of != before:
            self._keep()

    def key_of(self, name: str) -> str:
        """Return the key of a class; "" for one that has none."""
        return self._of.get(name, "")

    def class_of(self, key: str) -> str | None:
        """Return the class of a key."""
        return next((name for name, own in self._of.items() if own == key.lower()), None)

    def _kept(self) -> dict[str, object]:
        found = self._settings.recall(KEPT)
        return dict(found) if isinstance(found, Mapping) else {}

    def _keep(self) -> None:
        others = {dataset: keys for dataset, keys in self._kept().items() if dataset != self._dataset}
        latest = [*others.items(), (self._dataset, dict(self._of))][-MOST_DATASETS:]
        with suppress(UserFacingError):  # the keys are good for this time all the same
            self._settings.remember(KEPT, dict(latest))
