"""The structure of PNG files (W3C PNG, third edition), and what of it the pixels need."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from training_scripts.pictures.structure import UNSETTLED, Structure

START = b"\x89PNG\r\n\x1a\n"
MAX_UNPACKED = 1 << 20
"""A colour profile or text that unpacks to more bytes is left away; decoders would refuse the whole picture."""

_CHUNK, _CHECKSUM = struct.Struct(">I4s"), struct.Struct(">I")
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_NEEDED = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND"))
_HELPFUL = frozenset((b"tRNS", b"iCCP", b"eXIf"))
# How a camera was held may also stand in a text: ImageMagick's copies of EXIF data, and XMP.
_TURNING_TEXTS = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")


def inspect(data: bytes) -> Structure:
    """Return what the chunks of a PNG say; settled where all that the pixels need is there with right checksums."""
    try:
        width, height, depth, colour, _, filters, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
        if data[8:16] != b"\0\0\0\rIHDR" or not (width and height) or depth not in _DEPTHS.get(colour, ()):
            return UNSETTLED
        known, kinds = Structure(width, height, deep=depth == 16), set()
        view, at, kind = memoryview(data), 8, b""
        while kind != b"IEND":  # as `_chunks`, which is slower: a scan does this for every file
            length, kind = _CHUNK.unpack_from(data, at)
            start, at = at + 4, at + 12 + length
            if kind not in _NEEDED:
                continue
            kinds.add(kind)
            if zlib.crc32(view[start : at - 4]) != _CHECKSUM.unpack_from(data, at - 4)[0]:
                return known  # damaged, and its decoder says how
        sound = {b"IDAT", b"IEND"} <= kinds and (colour != 3 or b"PLTE" in kinds) and not filters and interlaced < 2
    except (IndexError, struct.error):  # it ends in the middle of a chunk
        return UNSETTLED
    return known._replace(settled=sound)


def cleaned(data: bytes) -> bytes:
    """Return `data` without what the first picture's pixels do not need, where there is any of that.

    Long texts (prompts, workflows), animations and chunks with wrong checksums make decoders refuse pictures whose
    pixels are in order.
    """
    try:
        chunks = list(_chunks(data))
        kept = [(start, end) for kind, start, end in chunks if kind in _NEEDED or _helps(data, kind, start, end)]
    except (IndexError, struct.error):
        return data
    if len(kept) == len(chunks):
        return data
    return START + b"".join(data[start - 8 : end + 4] for start, end in kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk, and where its body begins and ends, up to IEND.

    Raises:
        struct.error: the file ends before.
    """
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        yield kind, at + 8, at + 8 + length
        at += 12 + length


def _helps(data: bytes, kind: bytes, start: int, end: int) -> bool:
    """Whether a chunk that a decoder can do without is sound, and says something about colours or orientation."""
    body = data[start:end] if kind in _HELPFUL or kind in (b"tEXt", b"zTXt", b"iTXt") else b""
    if not body or zlib.crc32(kind + body) != struct.unpack_from(">I", data, end)[0]:
        return False
    if kind == b"tRNS":
        return len(body) >= {0: 2, 2: 6}.get(data[25], 1)
    if kind == b"eXIf":
        return True
    _, _, rest = body.partition(b"\0")
    if kind == b"iCCP":
        return _unpacks(rest[1:])
    if not body.startswith(_TURNING_TEXTS) or len(body) > MAX_UNPACKED:
        return False
    if kind == b"zTXt":
        return _unpacks(rest[1:])
    # iTXt: compression flag and method, language, translated keyword, text
    return kind == b"tEXt" or rest[:1] == b"\0" or _unpacks(rest[2:].split(b"\0", 2)[-1])


def _unpacks(packed: bytes) -> bool:
    """Whether packed bytes can be unpacked, and to no more than decoders take."""
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed, MAX_UNPACKED - 1)
    except zlib.error:
        return False
    return unpacker.eof
