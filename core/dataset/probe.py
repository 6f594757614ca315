"""Check one file: can it be read, how large is it, what is its content hash.

JPEG and PNG, which nearly every dataset is made of, are checked by their structure (markers and tables, end mark, PNG's
checksums) without decoding them. Whatever that leaves in doubt, and every other format, is decoded by the very
functions that training uses, so what passes here can be trained on. What damage within a JPEG's compressed pixels only
training finds is marked in the scan cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from core.translation import tr
from training_scripts.pictures.levels import Levels
from training_scripts.pictures.limits import TooLarge, check_size
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.reading import inspect, levels_in, open_picture, size_of
from training_scripts.pictures.structure import PictureUnreadable


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found in one file. `fault` is "" for a good picture, else a problem's kind, and `reason` one sentence.

    `width` and `height` in pixels as stored, `sha256` in hex; empty for files that could not be read at all. `levels`
    are the lowest and highest value of a picture with more than 8 bits a channel.
    """

    width: int = 0
    height: int = 0
    format: str = ""
    sha256: str = ""
    fault: str = ""
    reason: str = ""
    levels: Levels | None = None

    @property
    def lasting(self) -> bool:
        """Whether an unchanged file will be found the same again (permissions and disks come and go)."""
        return self.fault != "no-access"


def probe(path: str) -> Probe:
    """Read and check the file at `path`; never raises."""
    try:
        data = read_file(path)
    except TooLarge as error:
        return Probe(fault="too-large", reason=str(error))
    except PictureUnreadable as error:
        return Probe(fault="no-access", reason=str(error))
    if not data:
        return Probe(fault="empty-file", reason=tr("The file is empty (0 bytes)."))
    return probe_bytes(data)


def probe_bytes(data: bytes) -> Probe:
    """Check the content of one file; never raises."""
    sha256, format_ = hashlib.sha256(data).hexdigest(), ""
    try:
        found, structure = inspect(data)
        format_ = found.name
        size, levels = (structure.width, structure.height), None
        if structure.width:
            check_size(*size)
        if not structure.settled or structure.deep:
            size, levels = _decoded(data)
    except TooLarge as error:
        return Probe(sha256=sha256, format=format_, fault="too-large", reason=str(error))
    except PictureUnreadable as error:
        return Probe(sha256=sha256, format=format_, fault="unreadable", reason=str(error))
    return Probe(*size, format_, sha256, levels=levels)


def _decoded(data: bytes) -> tuple[tuple[int, int], Levels | None]:
    """Return the size as stored of a picture that was decoded in full, and the range of its values if it is deep."""
    levels = levels_in(data)
    if levels is None:
        open_picture(data, edge=32)
    return size_of(data, upright=False), levels
