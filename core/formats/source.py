"""A walked folder as readers see it: its files of labels, opened within bounds, and its pictures found by name."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from core.errors import DatasetError
from core.formats.folder_names import named_splits
from core.formats.folders import Folder, Found
from core.formats.records import Example, Listing, ReadOptions
from core.formats.walk import Walk
from core.translation import tr
from training_scripts.outside import parse_json
from training_scripts.pictures.limits import TooLarge
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.structure import PictureUnreadable

MAX_BYTES = 512 << 20
"""A larger file of labels is refused: what is made of it would not fit into memory."""

_DEEPEST, _MOST = 4, 100
"""How deep in a folder files of labels are looked for; a folder with more of one kind has one beside each picture."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*/", re.IGNORECASE)


class Source:
    """A folder that was walked, and how it is to be read."""

    def __init__(self, walk: Walk, options: ReadOptions) -> None:
        self.walk, self.options = walk, options
        self.root, self.top = walk.root, walk.top
        self.memo: dict[str, Any] = {}
        """What readers have made of its files, so that recognising and reading take one pass."""
        self._index: PictureIndex | None = None

    @property
    def index(self) -> PictureIndex:
        """Return its pictures by name."""
        if self._index is None:
            self._index = PictureIndex(self.top)
        return self._index

    def files(self, *suffixes: str) -> list[str]:
        """Return the files with one of these endings that may hold labels, the shallowest first.

        A file of labels that was chosen is the only one, whatever its ending.
        """
        if self.options.labels:
            return [self.options.labels]
        found: list[str] = []
        for folder in self.top.walk():
            inside = [name for name in folder.others if name.lower().endswith(suffixes)]
            if len(inside) <= _MOST and folder.path.count("/") < _DEEPEST:
                found += [f"{folder.path}/{name}".lstrip("/") for name in inside]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def data(self, path: str) -> bytes:
        """Return the content of a file of labels.

        Raises:
            DatasetError: it cannot be read, or is too large.
        """
        try:
            return read_file(self.root / path, MAX_BYTES)
        except TooLarge:
            why = tr("It is larger than {max_bytes} MB.").format(max_bytes=MAX_BYTES >> 20)
            raise DatasetError(
                tr("{path} is not read.").format(path=path), why, tr("Divide it, or leave out what is no label.")
            ) from None
        except PictureUnreadable as error:  # a pipe would be waited for without end
            fix = tr("Check that it is there and that you may read it.")
            raise DatasetError(tr("{path} cannot be read.").format(path=path), str(error), fix) from None

    def text(self, path: str) -> str:
        """Return a file of labels as text: UTF-8 or UTF-16 by its mark, else what Western programs write."""
        data = self.data(path)
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16", "replace")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("cp1252", "replace")

    def json(self, path: str) -> Any:
        """Return what a file of JSON says, None where it is none; parsed once."""
        key = f"json:{path}"
        if key not in self.memo:
            try:
                self.memo[key] = parse_json(self.data(path))
            except (ValueError, DatasetError):
                self.memo[key] = None
        return self.memo[key]

    def json_files(self, is_one: Callable[[Any], bool]) -> list[str]:
        """Return the JSON files whose content is of a kind."""
        return [path for path in self.files(".json") if is_one(self.json(path))]


class PictureIndex:
    """The pictures of a folder, found by the names that files of labels give them."""

    def __init__(self, top: Folder) -> None:
        self.paths: dict[str, Found] = {}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for folder in top.walk():
            prefix = f"{folder.path}/" if folder.path else ""
            for file in folder.pictures:
                path = prefix + file.name
                self.paths[path] = file
                self._by_name[file.name.lower()].append(path)

    @cached_property
    def _by_stem(self) -> Mapping[str, list[str]]:
        """Return the pictures by their names without an ending; made when a name is first looked for like this."""
        found: dict[str, list[str]] = defaultdict(list)
        for name, paths in self._by_name.items():
            found[os.path.splitext(name)[0]] += paths
        return found

    def find(self, name: str, near: str = "") -> str | None:
        """Return the picture that is meant by a path, an address or a bare name, with or without its ending.

        Of several with the name it is the one whose folders agree best, seen from the folder `near`; None where none
        or more than one does.
        """
        wanted = name.strip().replace("\\", "/")
        direct = os.path.normpath(f"{near}/{wanted}" if near else wanted)
        if direct in self.paths:
            return direct
        address = path_of_address(wanted)
        parts = [part for part in (wanted if address is None else address).split("/") if part not in ("", ".")]
        if not parts:
            return None
        last = parts[-1].lower()
        found = self._by_name.get(last) or self._by_stem.get(last)
        if not found:
            return None
        return found[0] if len(found) == 1 else _best(found, parts[:-1], near)


