"""Archives: zip and tar files of pictures, unpacked once into a folder of ours, within bounds.

Only what a dataset is made of is taken out: files with the ending of a picture or of a file of labels, files without an
ending, and archives inside the archive. Links and devices are passed over. A name that leads out of the folder is
nothing that a dataset would have, so such an archive is refused as a whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from core.errors import DatasetError
from core.formats.hints import LABEL_SUFFIXES
from core.formats.imported import mark_opened
from core.formats.opened_source import ARCHIVES
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.durable import flush
from training_scripts.pictures.formats import FOREIGN, SUFFIXES

MOST_FILES = 5_000_000
DEEPEST = 2
"""Archives in archives are unpacked so deep."""

_RATIO, SMALL = 200, 1 << 30
"""What is unpacked may be so many times as large as the archive, or this large: pictures do not shrink like that."""

SPARE = 2 << 30
"""So much room is left on the disk."""

_FOREIGN = frozenset(suffix for found in FOREIGN for suffix in found.suffixes)
_TAKEN = SUFFIXES | _FOREIGN | LABEL_SUFFIXES | {".txt", ".sqlite", ""}
_JUNK = ("__macosx", "thumbs.db")
_CHUNK = 1 << 20
_UNUSABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, tarfile.TarError, zlib.error, RuntimeError, KeyError)

_Open = Callable[[], IO[bytes]]


@dataclass(slots=True)
class _Bounds:
    """What may still be written."""

    files: int
    bytes: int

    def take(self, size: int) -> None:
        self.bytes -= size
        if self.bytes < 0:
            raise _TooMuch


class _TooMuch(Exception):
    """What is inside is out of all proportion to the archive, or to the disk."""


def is_archive(path: Path) -> bool:
    """Whether a file is a zip or tar, by its content; tar files without a mark also by their ending."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    packed = head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")) and path.name.lower().endswith(ARCHIVES)
    return head.startswith((b"PK\3\4", b"PK\5\6")) or head[257:262] == b"ustar" or packed


def unpack(
    archive: Path,
    folder: Path,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    most_files: int = MOST_FILES,
    small: int = SMALL,
) -> Path:
    """Return the folder that holds what is in an archive; made in `folder` once, and found there from then on.

    Raises:
        DatasetError: it is damaged, encrypted, dangerous or too large.
        Cancelled: through `cancel`; nothing stays.
    """
    target = folder / f"{stem_of(archive.name)}-{_key(archive)}"
    if target.is_dir():
        mark_opened(target)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{os.getpid()}-{target.name}"
    size = archive.stat().st_size
    room = shutil.disk_usage(folder).free - SPARE
    bounds = _Bounds(most_files, min(max(small, _RATIO * size), room))
    try:
        _unpack(archive, partial, _Unpacking(bounds, on_progress, cancel or CancelToken(), archive.name), 0)
        flush(file for file in partial.rglob("*"))
        os.replace(partial, target)
    except _TooMuch:
        raise DatasetError(
            tr("{name} is not unpacked.").format(name=archive.name),
            tr(
                "It holds more than {value:,.1f} GB, which is out of all proportion to its size, or "
                "more than the disk has room for."
            ).format(value=max(0, min(max(small, _RATIO * size), room)) / 1000000000.0),
            tr("Make room, or unpack it yourself and open the folder."),
        ) from None
    except _UNUSABLE as error:
        raise DatasetError(
            tr("{name} cannot be unpacked.").format(name=archive.name),
            _why(error),
            tr("Fetch it again, or unpack it yourself."),
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _why(error: Exception) -> str:
    """Return why an archive cannot be unpacked, in a sentence; of a file inside it its own name alone."""
    if isinstance(error, OSError) and error.strerror:
        name = os.path.basename(os.fsdecode(error.filename or ""))
        return f"{error.strerror}: {name[:80]}." if name else f"{error.strerror}."
    return f"{error}.".replace("..", ".")


def _key(archive: Path) -> str:
    """Return what an archive is known by again: size, time, beginning and end, where zip and gzip have checksums."""
    status = archive.stat()
    with archive.open("rb") as file:
        head = file.read(1 << 16)
        file.seek(max(0, status.st_size - (1 << 20)))
        content = head + file.read()
    return hashlib.sha256(f"{status.st_size} {status.st_mtime_ns} ".encode() + content).hexdigest()[:12]


def stem_of(name: str) -> str:
    """Return the name of an archive without its ending."""
    suffix = next((suffix for suffix in sorted(ARCHIVES, key=len, reverse=True) if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)] or "archive"


@dataclass(slots=True)
class _Unpacking:
    bounds: _Bounds
    on_progress: OnProgress
    cancel: CancelToken
    name: str
    done: int = 0


def _unpack(archive: Path, target: Path, work: _Unpacking, depth: int) -> None:
    target.mkdir(parents=True, exist_ok=True)
    inner: list[Path] = []
    with _members(archive) as members:
        for name, opened in members:
            work.cancel.raise_if_cancelled()
            path = place_of(target, name, archive.name)
            if path is None:
                continue
            work.bounds.files -= 1
            if work.bounds.files < 0:
                raise _TooMuch
            _write(path, opened, work)
            if path.name.lower().endswith(ARCHIVES):
                inner.append(path)
    for path in inner:
        if depth < DEEPEST and is_archive(path):
            _unpack(path, path.with_name(stem_of(path.name)), work, depth + 1)
        path.unlink()


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[tuple[str, _Open]]]:
    """Yield the names and contents of the regular files in an archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield _zip_members(packed)
    else:
        with tarfile.open(archive, "r|*") as taped:
            yield _tar_members(taped)


def _zip_members(packed: zipfile.ZipFile) -> Iterator[tuple[str, _Open]]:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            continue
        if info.flag_bits & 1:
            raise ValueError("It is encrypted")
        yield info.filename, lambda info=info: packed.open(info)  # type: ignore[misc]


def _tar_members(taped: tarfile.TarFile) -> Iterator[tuple[str, _Open]]:
    for info in taped:
        if info.isreg():
            yield info.name, lambda info=info: taped.extractfile(info)  # type: ignore[misc]


def place_of(target: Path, name: str, archive: str) -> Path | None:
    """Return where a file of an archive is to be; None for what no dataset needs.

    Raises:
        DatasetError: its name leads out of the folder.
    """
    plain = name.replace("\\", "/")
    parts = [part for part in PurePosixPath(plain).parts if part != "."]
    if plain.startswith("/") or ".." in parts or any(":" in part[:2] or "\0" in part for part in parts):
        raise DatasetError(
            tr("{archive} is not unpacked.").format(archive=archive),
            tr("It holds a file that would be written outside of its folder ({name!r}).").format(name=name[:80]),
            tr("Do not use it: it was made to do harm, or by a broken program."),
        )
    last = parts[-1].lower() if parts else ""
    if not last or any(part.startswith(".") or part.lower() in _JUNK for part in parts):
        return None
    suffix = os.path.splitext(last)[1]
    return target.joinpath(*parts) if suffix in _TAKEN or last.endswith(ARCHIVES) or _like_none(suffix) else None


def _like_none(suffix: str) -> bool:
    """Whether an ending is part of a name, as in `photo.2021` or `Class 1.-0`."""
    return not suffix[1:].isalpha()


def _write(path: Path, opened: _Open, work: _Unpacking) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with opened() as source, path.open("wb") as file:
        while part := source.read(_CHUNK):
            work.bounds.take(len(part))
            file.write(part)
    work.done += 1
    if work.done % 100 == 0:
        work.on_progress(Progress(work.done, None, f"Unpacking {work.name}", "files"))
