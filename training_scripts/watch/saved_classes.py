"""What a script saves and loads: a model is known again by its numbers, and with it the order of its classes.

So a script that serves a model later can be held against the one that trained it, wherever the file is by then.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from .state import row_bytes, snapshot

_KEYS = ("class_to_idx", "classes", "class_names", "idx_to_class", "label_names", "id2label", "label2id")
_SPEAKING = {"class", "classes", "label", "labels", "category", "categories"}
_OF_A_MODEL = {"model", "checkpoint", "ckpt", "weights", "config", "meta", "metadata", "info", "params", "hparams"}
_WHICH = {"best", "last", "latest", "final", "trained"}
_BESIDE = {"name", "names", "to", "id", "ids", "idx", "index", "indices", "map", "mapping", "list", "encoder", "order"}
MOST_KEPT, MOST_OF_JOB, MOST_CLASSES = 200, 40, 2_000


def holds_classes(path: str) -> bool:
    """Whether a file's name says that it holds the classes and nothing of them, such as how often each was wrong."""
    words = _words(path)
    return bool(words & _SPEAKING) and words <= _SPEAKING | _BESIDE


def _words(path: str) -> set[str]:
    """Return the words of a file's name."""
    stem = os.path.basename(path).partition(".")[0]
    return {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", stem)}


def class_order(value: Any, path: str) -> list[str]:
    """Return the classes that what is in a file names, in the order of their numbers; else nothing.

    A mapping with numbers says so itself. A list may be in another order, for instance of how often each class was
    wrong: it counts beside a model's numbers, or in a file whose name says that it is of classes or of a model.
    """
    order = _order(value) if holds_classes(path) else []
    if not order and isinstance(value, Mapping):
        words = _words(path)
        named_so = bool(words & (_SPEAKING | _OF_A_MODEL)) and words <= _SPEAKING | _BESIDE | _OF_A_MODEL | _WHICH
        sure = named_so or bool(fingerprint(value))
        for key in _KEYS:
            named = value.get(key)
            if not order and (sure or isinstance(named, Mapping)):
                order = _order(named)
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


class _Known(NamedTuple):
    model: str
    classes: list[str]
    path: str
    job: str
    line: str


class ModelClasses:
    """The classes of the models that watched scripts have saved, in a file that they share."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._state: tuple[int, ...] = ()
        self._known: list[_Known] = []

    def add(self, model: str, classes: list[str], path: str = "", job: str = "") -> None:
        """Remember the order of the classes of a saved model, in place of the one that its file held before."""
        if self._file is None or len(classes) > MOST_CLASSES:
            return
        line = json.dumps({"model": model, "classes": classes, "path": path, "job": job})
        known = [
            item
            for item in self._read()
            if not (path and item.path == path) and (item.model != model or item.classes != classes)
        ]
        of_job = [item for item in known if job and item.job == job]
        dropped = {id(item) for item in of_job[: max(0, len(of_job) + 1 - MOST_OF_JOB)]}
        known = [item for item in known if id(item) not in dropped][1 - MOST_KEPT :]
        known.append(_Known(model, classes, path, job, line))
        aside = self._file.with_name(f"{self._file.name}.{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            try:
                aside.write_text("".join(f"{item.line}\n" for item in known), encoding="utf-8")
                state = _state(aside)
                os.replace(aside, self._file)
                self._state, self._known = state, known
            finally:
                aside.unlink(missing_ok=True)

    def of(self, model: str) -> list[str]:
        """Return the classes of a saved model, the latest that it was saved with; empty where it is not known."""
        return next((list(item.classes) for item in reversed(self._read()) if item.model == model), [])

    def _read(self) -> list[_Known]:
        """Return what is known, read again where the file is another one than before."""
        if self._file is None:
            return []
        try:
            state = _state(self._file)
            if state == self._state:
                return self._known
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            return []
        known = []
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            for line in lines:
                item = json.loads(line)
                classes = [str(name) for name in item["classes"]]
                known.append(
                    _Known(str(item["model"]), classes, str(item.get("path", "")), str(item.get("job", "")), line)
                )
        self._state, self._known = state, known
        return known


def _state(file: Path) -> tuple[int, ...]:
    known = file.stat()
    return known.st_ino, known.st_mtime_ns, known.st_size
