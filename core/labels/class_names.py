"""Which names a class may have."""

from __future__ import annotations

import re
import unicodedata

from core.errors import DatasetError
from core.formats.records import split_of
from core.formats.unlabelled import FOLDERS as UNLABELLED_FOLDERS
from core.translation import tr

_WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)


def check_class_name(name: str) -> str:
    """Return the name of a class as it is kept: one that can be the name of a folder on every system.

    Raises:
        DatasetError: it cannot.
    """
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned or cleaned.strip(".") == "" or len(cleaned.encode("utf-8", "replace")) > 200:
        raise DatasetError(
            tr("{name!r} is not a name for a class.").format(name=name),
            tr("It is empty or too long."),
            tr("Choose another name."),
        )
    wrong = sorted({sign for sign in cleaned if sign in '/\\:*?"<>|' or not sign.isprintable()})
    if wrong or cleaned.startswith(".") or cleaned.endswith("."):
        why = tr("A folder cannot be called so on every system ({repr}).").format(
            repr=" ".join(map(repr, wrong)) or tr("a dot at its end")
        )
        raise DatasetError(tr("{name!r} is not a name for a class.").format(name=name), why, tr("Choose another name."))
    if why := _means_otherwise(cleaned):
        raise DatasetError(tr("{name!r} is not a name for a class.").format(name=name), why, tr("Choose another name."))
    return cleaned


def _means_otherwise(name: str) -> str:
    """Return what a folder of this name would be taken for in place of a class; "" where it is a class."""
    if _WINDOWS_DEVICE.fullmatch(name.partition(".")[0].rstrip()):
        return tr("On Windows it is the name of a device, and no folder can be called so.")
    if name.casefold() in UNLABELLED_FOLDERS:
        return tr("A folder called so holds pictures without a class.")
    if split_of(name):
        return tr("A folder called so is read as a split.")
    return ""
