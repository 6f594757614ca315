"""What a script saves and loads: a model is known again by its numbers, and with it the order of its classes.

So a script that serves a model later can be held against the one that trained it, wherever the file is by then.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from .state import row_bytes, snapshot

_KEYS = ("class_to_idx", "classes", "class_names", "idx_to_class", "labels", "label_names", "id2label", "label2id")
MOST_KEPT, MOST_CLASSES = 200, 2_000


def class_order(value: Any) -> list[str]:
    """Return the classes that a list, a mapping or a checkpoint names, in the order of their numbers; else nothing."""
    order = _order(value)
    if not order and isinstance(value, Mapping):
        for key in _KEYS:
            order = order or _order(value.get(key))
    return order


def _order(value: Any) -> list[str]:
    if not isinstance(value, list | tuple | Mapping) or not 2 <= len(value) <= MOST_CLASSES:
        return []
    if isinstance(value, list | tuple):
        order = list(value)
    else:
        pairs = list(value.items())
        if all(isinstance(name, str) and type(number) is int for name, number in pairs):
            pairs = [(number, name) for name, number in pairs]
        else:
            pairs = [(int(number), name) for number, name in pairs if str(number).isdecimal()]
        named = dict(pairs)
        if sorted(named) != list(range(len(value))):
            return []
        order = [named[number] for number in range(len(value))]
    return order if all(isinstance(name, str) for name in order) and len(set(order)) == len(order) else []


def fingerprint(value: Any) -> str:
    """Return what a saved model is known by, "" for what is none."""
    tensors = _tensors(value)
    if not tensors:
        return ""
    numbers = snapshot(tensors[-2:])
    return hashlib.sha256(row_bytes(numbers.reshape(1, -1), numbers=numbers.numel())[0]).hexdigest()[:32]


def _tensors(value: Any, depth: int = 0) -> list[Tensor]:
    """Return the numbers of the network in a checkpoint, those of its optimizer left out."""
    if isinstance(value, nn.Module):
        value = value.state_dict()
    if not isinstance(value, Mapping):
        return []
    own = [item for item in value.values() if isinstance(item, Tensor) and item.is_floating_point() and item.numel()]
    if len(own) >= 2 and all(isinstance(key, str) for key in value):
        return own
    if depth < 2:
        for key, inner in value.items():
            if isinstance(key, str) and "optim" not in key and (found := _tensors(inner, depth + 1)):
                return found
    return []


class ModelClasses:
    """The classes of the models that watched scripts have saved, in a file that they share."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def add(self, model: str, classes: list[str]) -> None:
        """Remember the order of the classes of a saved model."""
        if self._file is None or len(classes) > MOST_CLASSES:
            return
        known = [item for item in self._read() if item["classes"] != classes or item["model"] != model]
        text = "".join(
            f"{json.dumps(item)}\n" for item in [*known[1 - MOST_KEPT :], {"model": model, "classes": classes}]
        )
        aside = self._file.with_name(f"{self._file.name}.{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            aside.write_text(text, encoding="utf-8")
            os.replace(aside, self._file)

    def of(self, model: str) -> list[str]:
        """Return the classes of a saved model, the latest that it was saved with; empty where it is not known."""
        return next((list(item["classes"]) for item in reversed(self._read()) if item["model"] == model), [])

    def _read(self) -> list[dict[str, Any]]:
        if self._file is None:
            return []
        found = []
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            for line in self._file.read_text(encoding="utf-8").splitlines():
                item = json.loads(line)
                found.append({"model": str(item["model"]), "classes": [str(name) for name in item["classes"]]})
        return found
