"""Hears what a script saves and loads: models with torch, lists of classes as JSON.

What a dataset loads for each of its items is nothing of a model's.
"""

from __future__ import annotations

import functools
import json
import os
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .patches import Patches
    from .session import Session


def install_saving(session: Session, patches: Patches) -> None:
    """Put hooks into the saving and loading of torch and of JSON."""
    save, load, dump, read = torch.save, torch.load, json.dump, json.load

    def heard() -> bool:
        return session.here and not session.loaders.fetching

    def first(args: Any, kwargs: Any, name: str) -> Any:
        return args[0] if args else kwargs.get(name)

    def second(args: Any, kwargs: Any, name: str) -> Any:
        return args[1] if len(args) > 1 else kwargs.get(name)

    @functools.wraps(save)
    def saved(*args: Any, **kwargs: Any) -> Any:
        result = save(*args, **kwargs)
        if heard():
            session.saved(first(args, kwargs, "obj"), _path(second(args, kwargs, "f")))
        return result

    @functools.wraps(load)
    def loaded(*args: Any, **kwargs: Any) -> Any:
        result = load(*args, **kwargs)
        if heard():
            session.restored(result, _path(first(args, kwargs, "f")))
        return result

    @functools.wraps(dump)
    def dumped(*args: Any, **kwargs: Any) -> Any:
        if heard() and session.models:
            session.saved(first(args, kwargs, "obj"), _path(second(args, kwargs, "fp")))
        return dump(*args, **kwargs)

    @functools.wraps(read)
    def parsed(*args: Any, **kwargs: Any) -> Any:
        result = read(*args, **kwargs)
        if heard():
            session.restored(result, _path(first(args, kwargs, "fp")))
        return result

    for owner, name, wrapper in (
        (torch, "save", saved),
        (torch.serialization, "save", saved),
        (torch, "load", loaded),
        (torch.serialization, "load", loaded),
        (json, "dump", dumped),
        (json, "load", parsed),
    ):
        patches.set(owner, name, wrapper)


def _path(file: Any) -> str:
    """Return the path of a file that may be open, "" where it has none."""
    name = getattr(file, "name", file) if not isinstance(file, os.PathLike) else file
    return os.path.abspath(name) if isinstance(name, str | os.PathLike) else ""
