"""Where the pictures of a dataset really are: behind links, joined folders and frames that were taken apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from core.dataset.frames import files_behind, taken_from
from core.dataset.manifest import Manifest
from core.formats.joined import folders_of
from training_scripts.pictures.opening import is_picture, read_file
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


def contents_of(folder: Path) -> Iterator[str]:
    """Yield the SHA-256 of each picture in a folder that can be read."""
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            if is_picture(file):
                with suppress(PictureUnreadable):
                    yield hashlib.sha256(read_file(file)).hexdigest()
