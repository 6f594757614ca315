"""Watches a training that knows nothing of Sagehound; depends on torch alone.

`sagehound watch -- python train.py` starts it inside the script (startup/sitecustomize.py). In a loop or a notebook:

    watched = sagehound.watch(model, loss_fn, optimizer)

It can fail neither the script nor change what it computes. Imports are relative and late: the folder is loaded under a
name of its own in a stranger's process, and importing it must not bring torch in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .frameworks import lightning_callback, transformers_callback
    from .watched_loop import Watched, watch

__all__ = ["Watched", "lightning_callback", "transformers_callback", "watch"]


def __getattr__(name: str) -> Any:
    if name in ("Watched", "watch"):
        from . import watched_loop

        return getattr(watched_loop, name)
    if name in ("lightning_callback", "transformers_callback"):
        from . import frameworks

        return getattr(frameworks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
