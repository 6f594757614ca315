"""Walk a dataset folder: which files are pictures, of which class and split, and what is odd about its folders."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.dataset.folders import Folder, Found
from core.dataset.layout import Reading, read_layout
from core.dataset.records import ClassFolders, Layout, Problem, Severity
from core.errors import DatasetError
from core.progress import CancelToken
from training_scripts.pictures.formats import SUFFIXES, ForeignFormat, foreign_by_suffix, recognise
from training_scripts.pictures.reading import read_head

_JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information"))
_NEVER = frozenset((".txt", ".csv", ".tsv", ".json", ".xml", ".html", ".md", ".py", ".yaml", ".yml", ".mat", ".npy"))
"""Endings of files that often lie beside pictures by the thousand; they are not opened to see what they are."""

_Identity = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that says by its name that it is a picture. `full` is its path on this machine."""

    path: str
    full: str
    label: str
    split: str | None
    size: int
    mtime_ns: int


@dataclass(slots=True)
class Tree:
    """What the walk found. `labels` has every class folder, also the empty ones, as (split, label) -> its path.

    `hint` is a sentence on where labels may be written that no folder shows; "" where there is none.
    """

    root: Path
    layout: Layout
    files: list[Candidate] = field(default_factory=list)
    labels: dict[tuple[str | None, str], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    class_folders: ClassFolders = "auto"
    hint: str = ""


def read_tree(folder: Path, cancel: CancelToken | None = None, class_folders: ClassFolders = "auto") -> Tree:
    """Walk `folder`; files are listed, and only those without a known ending are opened to see what they are.

    Raises:
        DatasetError: it is no folder, cannot be listed, has no class folders, or a layout that is not understood.
        Cancelled: through `cancel`.
    """
    top = _checked(folder)
    walk = _Walk(top, cancel or CancelToken())
    reading = read_layout(walk.run(), top, class_folders)
    return _tree(top, reading, walk, class_folders)


def _tree(top: Path, reading: Reading, walk: _Walk, class_folders: ClassFolders) -> Tree:
    """Return the files of a layout with their classes, and what is odd about those that count, each kind told once."""
    tree = Tree(reading.root, reading.layout, class_folders=class_folders, hint=reading.hint)
    nested: list[str] = []
    for place in reading.places:
        tree.labels.setdefault((place.split, place.label), place.folder.path)
        for folder in place.folder.walk() if place.deep else (place.folder,):
            for found in folder.pictures:
                path = f"{folder.path}/{found.name}"
                tree.files.append(Candidate(path, found.full, place.label, place.split, found.size, found.mtime_ns))
                if folder is not place.folder:
                    nested.append(path)
    wrapping = reading.root.relative_to(top).as_posix()
    prefix = "" if wrapping == "." else f"{wrapping}/"
    beside = tuple(f"{prefix}{folder.path}/" for folder in reading.beside)
    told = {
        kind: [path[len(prefix) :] for path in paths if path.startswith(prefix) and not path.startswith(beside)]
        for kind, paths in walk.odd.items()
    }
    foreign = Counter(walk.foreign[prefix + path] for path in told.get("unsupported-format", ()))
    told["no-class"] = [
        f"{folder.path}/{found.name}".lstrip("/") for folder in reading.loose for found in folder.pictures
    ]
    if not any(problem.kind == "which-classes" for problem in reading.problems):
        told["nested"] = nested
    tree.ignored = sorted(set(told.get("non-image", ())))
    tree.problems = [*reading.problems, *_odd_problems(told, foreign)]
    return tree


def _odd_problems(odd: dict[str, list[str]], foreign: Counter[str]) -> Iterator[Problem]:
    for kind, paths in odd.items():
        if not paths:
            continue
        severity, one, many, fix = _ODDITIES[kind]
        unique = sorted({path.encode("utf-8", "backslashreplace").decode() for path in paths})
        message = one if len(unique) == 1 else many.format(len(unique))
        if kind == "unsupported-format":
            named = ", ".join(f"{count:,} {name}" for name, count in foreign.most_common())
            message = f"{message.removesuffix('.')} ({named})."
        yield Problem(kind, severity, message, tuple(unique), fix)


class _Walk:
    """One walk of all folders; collects oddities by kind."""

    def __init__(self, root: Path, cancel: CancelToken) -> None:
        self.root = root
        self.cancel = cancel
        self.odd: dict[str, list[str]] = {}
        self.foreign: dict[str, str] = {}
        """By path, the formats of pictures that are not read."""

    def run(self) -> Folder:
        """Walk; returns the top folder with all that is in it."""
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
        folder.others.append(entry.name)
        if foreign:
            self.foreign[path] = foreign
        self._note("unsupported-format" if foreign else "non-image", path)

    def _entries(self, full: str, relative: str) -> Iterator[os.DirEntry[str]]:
        """Yield what lies in a folder and has a usable name; nothing if it cannot be listed."""
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
        why, fix = "It does not exist.", "Choose a folder that is there."
    except NotADirectoryError:
        why, fix = "It is a file.", "Choose the folder that holds the class folders."
    except OSError as error:
        why, fix = f"The system says: {error.strerror or error}.", "Check that you may read it."
    raise DatasetError(f"The folder {folder} cannot be read.", why, fix)


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


def _encodable(name: str) -> bool:
    """Whether a name is text; names in another encoding come as lone surrogates, which no database or JSON takes."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _foreign(full: str, suffix: str) -> str | None:
    """What a file without the ending of a format that is read is by its content: None for a picture that is read.

    The name of its format for a picture that is not read, "" for anything else.
    """
    named, found = foreign_by_suffix(suffix), recognise(read_head(full))
    if isinstance(found, ForeignFormat):
        return found.name
    if named is not None and (found is None or found.name == "TIFF"):  # as cameras' raw files are on the outside
        return named.name
    return "" if found is None else None


_ODDITIES: dict[str, tuple[Severity, str, str, str]] = {
    "no-access": (
        Severity.ERROR,
        "1 file or folder cannot be read.",
        "{:,} files or folders cannot be read.",
        "Check that you may read them, and that the disk is connected.",
    ),
    "bad-name": (
        Severity.WARNING,
        "1 name cannot be read as text; what it names is left out.",
        "{:,} names cannot be read as text; what they name is left out.",
        "Rename them with letters that this system can show.",
    ),
    "unsupported-format": (
        Severity.WARNING,
        "1 picture has a format that is not read.",
        "{:,} pictures have a format that is not read.",
        "Convert them to JPEG or PNG.",
    ),
    "no-class": (
        Severity.WARNING,
        "1 picture lies in no class folder and is left out.",
        "{:,} pictures lie in no class folder and are left out.",
        "Move them into the folder of their class.",
    ),
    "symlink-loop": (
        Severity.WARNING,
        "1 link leads back into a folder that holds it; it is not followed.",
        "{:,} links lead back into folders that hold them; they are not followed.",
        "Remove the links.",
    ),
    "broken-link": (
        Severity.WARNING,
        "1 link leads nowhere.",
        "{:,} links lead nowhere.",
        "Remove them, or bring back what they point to.",
    ),
    "nested": (
        Severity.INFO,
        "1 picture lies in a folder inside its class folder; it counts for the class.",
        "{:,} pictures lie in folders inside their class folders; they count for the class.",
        "If the inner folders are classes of their own, choose them (--class-folders inner).",
    ),
    "non-image": (
        Severity.INFO,
        "1 file is no picture and is ignored.",
        "{:,} files are no pictures and are ignored.",
        "",
    ),
}
