"""Written, then announced; checked, then believed: the one way files are made here, and read again.

`replacing` makes a file that is whole or not there, also after a power cut. A record that tells of files is written
after `flush` has brought them to the disk. What can be made again costs no flush: `seal` keeps the checksums of a
folder's files beside them, and `is_whole` says whether they may be believed. Needs the standard library only.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from training_scripts.regular_files import open_regular

SEAL_FILE = "seal.json"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""The error numbers of a disk that is full, and of a quota that is used up."""

_CHUNK = 1 << 20
_THREADS = 8
_NO_FOLDER_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # said by some network file systems


@contextmanager
def replacing(path: Path, flushed: bool = True) -> Iterator[Path]:
    """Yield the path of a temporary file; when the block ends well, it takes the place of `path`.

    `flushed` False spares the wait for the disk, where the file is flushed later or can be made again.

    Raises:
        OSError: the file cannot be written; what was at `path` is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}-{threading.get_ident():x}-{path.name}")
    try:
        yield partial
        if flushed:
            _flush_file(partial)
        _replace(partial, path)
        if flushed:
            _flush_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes | memoryview, flushed: bool = True) -> None:
    """Write a file whole or not at all."""
    with replacing(path, flushed) as partial:
        partial.write_bytes(content)


def write_text(path: Path, text: str, flushed: bool = True) -> None:
    """Write a file whole or not at all: UTF-8, LF."""
    write_bytes(path, text.encode("utf-8"), flushed)


def same_file(file: Path, target: Path, flushed: bool = True) -> None:
    """Give a file a second name, which takes no room and stays when the first one goes; a copy where that cannot be."""
    with replacing(target, flushed) as partial:
        try:
            os.link(file, partial)
        except OSError:  # another disk, or one that knows no second names
            shutil.copyfile(file, partial)


def flush(paths: Iterable[Path]) -> None:
    """Bring files, and the folders that name them, to the disk; all at once, which takes hardly longer than one.

    A folder among `paths` is flushed as such, without what it holds. What is not there is passed over.
    """
    files = {path for path in paths if path.exists()}
    folders = {path for path in files if path.is_dir()} | {path.parent for path in files}
    with ThreadPoolExecutor(_THREADS, "flush") as pool:
        for _ in pool.map(_flush_file, files - folders):  # before the folders: a name without content says nothing
            pass
        for _ in pool.map(_flush_folder, folders):
            pass


def seal(folder: Path, names: Iterable[str]) -> None:
    """Keep the SHA-256 of files of `folder`, by which `is_whole` knows them again."""
    sums = {name: sha256_of(folder / name) for name in names}
    write_text(folder / SEAL_FILE, json.dumps({"format": 1, "sha256": sums}, indent=1), flushed=False)


def sealed(folder: Path) -> dict[str, str]:
    """Return the names and SHA-256 that `seal` kept; none where there is no seal that can be read."""
    try:
        data = json.loads((folder / SEAL_FILE).read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in data["sha256"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def is_whole(folder: Path, names: Iterable[str] = ()) -> bool:
    """Whether the files of `folder` (all that are sealed, or those named) are what they were when they were sealed."""
    sums = sealed(folder)
    try:
        return bool(sums) and all(sums.get(name) == sha256_of(folder / name) for name in names or sums)
    except OSError:
        return False


def sha256_of(file: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with open_regular(file) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def is_no_room(error: BaseException) -> bool:
    """Whether an error, or what caused it, is a disk that is full."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in NO_ROOM:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _replace(partial: Path, path: Path) -> None:
    """Call `os.replace`; on Windows a virus scanner may hold a new file for a moment."""
    for pause in (0.05, 0.2, 0.8) if sys.platform == "win32" else ():
        with suppress(PermissionError):
            os.replace(partial, path)
            return
        time.sleep(pause)
    os.replace(partial, path)


def _flush_file(path: Path) -> None:
    # Windows flushes only what is open for writing.
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        _flush(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(path: Path) -> None:
    if sys.platform == "win32":  # its file systems write names in order by themselves
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _flush(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FLUSH:
            raise
    finally:
        os.close(descriptor)


def _flush(descriptor: int) -> None:
    if sys.platform == "darwin":  # there fsync leaves it in the drive's cache
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)