def _best(found: Collection[str], folders: list[str], near: str) -> str | None:
    def agreement(path: str) -> tuple[int, int]:
        above = path.split("/")[:-1]
        same = 0
        while same < min(len(above), len(folders)) and above[-1 - same].lower() == folders[-1 - same].lower():
            same += 1
        inside = not near or path == near or path.startswith(f"{near}/")
        return same, int(inside)

    ranked = sorted(found, key=agreement, reverse=True)
    return None if agreement(ranked[0]) == agreement(ranked[1]) else ranked[0]


def path_of_address(name: str) -> str | None:
    """Return the path of an address as a file is called, without what is asked of its server; None if it is none."""
    if (address := _ADDRESS.match(name)) is None:
        return None
    return unquote(name[address.end() :].partition("?")[0].partition("#")[0])


class Collector:
    """What a reader finds in files of labels, picture by picture; labels of a picture that comes again are added."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._labels: dict[str, set[str]] = {}
        self._split: dict[str, str | None] = {}
        self._group: dict[str, str | None] = {}
        self.missing: list[str] = []

    def add(
        self,
        name: str,
        labels: Collection[str],
        split: str | None = None,
        group: str | None = None,
        near: str = "",
    ) -> bool:
        """Take what is said of the picture `name`; returns whether it is there."""
        path = self._absolute(name) if os.path.isabs(name) else self._source.index.find(name, near)
        if path is None:
            self.missing.append(name)
            return False
        self._labels.setdefault(path, set()).update(label for label in labels if label)
        self._split[path] = split or self._split.get(path)
        self._group[path] = group or self._group.get(path)
        return True

    def _absolute(self, name: str) -> str | None:
        """Return the picture at an absolute path; where that is another machine's, the picture that agrees with it."""
        path, root = os.path.normpath(name), f"{self._source.root}{os.sep}"
        if path.startswith(root) and (inside := path[len(root) :].replace(os.sep, "/")) in self._source.index.paths:
            return inside
        return path if os.path.isfile(path) else self._source.index.find(name)

    def listing(self, files: Collection[str], seen: str) -> Listing:
        """Return it as a listing of the dataset; `seen` is a sentence on what `files` are."""
        paths = sorted(self._labels)
        root, relative = _rooted(self._source.root, paths)
        splits = {path: self._split[path] for path in paths}
        if not any(splits.values()):
            labelled = [path for path in paths if self._labels[path]]
            splits = _splits_of_folders(labelled) or splits
        if len({split for split in splits.values() if split}) < 2:
            splits = {}
        listing = Listing(root, layout="splits" if splits else "classes", seen=[seen], missing=self.missing)
        where = next(iter(files), "")
        for path, shown in zip(paths, relative, strict=True):
            split = (splits.get(path) or "train") if splits else None
            labels = frozenset(self._labels[path])
            listing.examples.append(Example(shown, labels, split, self._group[path]))
            if len(labels) == 1:
                listing.classes.setdefault((split, next(iter(labels))), where)
        return listing


def _rooted(root: Path, paths: list[str]) -> tuple[Path, list[str]]:
    """Return the folder that holds all pictures, and their paths in it: the dataset's unless some are outside of it."""
    outside = [path for path in paths if os.path.isabs(path)]
    if not outside:
        return root, paths
    full = [path if os.path.isabs(path) else os.path.join(root, path) for path in paths]
    common = Path(os.path.commonpath([os.path.dirname(path) for path in full]))
    return common, [os.path.relpath(path, common).replace(os.sep, "/") for path in full]


def _splits_of_folders(paths: list[str]) -> dict[str, str | None]:
    """Return the splits that the folders of labelled pictures give (train/1.jpg, images/test/1.jpg); none otherwise."""
    for depth in range(3):
        names = {parts[depth] for path in paths if len(parts := path.split("/")) > depth + 1}
        splits = named_splits(names)
        if "train" in splits.values() and len(set(splits.values())) > 1:
            at: dict[str, str | None] = {}
            for path in paths:
                parts = path.split("/")
                at[path] = splits.get(parts[depth]) if len(parts) > depth + 1 else None
            return at
    return {}
