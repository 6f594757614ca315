"""The folders of a dataset as they were walked, before anything is made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Found:
    """A file that says by its name that it is a picture. `full` is its path on this machine."""

    name: str
    full: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class Folder:
    """A folder as it was walked; `path` is relative to the top ("" for the top itself), `others` are not pictures."""

    path: str
    name: str
    pictures: list[Found] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    total: int = 0
    """Pictures in it and in all folders inside it."""

    @property
    def filled(self) -> list[Folder]:
        """Return the folders in it that hold pictures, at whatever depth."""
        return [folder for folder in self.folders if folder.total]

    def walk(self) -> Iterator[Folder]:
        """Return itself and all folders inside it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def as_top(self) -> Folder:
        """Return a copy of it as the top of a tree: paths in it are relative to it."""
        return self._below(len(self.path) + 1)

    def _below(self, cut: int) -> Folder:
        inner = [folder._below(cut) for folder in self.folders]
        return Folder(self.path[cut:], self.name, self.pictures, inner, self.others, self.total)
