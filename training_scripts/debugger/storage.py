"""Where the files of a trial are: what a reader asks of a folder here, or of S3 (core/debugger/s3_storage.py)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Protocol

from training_scripts.debugger.writer import END_MARKER

from ..regular_files import open_regular

INDEX_FILE = re.compile(r"(\d+)_(.+)\.json")


class Storage(Protocol):
    """Where a trial's files are. Names are relative to the trial's root, with forward slashes."""

    root: str

    def index_files(self) -> Sequence[str]:
        """Return names of the files under `index/`, in any order; those returned before may be missing."""

    def collection_files(self) -> Sequence[str]:
        """Return names of all files under `collections/`, in any order."""

    def ended(self) -> bool:
        """Whether the end marker is there."""

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Return part of a file; raises OSError when it is not there."""


KEPT_BYTES = 4 << 20
"""A file of events of up to this size is read once for all tensors in it."""


class FolderStorage:
    """A trial in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._kept = ("", b"")
        self.root = str(root)
        self._path = root
        self._complete: set[str] = set()

    def index_files(self) -> Sequence[str]:
        """See `Storage.index_files`. A folder of 1,000 steps is listed no more once two later ones are there."""
        names = self._list("index", self._complete)
        folders = sorted({name.split("/")[1] for name in names})
        self._complete = self._complete.union(folders[:-2])
        return names

    def collection_files(self) -> Sequence[str]:
        """See `Storage.collection_files`."""
        return self._list("collections", frozenset())

    def ended(self) -> bool:
        """See `Storage.ended`."""
        return (self._path / END_MARKER).exists()

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """See `Storage.read`."""
        kept_name, kept = self._kept
        if length is not None and name == kept_name and start + length <= len(kept):
            return kept[start : start + length]
        with open_regular(self._path / name) as file:
            if length is None:
                file.seek(start)
                return file.read()
            if os.fstat(file.fileno()).st_size <= KEPT_BYTES:
                kept = file.read()
                self._kept = (name, kept)
                return kept[start : start + length]
            file.seek(start)
            return file.read(length)

    def _list(self, part: str, without: Set[str]) -> list[str]:
        root = self._path / part
        if not root.is_dir():
            return []
        with os.scandir(root) as entries:  # file managers leave files of their own beside the folders
            folders = [entry.name for entry in entries if entry.name not in without and entry.is_dir()]
        return [f"{part}/{folder}/{name}" for folder in folders for name in os.listdir(root / folder)]
