"""Check one file: can it be read, how large is it, what is its content hash.

JPEG and PNG, which nearly every dataset is made of, are checked by their structure (header, end marker, PNG's
checksums) without decoding them. Whatever that leaves in doubt, and every other format, is decoded by the very
function that training uses, so what passes here can be trained on.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

from training_scripts.pictures import FORMATS, MAX_PIXELS, MAX_SIDE, PictureUnreadable, open_picture

MAX_BYTES = 1 << 30
"""A larger file is no picture that anybody trains on; it is not even read."""

_JPEG_END = b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PLAIN_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive; the others are left to the decoder
_BARE_MARKERS = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a length
_UNCLEAR_MARKERS = frozenset((*range(0xC4), *range(0xC5, 0xD0), 0xD8, 0xD9, 0xDA))  # rare coders, or no header at all


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found in one file. `fault` is "" for a good picture, else a problem's kind, and `reason` one sentence.

    `width` and `height` in pixels as stored, `sha256` in hex; empty for files that could not be read at all.
    """

    width: int = 0
    height: int = 0
    format: str = ""
    sha256: str = ""
    fault: str = ""
    reason: str = ""

    @property
    def lasting(self) -> bool:
        """Whether an unchanged file will be found the same again (permissions and disks come and go)."""
        return self.fault != "no-access"


def probe(path: str) -> Probe:
    """Read and check the file at `path`; never raises."""
    try:
        data = _read(path)
    except OSError as error:
        return Probe(fault="no-access", reason=f"The file cannot be read: {error.strerror or error}.")
    if data is None:
        return Probe(fault="too-large", reason=f"The file is larger than {MAX_BYTES >> 30} GiB.")
    if not data:
        return Probe(fault="empty-file", reason="The file is empty (0 bytes).")
    return probe_bytes(data)


def probe_bytes(data: bytes) -> Probe:
    """Check the content of one file; never raises."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        if data[:3] == b"\xff\xd8\xff":
            format_, size = "JPEG", _jpeg_size(data)
        elif data[:8] == _PNG_START:
            format_, size = "PNG", _png_size(data)
        else:
            format_, size = "", None
    except (IndexError, struct.error):  # ran off the end of a file that is cut off
        size = None
    if size is None:
        return _decoded(data, sha256)
    if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
        reason = f"The picture is too large: over {MAX_SIDE:,} pixels a side or {MAX_PIXELS // 10**6} million in all."
        return Probe(*size, format_, sha256, "too-large", reason)
    return Probe(*size, format_, sha256)


def _read(path: str) -> bytes | None:
    """The whole file, None if it is too large."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        expected = os.fstat(file).st_size
        if expected > MAX_BYTES:
            return None
        data = os.read(file, expected + 1)
        if len(data) == expected:
            return data
        parts = [data]  # it grows as we read, or its file system hands it out in pieces
        while part := os.read(file, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(file)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a JPEG that is complete, None if only a decoder can tell."""
    if not data.endswith(_JPEG_END):
        return None
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        elif marker in _PLAIN_FRAMES:
            precision, height, width, components = struct.unpack_from(">BHHB", data, at + 4)
            plain = precision == 8 and components in (1, 3, 4) and width and height
            return (width, height) if plain else None
        elif marker in _UNCLEAR_MARKERS:
            return None
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) of a PNG that is complete with all its checksums right, None if only a decoder can tell."""
    view, at, has_pixels = memoryview(data), 8, False
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if (
        data[12:16] != b"IHDR"
        or not (width and height)
        or depth not in (1, 2, 4, 8, 16)
        or colour not in (0, 2, 3, 4, 6)
    ):
        return None
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        (checksum,) = struct.unpack_from(">I", data, end)
        if zlib.crc32(view[at + 4 : end]) != checksum:
            return None
        has_pixels = has_pixels or kind == b"IDAT"
        if kind == b"IEND":
            return (width, height) if has_pixels else None
        at = end + 4


def _decoded(data: bytes, sha256: str) -> Probe:
    """What a full decode says."""
    if data.startswith(b"\xff\xd8") and not data.rstrip(b"\0").endswith(_JPEG_END) and data.endswith(b"\0" * 64):
        # Decoders take the zeros of a download that never finished for pixels, all grey.
        return Probe(sha256=sha256, fault="unreadable", reason="The picture is cut off: its end is all zeros.")
    try:
        open_picture(data, edge=32)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            format_ = "JPEG" if image.format == "MPO" else (image.format or "")
            return Probe(*image.size, format_, sha256)
    except PictureUnreadable as error:
        return Probe(sha256=sha256, fault="unreadable", reason=str(error))
