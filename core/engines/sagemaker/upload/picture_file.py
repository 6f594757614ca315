"""The file of a picture just before it is sent: still a file, and still the picture that was scanned."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.errors import DatasetError
from core.translation import tr
from training_scripts.pictures.opening import open_file
from training_scripts.pictures.structure import PictureUnreadable


def compare(file: Path, sha256: str) -> None:
    """Make sure that a file is still the picture that was scanned."""
    check_regular(file)
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise gone(file, error) from error
    if found != sha256:
        raise changed(file)


def check_regular(file: Path) -> None:
    """Refuse what has become a pipe or a device since the scan: reading it would wait for ever."""
    try:
        open_file(file).close()
    except PictureUnreadable as error:
        raise DatasetError(
            tr("{file} cannot be read.").format(file=file), str(error), tr("Scan the dataset again.")
        ) from error


def gone(file: Path, error: OSError) -> DatasetError:
    """Return the error for a file that cannot be read any more."""
    return DatasetError(
        tr("{file} cannot be read.").format(file=file), f"{error.strerror or error}.", tr("Scan the dataset again.")
    )


def changed(file: Path) -> DatasetError:
    """Return the error for a file that is another picture now."""
    return DatasetError(
        tr("{name} has changed since the dataset was scanned.").format(name=file.name),
        tr("A dataset version stands for exactly the pictures it was made of."),
        tr("Scan the dataset again, then start the job again."),
    )
