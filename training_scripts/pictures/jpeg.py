"""The structure of JPEG files (ITU-T T.81), as strictly as libjpeg takes it, and damage that decoders pass over."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from training_scripts.pictures.structure import UNSETTLED, PictureUnreadable, Structure

START, END = b"\xff\xd8\xff", b"\xff\xd9"
MAX_SCANS = 100
"""More scans than this are an attack: each costs a pass over the picture. libjpeg-turbo's own advice."""

_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), (0xC2, 0xCA)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))
_APART = frozenset((*range(0xE0, 0xF0), 0xFE))  # what programs note, and comments
_SEGMENT = struct.Struct(">BBH")
_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""The next marker among compressed pixels, where FF 00 stands for FF and restart markers belong to the pixels."""
_SIXTEEN = 0xF0
_AFTER_ZEROS = re.compile(rb"[^\0]")
_HEADER_BYTES, _KNOWN = 4096, 1024
_BLOCKS = 10
"""Of 8 x 8 pixels; an interleaved scan may send no more at a time."""
_ALL_SENT = dict.fromkeys(range(64), 0)
_ZEROS = bytes(32)
# Compressed pixels of no picture: without FF, which would begin a marker.
_FILLER = random.Random(0).randbytes(4096).replace(b"\xff", b"\0")


class _Unclear(Exception):
    """The structure is odd; only a decoder can tell."""


@dataclass(frozen=True, slots=True, eq=False)  # distinguished by identity, which is quick: `_read` keeps what it made
class _Tables:
    """What the scans of a file may refer to. `components` has by component the number of its quantisation table and its
    sampling factors; `codes` are the Huffman tables that are there: class (0 DC, 16 AC) + number, and `speaking` those
    whose code of zeros alone never comes often in a row, so that bytes of zeros are no pixels (see `_check_zeros`);
    `refining` are those of which that holds in a scan that makes earlier ones finer, too.
    """

    progressive: bool = False
    components: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    quantisation: frozenset[int] = frozenset()
    codes: frozenset[int] = frozenset()
    speaking: frozenset[int] = frozenset()
    refining: frozenset[int] = frozenset()


_NO_TABLES = _Tables()


@dataclass(slots=True)
class _Walk:
    """How far the markers have been followed, and what they have said."""

    frame: int = 0
    size: tuple[int, int] = (0, 0)
    size_at: int = 0
    scans: int = 0
    single: bool = False
    """Whether the first scan has it all; decoders look at no other then."""
    speaking: bool = False
    """Whether some table of that scan is a speaking one (`_Tables`)."""
    sent: dict[int, dict[int, int]] = field(default_factory=dict)
    """By component and coefficient, the lowest bit that a progressive file has sent so far."""


def inspect(data: bytes) -> Structure:
    """Return what the markers of a JPEG say.

    Raises:
        PictureUnreadable: it is cut off, or has more than `MAX_SCANS` scans.
    """
    header = _header(data)
    if header is not None and (speaking := _known_headers.get(header.key)) is not None:
        height, width = struct.unpack_from(">HH", data, header.size_at)
        if width and height:
            if speaking:
                _check_zeros(data, header.end)
            return Structure(width, height, settled=_ends(data, header.end), scalable=True)
    walk = _Walk()
    try:
        whole = _walk(data, walk)
    except (_Unclear, IndexError, struct.error):
        whole = False
    if walk.single:
        if header is not None and walk.size_at == header.size_at and len(_known_headers) < _KNOWN:
            _known_headers[header.key] = walk.speaking
        return Structure(*walk.size, settled=whole, scalable=True)
    if data.count(b"\xff\xda") > MAX_SCANS:  # quick; what it counts in a thumbnail or a comment is not a scan
        scans = sum(found.group() == b"\xff\xda" for found in _IN_SCAN.finditer(data, _pixels_at(data)))
        if scans > MAX_SCANS:
            raise PictureUnreadable(
                f"The picture is made of {scans:,} passes, where at most {MAX_SCANS} are read, as each takes its time."
            )
    if walk.frame not in (*_SEQUENTIAL, *_PROGRESSIVE):
        return Structure(*walk.size) if walk.frame else UNSETTLED
    return Structure(*walk.size, settled=whole, scalable=True, scans=max(1, walk.scans))


class _Header(NamedTuple):
    """What stands between a file's notes and its pixels: all but the size, where that stands, and where it ends."""

    key: bytes
    size_at: int
    end: int


