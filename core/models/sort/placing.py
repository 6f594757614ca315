"""Bring one file to its place so that a kill at any moment leaves it at one of the two, and no file is overwritten."""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path

from core.paths import give_away, make_outside
from core.translation import tr
from training_scripts.durable import replacing, sha256_of


def put(source: Path, target: Path, digest: str, move: bool) -> bool:
    """Bring a file to `target`, or finish what was begun; returns whether it is there.

    A `target` that is there with the same content is what an earlier run made. The source is removed only when the
    target is whole.

    Raises:
        FileExistsError: something else is at `target`.
        OSError: it cannot be written or removed.
    """
    if target.is_file():
        if sha256_of(target) != digest:
            raise FileExistsError(tr("{target} is another file").format(target=target))
    elif not source.is_file():
        return False
    else:
        make_outside(target.parent)
        for stale in target.parent.glob(f".*-*-{glob.escape(target.name)}"):
            stale.unlink()  # a copy that a kill cut off
        if not (move and _linked(source, target)):
            with replacing(target) as partial:
                shutil.copy2(source, partial)
            give_away(target)
    if move and source.is_file() and sha256_of(source) == digest:
        source.unlink()
    return True


def free_name(folder: Path, name: str, taken: set[str]) -> str:
    """Return a name that no file of `folder` has and that is not among `taken`: "a.jpg", "a (2).jpg" …"""
    stem, suffix = os.path.splitext(name)
    number, found = 1, name
    while found.casefold() in taken or (folder / found).exists():
        number += 1
        found = f"{stem} ({number}){suffix}"
    return found


def _linked(source: Path, target: Path) -> bool:
    """Whether the file got a second name: at once, and never over another file, where both are on one disk."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True
