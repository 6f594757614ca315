"""Held-out test folders that are locked: nothing may learn from them, and each look at them is kept."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from core.store.database import Database
from core.translation import plural, tr


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A locked folder: how often a model was judged on it, and by how many different models."""

    folder: str
    looks: int
    models: int

    @property
    def sentence(self) -> str:
        """Return what has to be known beside a figure from this folder."""
        if not self.looks:
            return tr("This test folder is locked: nothing learns from it, and it has not been looked at yet.")
        looked = plural(
            "This test folder is locked and was looked at {count:,} time, for {models}.",
            "This test folder is locked and was looked at {count:,} times, for {models}.",
            self.looks,
            models=plural("{count:,} model", "{count:,} models", self.models),
        )
        if self.models < 2:
            return looked
        less = tr("The more models are chosen by it, the less it says of the one that is chosen.")
        return f"{looked} {less}"


class HeldOutFolders:
    """The locked folders in the store. What was looked at stays known when a folder is unlocked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lock(self, folder: Path, pictures: Collection[str] = ()) -> None:
        """Lock a folder, whose `pictures` are known by their SHA-256; one that is locked stays so."""
        key = _key(folder)
        rows = [(key, sha256) for sha256 in pictures]  # before the transaction: everyone waits for that
        with self._database.write(flushed=True) as connection:
            connection.execute("INSERT OR IGNORE INTO held_out VALUES (?, ?)", (key, time.time()))
            connection.executemany("INSERT OR IGNORE INTO held_out_pictures VALUES (?, ?)", rows)

    def of_unknown_contents(self) -> list[Path]:
        """Return the folders that were locked before what is in them was noted, and those with no pictures."""
        unknown = "SELECT folder FROM held_out WHERE folder NOT IN (SELECT folder FROM held_out_pictures)"
        return [Path(row["folder"]) for row in self._database.read(unknown)]

    def note_contents(self, folder: Path, pictures: Collection[str]) -> None:
        """Note what is in a folder, by SHA-256, if it is still locked."""
        rows = [(sha256, _key(folder)) for sha256 in pictures]
        insert = "INSERT OR IGNORE INTO held_out_pictures SELECT folder, ? FROM held_out WHERE folder = ?"
        with self._database.write(flushed=True) as connection:
            connection.executemany(insert, rows)

    def unlock(self, folder: Path) -> None:
        """Unlock a folder, if it is locked."""
        with self._database.write(flushed=True) as connection:
            for table in ("held_out", "held_out_pictures"):
                connection.execute(f"DELETE FROM {table} WHERE folder = ?", (_key(folder),))

    def find_copies(self, pictures: Iterable[str]) -> tuple[str, frozenset[str]] | None:
        """Return the locked folder that most of these pictures (SHA-256) were in when it was locked, and which of them.

        None where none of them was in one.
        """
        held: dict[str, set[str]] = {}
        for row in self._database.read("SELECT folder, sha256 FROM held_out_pictures"):
            held.setdefault(row["folder"], set()).add(row["sha256"])
        asked = set(pictures) if held else set()
        copies = {folder: frozenset(asked & known) for folder, known in held.items()}
        folder = max(copies, key=lambda name: len(copies[name]), default="")
        return (folder, copies[folder]) if folder and copies[folder] else None

    def find(self, folder: Path) -> HeldOut | None:
        """Return the locked folder that `folder` is or lies in; None where there is none."""
        return self.find_first((folder,))

    def find_first(self, folders: Iterable[Path]) -> HeldOut | None:
        """Return the locked folder of the first that is or lies in one; none is looked at while nothing is locked."""
        locked = {str(row["folder"]) for row in self._database.read("SELECT folder FROM held_out")}
        if not locked:
            return None
        keys = map(_key, folders)
        around = (locked.intersection((key, *map(str, Path(key).parents))) for key in keys)
        found = max(next(filter(None, around), ()), key=len, default=None)
        if found is None:
            return None
        (row,) = self._database.read(
            "SELECT count(*) AS looks, count(DISTINCT model) AS models FROM looks WHERE folder = ?", (found,)
        )
        return HeldOut(found, row["looks"], row["models"])

    def look(self, folder: Path, model: str) -> HeldOut | None:
        """Note that a model was judged on a folder, if that is locked; returns what is known of it then."""
        if (found := self.find(folder)) is None:
            return None
        with self._database.write(flushed=True) as connection:
            connection.execute("INSERT INTO looks VALUES (?, ?, ?)", (found.folder, model, time.time()))
        return self.find(folder)


def _key(folder: Path) -> str:
    return str(folder.expanduser().resolve())
