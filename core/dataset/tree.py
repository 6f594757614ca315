"""Walk a dataset folder: which layout it has, which files are pictures, and what is odd about its folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.dataset.records import Layout, Problem, Severity, split_of
from core.errors import DatasetError
from core.progress import CancelToken
from training_scripts.pictures import SUFFIXES

_JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information"))
_FOREIGN = frozenset(
    (
        ".heic",
        ".heif",
        ".avif",
        ".svg",
        ".jp2",
        ".jxl",
        ".psd",
        ".tga",
        ".ico",
        ".pdf",
        ".cr2",
        ".nef",
        ".arw",
        ".dng",
        ".eps",
    )
)  # picture files, to their owners, of formats that are not read

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
    """What the walk found. `labels` has every class folder, also the empty ones, as (split, label) -> its path."""

    root: Path
    layout: Layout
    files: list[Candidate] = field(default_factory=list)
    labels: dict[tuple[str | None, str], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_tree(folder: Path, cancel: CancelToken | None = None) -> Tree:
    """Walk `folder`; files are listed, not opened.

    Raises:
        DatasetError: it is no folder, cannot be listed, or has no class folders.
        Cancelled: through `cancel`.
    """
    return _Walk(folder, cancel or CancelToken()).run()


class _Walk:
    """One walk; collects oddities by kind, to tell each kind once with all its paths."""

    def __init__(self, folder: Path, cancel: CancelToken) -> None:
        self.root = _checked(folder)
        self.cancel = cancel
        self.odd: dict[str, list[str]] = {}
        self.tree = Tree(self.root, "classes")

    def run(self) -> Tree:
        folders, loose = self._children(self.root)
        while (
            len(folders) == 1
            and not loose
            and split_of(folders[0]) is None
            and self._children(self.root / folders[0])[0]
        ):
            self.root = self.root / folders[0]  # archives like to unpack into a folder of their own name
            folders, loose = self._children(self.root)
        self.tree.root = self.root
        self.odd.clear()
        folders, loose = self._children(self.root)
        self._loose("", loose)
        if self._has_splits(folders):
            self.tree.layout = "splits"
            self._read_splits(folders)
        else:
            for name in folders:
                self._read_class(None, name, name)
        self.tree.problems.extend(self._told())
        if not self.tree.labels:
            raise _no_classes(self.root, len(self.odd.get("no-class", ())))
        return self.tree

    def _has_splits(self, folders: list[str]) -> bool:
        splits = {name: split_of(name) for name in folders}
        named = [name for name in folders if splits[name]]
        if not any(splits[name] == "train" and self._children(self.root / name)[0] for name in named):
            return False
        return len(set(filter(None, splits.values()))) > 1 or len(named) == len(folders)

    def _read_splits(self, folders: list[str]) -> None:
        for name in folders:
            split = split_of(name)
            if split is None:
                self._note("beside-splits", name)
                continue
            labels, loose = self._children(self.root / name)
            self._loose(name + "/", loose)
            for label in labels:
                self._read_class(split, label, f"{name}/{label}")

    def _read_class(self, split: str | None, label: str, relative: str) -> None:
        """Collect the pictures of one class folder, those in folders inside it included."""
        top = self.root / relative
        above = (_identity(self.root), _identity(top.parent))
        mine = _identity(top)
        if mine is not None and mine in above:
            self._note("symlink-loop", relative)
            return
        self.tree.labels.setdefault((split, label), relative)
        pending: list[tuple[str, str, tuple[_Identity, ...]]] = [(relative, str(top), (*above, mine))]
        while pending:
            here, full, ancestors = pending.pop()
            self.cancel.raise_if_cancelled()
            for entry in self._entries(full, here):
                path = f"{here}/{entry.name}"
                if _is_dir(entry):
                    identity = _identity(Path(entry.path))
                    if identity is not None and identity in ancestors:
                        self._note("symlink-loop", path)
                    else:
                        pending.append((path, entry.path, (*ancestors, identity)))
                    continue
                if self._take(entry, path, label, split) and here != relative:
                    self._note("nested", path)

    def _take(self, entry: os.DirEntry[str], path: str, label: str, split: str | None) -> bool:
        """Add a file if it is a picture by its name; otherwise note what it is."""
        kind = _kind(entry.name)
        if kind != "picture":
            self._note(kind, path)
            return False
        try:
            status = entry.stat()
        except OSError:
            self._note("no-access", path)
            return False
        if not stat.S_ISREG(status.st_mode):
            self._note("non-image", path)
            return False
        self.tree.files.append(Candidate(path, entry.path, label, split, status.st_size, status.st_mtime_ns))
        return True

    def _children(self, folder: Path) -> tuple[list[str], list[str]]:
        """The names of the folders and of the files in `folder`, sorted, junk left out."""
        here = folder.relative_to(self.root).as_posix()
        entries = list(self._entries(str(folder), "" if here == "." else here))
        folders = sorted(entry.name for entry in entries if _is_dir(entry))
        return folders, sorted({entry.name for entry in entries} - set(folders))

    def _entries(self, full: str, relative: str) -> Iterator[os.DirEntry[str]]:
        """What lies in a folder and has a usable name; nothing if it cannot be listed."""
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

    def _loose(self, prefix: str, names: list[str]) -> None:
        for name in names:
            kind = _kind(name)
            self._note("no-class" if kind == "picture" else kind, prefix + name)

    def _note(self, kind: str, path: str) -> None:
        self.odd.setdefault(kind, []).append(path)

    def _told(self) -> Iterator[Problem]:
        self.tree.ignored = sorted(set(self.odd.get("non-image", ())))
        for kind, paths in self.odd.items():
            severity, one, many, fix = _ODDITIES[kind]
            unique = sorted({path.encode("utf-8", "backslashreplace").decode() for path in paths})
            message = one if len(unique) == 1 else many.format(len(unique))
            yield Problem(kind, severity, message, tuple(unique), fix)


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


def _no_classes(root: Path, loose: int) -> DatasetError:
    why = f"It holds {loose} pictures, but no folder per class." if loose else "It has no class folders."
    return DatasetError(
        f"There is nothing to train on in {root}.", why, "Put the pictures of each class into a folder named after it."
    )


def _identity(folder: Path) -> _Identity:
    """What makes a folder the same folder, by whatever link it was reached; None if the system does not tell."""
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


def _kind(name: str) -> str:
    suffix = os.path.splitext(name)[1].lower()
    if suffix in SUFFIXES:
        return "picture"
    return "unsupported-format" if suffix in _FOREIGN else "non-image"


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
    "beside-splits": (
        Severity.WARNING,
        "1 folder lies beside the splits and is left out.",
        "{:,} folders lie beside the splits and are left out.",
        "Name a split train, valid or test, or move the folder away.",
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
        "If the inner folders are classes of their own, open the folder that holds them.",
    ),
    "non-image": (
        Severity.INFO,
        "1 file is no picture and is ignored.",
        "{:,} files are no pictures and are ignored.",
        "",
    ),
}