_known_headers: dict[bytes, bool] = {}
"""Headers of files whose only scan was found to be in order: most files of a dataset share theirs with others. The
value is `_Walk.speaking`."""


def _header(data: bytes) -> _Header | None:
    """Return the header of a baseline file, found quickly; None where it is not where it usually is."""
    at = 2
    try:
        while data[at] == 0xFF and data[at + 1] in _APART:
            at += 2 + (data[at + 2] << 8 | data[at + 3])
        scan = data.find(b"\xff\xda", at, at + _HEADER_BYTES)
        size_at = data.find(b"\xff\xc0", at, max(scan, 0)) + 5
        if scan < 0 or size_at < 5:
            return None
        end = scan + 2 + (data[scan + 2] << 8 | data[scan + 3])
        return _Header(data[at:size_at] + data[size_at + 4 : end], size_at, end)
    except IndexError:
        return None


def _walk(data: bytes, walk: _Walk) -> bool:
    """Follow the markers into `walk`; returns whether the file is whole, its compressed pixels aside."""
    at, tables = 2, _NO_TABLES
    segments: list[tuple[int, bytes]] = []
    while True:
        lead, marker, length = _SEGMENT.unpack_from(data, at)
        if lead != 0xFF or marker in (0xD8, 0xD9):
            raise _Unclear
        if marker == 0xFF or marker in _BARE:  # a fill byte, or a marker alone
            at += 1 if marker == 0xFF else 2
            continue
        if length < 2:
            raise _Unclear
        start, at = at + 4, at + 2 + length
        if marker in _APART:
            continue
        body = data[start:at]
        if len(body) != length - 2:
            raise _Unclear
        if marker in _FRAMES:
            if walk.frame:
                raise _Unclear
            precision, height, width = struct.unpack_from(">BHH", body)
            walk.frame, walk.size, walk.size_at = marker, (width, height), start + 1
            body = b"%c%s" % (precision if width and height else 0, body[5:])
        segments.append((marker, body))
        if marker != 0xDA:
            continue
        tables = _read(tables, tuple(segments))
        segments.clear()
        walk.scans += 1
        speaking = _is_speaking(tables, body)
        if speaking:
            _check_zeros(data, at)
        if walk.scans == 1 and not tables.progressive and body[0] == len(tables.components):
            walk.single, walk.speaking = True, speaking
            return _ends(data, at)
        _note_sent(tables, body, walk)
        found = _IN_SCAN.search(data, at)
        while found is not None and found.group() == b"\xff\x01":
            found = _IN_SCAN.search(data, found.end())
        if found is None:
            return _ends(data, at)
        if found.group() == END:
            return _complete(tables, walk)
        at = found.start()


@lru_cache(maxsize=256)  # the files of one camera or program differ in their size and pixels only
def _read(tables: _Tables, segments: tuple[tuple[int, bytes], ...]) -> _Tables:
    """Return `tables` with what the segments before a scan, and its header, add; checked as libjpeg does."""
    for marker, body in segments:
        if marker in _FRAMES:
            tables = _frame(marker, body, tables)
        elif marker == 0xC4:
            made = _huffman(body)
            speaking = frozenset(kind for kind, symbols in made.items() if _speaks(symbols))
            refining = frozenset(kind for kind in speaking if made[kind][0] & 15 == 1 or made[kind][0] == _SIXTEEN)
            tables = replace(
                tables,
                codes=tables.codes | made.keys(),
                speaking=speaking | (tables.speaking - made.keys()),
                refining=refining | (tables.refining - made.keys()),
            )
        elif marker == 0xDB:
            tables = replace(tables, quantisation=tables.quantisation | _quantisation(body))
        elif marker == 0xDA:
            _scan(body, tables)
        elif marker != 0xDD or len(body) != 2:  # DNL, DAC, JPGn …
            raise _Unclear
    return tables


