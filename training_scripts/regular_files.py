"""Files from elsewhere are opened here: a pipe, a socket or a device would hold up whoever opens it."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

NOT_REGULAR = "it is a pipe, a socket or a device, not a file"
# Without waiting for whoever might write into a pipe; Windows knows neither, and needs to be told that it is no text.
_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_CLOEXEC"):
    _FLAGS |= getattr(os, _name, 0)


def open_regular(path: Path | str) -> BufferedReader:
    """Open a regular file for reading.

    Raises:
        OSError: it is something else, or cannot be opened.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):  # as a socket answers
            raise OSError(error.errno, NOT_REGULAR, str(path)) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, NOT_REGULAR, str(path))


def read_regular(path: Path | str) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: as above.
    """
    with open_regular(path) as file:
        return file.read()
