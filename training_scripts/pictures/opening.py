"""The one way to open files of pictures: regular files only, bounded, without waiting; no pixels, and no numpy."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from training_scripts.pictures.formats import HEAD_BYTES, SUFFIXES, PictureFormat, recognise
from training_scripts.pictures.limits import MAX_BYTES, TooLarge
from training_scripts.pictures.structure import PictureUnreadable

_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_CLOEXEC"):  # no system has all of them
    _FLAGS |= getattr(os, _name, 0)
_FOLDER = "This is a folder, not a picture."
_NOT_REGULAR = "This is a pipe, a socket or a device, not a file."


def open_file(path: Path | str) -> tuple[int, int]:
    """Return a file descriptor of a regular file, and its size; a pipe, a socket or a device is refused at once.

    Raises:
        PictureUnreadable: it is something else, or cannot be opened.
    """
    try:
        file = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise PictureUnreadable("The file is not there any more.") from None
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):
            raise PictureUnreadable(_NOT_REGULAR) from None
        if os.path.isdir(path):
            raise PictureUnreadable(_FOLDER) from None
        raise PictureUnreadable(
            f"The file cannot be read: {error.strerror or 'the system does not say why'}."
        ) from None
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        os.close(file)
        raise PictureUnreadable(_FOLDER if stat.S_ISDIR(status.st_mode) else _NOT_REGULAR)
    return file, status.st_size


def read_file(path: Path | str, limit: int = MAX_BYTES) -> bytes:
    """Return the whole content of a regular file.

    Raises:
        PictureUnreadable: see `open_file`; or it is larger than `limit` bytes.
    """
    file, expected = open_file(path)
    try:
        if expected > limit:
            raise TooLarge(f"The file is larger than {limit >> 20:,} MB.")
        data = os.read(file, expected + 1)
        if len(data) == expected:
            return data
        parts = [data]  # it grows as we read, or its file system hands it out in pieces
        while part := os.read(file, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    except OSError as error:
        raise PictureUnreadable(
            f"The file cannot be read: {error.strerror or 'the system does not say why'}."
        ) from None
    finally:
        os.close(file)


def read_head(path: Path | str) -> bytes:
    """Return the first bytes of a file, which tell its format; none where it cannot be read."""
    try:
        file, _ = open_file(path)
    except PictureUnreadable:
        return b""
    try:
        return os.read(file, HEAD_BYTES)
    except OSError:
        return b""
    finally:
        os.close(file)


def is_picture(path: Path | str) -> bool:
    """Whether a file is a picture of a format that is read, by its ending or else by its content."""
    if os.path.splitext(path)[1].lower() in SUFFIXES:
        return True
    return isinstance(recognise(read_head(path)), PictureFormat)