def _frame(marker: int, body: bytes, tables: _Tables) -> _Tables:
    precision, count, described = body[0], body[1], body[2:]
    if precision != 8 or marker not in (*_SEQUENTIAL, 0xC2) or count not in (1, 3, 4) or len(described) != 3 * count:
        raise _Unclear
    components = {}
    for identity, sampling, table in zip(described[::3], described[1::3], described[2::3], strict=True):
        if not (1 <= sampling >> 4 <= 4 and 1 <= sampling & 15 <= 4) or table > 3:
            raise _Unclear
        components[identity] = (table, sampling >> 4, sampling & 15)
    for axis in (1, 2):
        most = max(component[axis] for component in components.values())
        if any(most % component[axis] for component in components.values()):
            raise _Unclear
    if len(components) != count:
        raise _Unclear
    return replace(tables, progressive=marker in _PROGRESSIVE, components=MappingProxyType(components))


def _huffman(body: bytes) -> dict[int, bytes]:
    """Check Huffman tables as libjpeg does when it makes its own; returns their symbols, that of zeros alone first."""
    at, tables = 0, dict[int, bytes]()
    while at < len(body):
        kind, counts = body[at], body[at + 1 : at + 17]
        symbols = body[at + 17 : at + 17 + sum(counts)]
        if kind & 0xEC or len(counts) != 16 or len(symbols) != sum(counts) or len(symbols) > 256:
            raise _Unclear
        code = 0
        for bits, count in enumerate(counts, start=1):
            code += count
            if code >= 1 << bits:  # no code is all ones
                raise _Unclear
            code <<= 1
        if kind < 16 and max(symbols, default=0) > 15:
            raise _Unclear
        tables[kind] = symbols
        at += 17 + len(symbols)
    return tables


def _speaks(symbols: bytes) -> bool:
    """Whether a code of zeros alone never comes many times in a row: it is a coefficient, or 16 that are zero.

    The end of a block does; but a code that has the end of several blocks in one symbol has no need to.
    """
    first = symbols[:1]
    ends = sum(symbol & 15 == 0 and symbol != _SIXTEEN for symbol in symbols)
    return bool(first) and (first[0] & 15 > 0 or first[0] == _SIXTEEN or ends > 1)


def _quantisation(body: bytes) -> set[int]:
    at, tables = 0, set()
    while at < len(body):
        kind = body[at]
        at += 1 + (128 if kind >> 4 else 64)
        if kind >> 4 > 1 or kind & 15 > 3 or at > len(body):
            raise _Unclear
        tables.add(kind & 15)
    return tables


def _scan(body: bytes, tables: _Tables) -> None:
    """Check a scan's header against what came before it."""
    count = body[0]
    if not tables.components or len(body) != 4 + 2 * count or not 1 <= count <= 4:
        raise _Unclear
    chosen = dict(zip(body[1:-3:2], body[2:-3:2], strict=True))
    first, last, bits = body[-3:]
    if len(chosen) != count or not chosen.keys() <= tables.components.keys():
        raise _Unclear
    components = [tables.components[identity] for identity in chosen]
    if any(table not in tables.quantisation for table, _, _ in components):
        raise _Unclear
    if count > 1 and sum(across * down for _, across, down in components) > _BLOCKS:
        raise _Unclear
    high, low = bits >> 4, bits & 15
    needed: set[int] = set()
    if not tables.progressive:
        needed = {code for both in chosen.values() for code in (both >> 4, 16 + (both & 15))}
    elif (last if first == 0 else not (first <= last <= 63 and count == 1)) or low > 13 or (high and high != low + 1):
        raise _Unclear
    elif first:
        needed = {16 + (both & 15) for both in chosen.values()}
    elif not high:
        needed = {both >> 4 for both in chosen.values()}
    if not needed <= tables.codes:
        raise _Unclear


