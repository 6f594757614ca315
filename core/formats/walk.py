"""Walk a folder: which files are pictures, by name or content, what else is there, and what is odd about it."""

from __future__ import annotations

import copy
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from core.errors import DatasetError
from core.formats.folders import Folder, Found
from core.progress import CancelToken
from core.translation import tr
from training_scripts.pictures.formats import SUFFIXES, ForeignFormat, foreign_by_suffix, recognise
from training_scripts.pictures.opening import read_head

_JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information"))
_NEVER = frozenset((".txt", ".csv", ".tsv", ".json", ".xml", ".html", ".md", ".py", ".yaml", ".yml", ".mat", ".npy"))
"""Endings of files that often are beside pictures by the thousand; they are not opened to see what they are."""

_Identity = tuple[int, int] | None


class Walk:
    """One walk of all folders below `root`; `top` is what was found, `odd` collects oddities by kind.

    Files are listed, and only those without a known ending are opened to see what they are.

    Raises:
        DatasetError: `root` is not a folder, or cannot be listed.
        Cancelled: through `cancel`.
    """

    def __init__(self, root: Path, cancel: CancelToken) -> None:
        self.root = _checked(root)
        self.cancel = cancel
        self.odd: dict[str, list[str]] = {}
        self.foreign: dict[str, str] = {}
        """By path, the formats of pictures that are not read."""
        self.top = self._run()

    def inside(self, name: str) -> Walk:
        """Return a folder of the top one as if it had been walked by itself."""
        inner, prefix = copy.copy(self), f"{name}/"
        inner.root = self.root / name
        inner.top = next(folder for folder in self.top.folders if folder.name == name).as_top()
        inner.odd = {
            kind: [path.removeprefix(prefix) for path in paths if path.startswith(prefix)]
            for kind, paths in self.odd.items()
        }
        inner.foreign = {
            path.removeprefix(prefix): named for path, named in self.foreign.items() if path.startswith(prefix)
        }
        return inner

    def _run(self) -> Folder:
        top = Folder("", self.root.name)
        order: list[Folder] = []
        pending: list[tuple[Folder, str, tuple[_Identity, ...]]] = [(top, str(self.root), (_identity(self.root),))]
        while pending:
            folder, full, ancestors = pending.pop()
            order.append(folder)
            self.cancel.raise_if_cancelled()
            for entry in self._entries(full, folder.path):
                path = f"{folder.path}/{entry.name}" if folder.path else entry.name
                if not _is_dir(entry):
                    self._take(entry, path, folder)
                    continue
                identity = _identity(Path(entry.path))
                if identity is not None and identity in ancestors:
                    self._note("symlink-loop", path)
                    continue
                inner = Folder(path, entry.name)
                folder.folders.append(inner)
                pending.append((inner, entry.path, (*ancestors, identity)))
            folder.folders.sort(key=lambda inner: inner.name)
        for folder in reversed(order):  # what is inside was walked after what holds it
            folder.total = len(folder.pictures) + sum(inner.total for inner in folder.folders)
        return top

    def _take(self, entry: os.DirEntry[str], path: str, folder: Folder) -> None:
        """Add a file if it is a picture by its name, or else by its content; otherwise note what it is."""
        suffix = os.path.splitext(entry.name)[1].lower()
        foreign = None
        if suffix not in _NEVER:
            try:
                status = entry.stat()
            except OSError:
                self._note("no-access", path)
                return
            if stat.S_ISREG(status.st_mode):
                foreign = None if suffix in SUFFIXES else _foreign(entry.path, suffix)
                if foreign is None:
                    folder.pictures.append(Found(entry.name, entry.path, status.st_size, status.st_mtime_ns))
                    return
        if _is_file(entry):  # a pipe holds no labels, whatever its name
            folder.others.append(entry.name)
        if foreign:
            self.foreign[path] = foreign
        self._note("unsupported-format" if foreign else "non-image", path)

    def _entries(self, full: str, relative: str) -> Iterator[os.DirEntry[str]]:
        """Yield what is in a folder and has a usable name; nothing if it cannot be listed."""
        try:
            with os.scandir(full) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith(".") or name.lower() in _JUNK:
                        continue
                    path = f"{relative}/{name}" if relative else name
                    if not (name.isascii() or _encodable(name)):
                        self._note("bad-name", path)
                    elif entry.is_symlink() and not os.path.exists(entry.path):
                        self._note("broken-link", path)
                    else:
                        yield entry
        except OSError:
            self._note("no-access", relative or ".")

    def _note(self, kind: str, path: str) -> None:
        self.odd.setdefault(kind, []).append(path)


def _checked(folder: Path) -> Path:
    folder = folder.expanduser()
    try:
        with os.scandir(folder):
            return Path(os.path.abspath(folder))
    except FileNotFoundError:
        why, fix = tr("It does not exist."), tr("Choose a folder that is there.")
    except NotADirectoryError:
        why, fix = tr("It is a file."), tr("Choose the folder that holds the class folders.")
    except OSError as error:
        why, fix = (
            tr("The system says: {strerror}.").format(strerror=error.strerror or error),
            tr("Check that you may read it."),
        )
    raise DatasetError(tr("The folder {folder} cannot be read.").format(folder=folder), why, fix)


def _identity(folder: Path) -> _Identity:
    """Return what makes a folder the same folder, by whatever link it was reached; None if the system does not tell."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _encodable(name: str) -> bool:
    """Whether a name is text; names in another encoding come as lone surrogates, which no database or JSON takes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _foreign(full: str, suffix: str) -> str | None:
    """Return what a file without the ending of a format is by its content: None for a picture that is read.

    The name of its format for a picture that is not read, "" for anything else.
    """
    named, found = foreign_by_suffix(suffix), recognise(read_head(full))
    if isinstance(found, ForeignFormat):
        return found.name
    if named is not None and (found is None or found.name == "TIFF"):  # as cameras' raw files are on the outside
        return named.name
    return "" if found is None else None
