"""What archives and prefixes in S3 have left in our home: each folder, what needs it, and how it goes."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.translation import tr

KEPT_DAYS = 30
"""What was opened in so many days is in use."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A folder of imports: `size` in bytes, `opened` in Unix seconds, and `used_by` in a few words, "" by nothing."""

    path: Path
    size: int
    opened: float
    used_by: str

    @property
    def name(self) -> str:
        """Return what it is called."""
        return self.path.name


def mark_opened(folder: Path) -> None:
    """Note that an import was opened now."""
    with suppress(OSError):
        os.utime(folder)


def imported(imports: Path, users: Mapping[str, Iterable[str]], opened: Mapping[str, float]) -> list[Imported]:
    """Return the imports, largest first.

    Args:
        imports: the folder that holds them.
        users: the folders of datasets that must stay, by what needs them ("a job").
        opened: when datasets were last used, by their folder.
    """
    found = []
    for folder in sorted(imports.iterdir()) if imports.is_dir() else ():
        last = max([folder.stat().st_mtime, *(when for place, when in opened.items() if _is_in(place, folder))])
        used = next((who for who, places in users.items() if any(_is_in(place, folder) for place in places)), "")
        if not used and _is_being_unpacked(folder):
            used = tr("being unpacked")
        if not used and time.time() - last < KEPT_DAYS * 86400 and not folder.name.startswith("."):
            used = tr("opened in the last {days} days").format(days=KEPT_DAYS)
        found.append(Imported(folder, _size(folder), last, used))
    return sorted(found, key=lambda one: (-one.size, one.name))


def remove(unused: Iterable[Imported], deleted: Path) -> None:
    """Remove imports, each at once for who looks: it is moved aside first, into `deleted`.

    Raises:
        OSError: one cannot be moved; those before it are gone.
    """
    deleted.mkdir(parents=True, exist_ok=True)
    for one in unused:
        place = deleted / f"{one.name.lstrip('.')}-{secrets.token_hex(4)}"
        os.replace(one.path, place)
        shutil.rmtree(place, ignore_errors=True)


def _is_in(place: str, folder: Path) -> bool:
    """Whether a dataset is in an import, whose name no other folder has; the home may have been moved since."""
    return folder.name in Path(place).parts


def _is_being_unpacked(folder: Path) -> bool:
    """Whether a folder with a process in its name has that process."""
    number = folder.name[1:].partition("-")[0]
    return folder.name.startswith(".") and number.isdecimal() and psutil.pid_exists(int(number))


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total