def _is_speaking(tables: _Tables, body: bytes) -> bool:
    """Whether a scan reads coefficients, several of each block, by a table that `_speaks`.

    A progressive scan that makes earlier ones finer has bits outside of the code, and may hold zeros for long; but no
    picture has coefficient after coefficient begin there, each with the same sign.
    """
    first, last, bits = body[-3:]
    if tables.progressive and (first == 0 or last - first < 4):
        return False
    kinds = tables.refining if tables.progressive and bits >> 4 else tables.speaking
    return any(16 + (both & 15) in kinds for both in body[2:-3:2])


def _check_zeros(data: bytes, at: int) -> None:
    """Refuse compressed pixels from `at` on that are zeros in their midst, as a disk gives back what it has lost.

    Where zeros alone are the code of a coefficient, that many of them would be blocks in which every coefficient is the
    same (of pixels that are alike the code is the end of a block). Zeros before a marker are padding, or a download
    that never finished, which is reported elsewhere.
    """
    found = data.find(_ZEROS, at)
    if found < 0:
        return
    after = _AFTER_ZEROS.search(data, found)
    marker = _IN_SCAN.search(data, at)
    if after is not None and (marker is None or found < marker.start()) and after.group() != b"\xff":
        raise PictureUnreadable("The picture is damaged: a part of its pixels is zeros.")


def _note_sent(tables: _Tables, body: bytes, walk: _Walk) -> None:
    """Note which coefficients of which components a scan brings, and to which bit."""
    first, last, bits = body[-3:]
    for identity in body[1:-3:2]:
        if tables.progressive:
            walk.sent.setdefault(identity, {}).update(dict.fromkeys(range(first, last + 1), bits & 15))
        else:
            walk.sent[identity] = _ALL_SENT


def _complete(tables: _Tables, walk: _Walk) -> bool:
    """Whether all scans are there; a progressive file that ends before its last ones shows too little everywhere."""
    for identity in tables.components:
        sent = walk.sent.get(identity, {})
        if len(sent) < 64 or any(sent.values()):
            raise PictureUnreadable("The picture is cut off: parts of it are missing before its end mark.")
    return True


def _ends(data: bytes, at: int) -> bool:
    """Whether compressed pixels that begin at `at` come to the end mark; whatever follows it is forgiven."""
    if data.endswith(END) or data.find(END, at) >= 0:
        return True
    if data.endswith(b"\0" * 64):
        # Decoders take the zeros of a download that never finished for pixels, all grey.
        raise PictureUnreadable("The picture is cut off: its end is all zeros.")
    return False


def _pixels_at(data: bytes) -> int:
    """Return where the first scan's header begins, by the lengths of what comes before; the start if they are odd."""
    at = 2
    try:
        while data[at] == 0xFF:
            marker = data[at + 1]
            if marker == 0xDA:
                return at
            at += 1 if marker == 0xFF else 2 if marker in _BARE else 2 + struct.unpack_from(">H", data, at + 2)[0]
    except (IndexError, struct.error):
        pass
    return 2


def filled(data: bytes) -> bytes | None:
    """Return `data` with more compressed pixels before its end mark; None where it has several scans, or no end.

    A decoder that lacks pixels makes them grey without a word, and takes these instead; one that has all its pixels
    passes over them. So a picture that comes out otherwise is cut off, whatever its end says.
    """
    start = _pixels_at(data)
    end = data.find(END, start)
    if end < 0 or data.count(b"\xff\xda", start, end) != 1:
        return None
    return data[:end] + _FILLER + END
