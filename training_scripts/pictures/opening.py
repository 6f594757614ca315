"""The one way to open files of pictures: regular files only, bounded, without waiting; no pixels, and no numpy."""

from __future__ import annotations

import os
from io import BufferedReader
from pathlib import Path

from training_scripts.pictures.formats import HEAD_BYTES, SUFFIXES, PictureFormat, recognise
from training_scripts.pictures.limits import MAX_BYTES, TooLarge
from training_scripts.pictures.structure import PictureUnreadable
from training_scripts.regular_files import open_regular


def open_file(path: Path | str) -> BufferedReader:
    """Open a regular file; a pipe, a socket or a device is refused at once.

    Raises:
        PictureUnreadable: it is something else, or cannot be opened.
    """
    try:
        return open_regular(path)
    except FileNotFoundError:
        raise PictureUnreadable("The file is not there any more.") from None
    except OSError as error:
        if os.path.isdir(path):
            raise PictureUnreadable("This is a folder, not a picture.") from None
        raise _unreadable(error) from None


def read_file(path: Path | str, limit: int = MAX_BYTES) -> bytes:
    """Return the whole content of a regular file.

    Raises:
        PictureUnreadable: see `open_file`; or it is larger than `limit` bytes.
    """
    with open_file(path) as opened:
        file = opened.fileno()
        expected = os.fstat(file).st_size
        if expected > limit:
            raise TooLarge(f"The file is larger than {limit >> 20:,} MB.")
        try:
            data = os.read(file, expected + 1)
            if len(data) == expected:
                return data
            parts = [data]  # it grows as we read, or its file system hands it out in pieces
            while part := os.read(file, 1 << 20):
                parts.append(part)
            return b"".join(parts)
        except OSError as error:
            raise _unreadable(error) from None


def read_head(path: Path | str) -> bytes:
    """Return the first bytes of a file, which tell its format; none where it cannot be read."""
    try:
        with open_file(path) as file:
            return os.read(file.fileno(), HEAD_BYTES)
    except (PictureUnreadable, OSError):
        return b""


def _unreadable(error: OSError) -> PictureUnreadable:
    return PictureUnreadable(f"The file cannot be read: {error.strerror or 'the system does not say why'}.")


def is_picture(path: Path | str) -> bool:
    """Whether a file is a picture of a format that is read, by its ending or else by its content."""
    if os.path.splitext(path)[1].lower() in SUFFIXES:
        return True
    return isinstance(recognise(read_head(path)), PictureFormat)
