"""Looks for what a job left below whatever folder people point at: a download, a bucket's copy, the job itself."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

MOST_FOLDERS = 20_000
"""How many folders are looked into; a home folder given by mistake ends here, within a second or two."""


def folders_below(top: Path, leave_out: Collection[str] = (), most: int = MOST_FOLDERS) -> Iterator[Path]:
    """Yield `top` and the folders below it at any depth, the nearest first, those of one depth by name.

    Links are not followed, so nothing is met twice. Folders named in `leave_out` are not entered; nor is one that
    cannot be read.
    """
    level, met = [top], 0
    while level:
        following: list[Path] = []
        for folder in level:
            met += 1
            if met > most:
                return
            yield folder
            following += _children(folder, leave_out)
        level = following


def _children(folder: Path, leave_out: Collection[str]) -> list[Path]:
    # scandir knows which entries are folders without asking the disk for each of a million pictures.
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.name not in leave_out and e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / name for name in sorted(names)]
