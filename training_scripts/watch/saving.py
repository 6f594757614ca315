"""Hears what a script saves and loads: models with torch, lists of classes as JSON."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .patches import Patches
    from .session import Session


def install_saving(session: Session, patches: Patches) -> None:
    """Put hooks into the saving and loading of torch and of JSON."""
    save, load, dump, read = torch.save, torch.load, json.dump, json.load

    @functools.wraps(save)
    def saved(*args: Any, **kwargs: Any) -> Any:
        result = save(*args, **kwargs)
        if session.here:
            session.saved(args[0] if args else kwargs.get("obj"))
        return result

    @functools.wraps(load)
    def loaded(*args: Any, **kwargs: Any) -> Any:
        result = load(*args, **kwargs)
        if session.here:
            session.restored(result)
        return result

    @functools.wraps(dump)
    def dumped(*args: Any, **kwargs: Any) -> Any:
        if session.here and session.models:
            session.saved(args[0] if args else kwargs.get("obj"))
        return dump(*args, **kwargs)

    @functools.wraps(read)
    def parsed(*args: Any, **kwargs: Any) -> Any:
        result = read(*args, **kwargs)
        if session.here:
            session.restored(result)
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
