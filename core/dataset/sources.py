"""Where the pictures of a dataset really are: behind links, joined folders and frames that were taken apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from core.dataset.frames import files_behind, taken_from
from core.dataset.manifest import Manifest
from core.errors import DatasetError
from core.formats.joined import folders_of
from core.formats.walk import Walk
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.data import cores, in_threads
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.structure import PictureUnreadable


def folders_behind(root: Path) -> tuple[Path, ...]:
    """Return a dataset's folder, and those that it was joined of or whose files were taken apart for it."""
    found = [root]
    for folder in found:  # which grows
        source = taken_from(folder)
        behind = [*([source] if source is not None else []), *(part.folder for part in folders_of(folder))]
        found += [one for one in behind if one not in found]
    return tuple(found)


def learned_folders(manifest: Manifest) -> Iterator[Path]:
    """Yield each folder that pictures are in which a job on this dataset learns from, by train or by valid."""
    root = manifest.root
    yield root
    originals = dict(files_behind(root))
    for part in folders_of(root):
        originals.update({f"{part.name}/{path}": file for path, file in files_behind(part.folder).items()})
    seen: set[str] = set()
    for entry in manifest.pictures:
        if entry.split == "test":
            continue
        file = str(originals[entry.path]) if entry.path in originals else f"{root}{os.sep}{entry.path}"
        folder = os.path.dirname(os.path.realpath(file) if os.path.islink(file) else file)
        if folder not in seen:
            seen.add(folder)
            yield Path(folder)


def contents_of(
    folder: Path, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> Mapping[str, str]:
    """Return, by its SHA-256, the path of each picture that can be read in a folder and in those behind it.

    A picture is what a scan takes for one. What is gone or cannot be listed has none.

    Raises:
        Cancelled: through `cancel`.
    """
    cancel = cancel or CancelToken()
    files: list[str] = []
    for place in folders_behind(folder):
        with suppress(DatasetError):
            files += [found.full for inner in Walk(place, cancel).top.walk() for found in inner.pictures]
    contents: dict[str, str] = {}
    threads = cores()
    for number, (sha256, file) in enumerate(in_threads(_content, files, threads, 4 * threads), 1):
        cancel.raise_if_cancelled()
        contents.setdefault(sha256, file)
        on_progress(Progress(number, len(files), tr("Reading {name}").format(name=folder.name), "pictures"))
    contents.pop("", None)
    return contents


def _content(file: str) -> tuple[str, str]:
    """Return a file's SHA-256, "" where it cannot be read, and the file."""
    try:
        return hashlib.sha256(read_file(Path(file))).hexdigest(), file
    except PictureUnreadable:
        return "", file
