"""Encoded pictures that tests of several modules need, drawn and put together here."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """`image` as a file of that kind."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noisy(size: tuple[int, int] = (96, 64), seed: int = 0) -> Image.Image:
    """Coarse patches of colour with noise, so that no part of the picture is like another."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)).resize(size)
    return Image.fromarray(
        np.clip(np.asarray(coarse, int) + random.normal(0, 9, (*size[::-1], 3)), 0, 255).astype("u1")
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(values: NDArray[np.generic], between: Sequence[bytes] = ()) -> bytes:
    """(height, width[, channels]) uint8 or uint16 values as a PNG, with chunks of one's own after its header."""
    height, width = values.shape[:2]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[2] if values.ndim == 3 else 1]
    depth = 8 * values.dtype.itemsize
    rows = b"".join(b"\0" + row.tobytes() for row in values.astype(values.dtype.newbyteorder(">")))
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        *between,
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def lossless_jpeg(values: NDArray[np.uint8]) -> bytes:
    """(height, width) grey values as a lossless JPEG (T.81 annex H): each pixel's difference to its left neighbour."""
    height, width = values.shape
    signed = values.astype(int)
    predicted = np.empty_like(signed)
    predicted[:, 1:] = signed[:, :-1]
    predicted[1:, 0] = signed[:-1, 0]
    predicted[0, 0] = 128
    bits = []
    for difference in (signed - predicted).reshape(-1).tolist():
        size = abs(difference).bit_length()
        bits.append(f"{size:04b}")  # one code of 4 bits for each of the sizes 0 to 8
        if size:
            bits.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    pixels = bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")
    codes = bytes([0, 0, 0, 0, 9, *[0] * 12, *range(9)])

    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
    return (
        b"\xff\xd8"
        + segment(0xC4, codes)
        + segment(0xC3, frame)
        + segment(0xDA, b"\1\1\0\1\0\0")
        + pixels
        + b"\xff\xd9"
    )


def profile(primaries: Sequence[Sequence[float]], gamma: float) -> bytes:
    """A display profile (ICC v2): the XYZ (D50) of red, green and blue in columns, and one gamma for all."""

    def fixed(number: float) -> bytes:
        return struct.pack(">i", round(number * 65536))

    def xyz(numbers: Sequence[float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, numbers))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = (0.9642, 1.0, 0.8249)
    columns = [xyz([row[at] for row in primaries]) for at in range(3)]
    tags = [
        (b"desc", b"desc\0\0\0\0\0\0\0\5test\0" + bytes(78)),
        (b"cprt", b"text\0\0\0\0none\0"),
        (b"wtpt", xyz(white)),
    ]
    tags += list(zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True))
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, data, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, body in tags:
        body += bytes(-len(body) % 4)
        table += name + struct.pack(">II", start + len(data), len(body))
        data += body
    head = struct.pack(">I4sI4s4s4s", start + len(data), b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, white)) + bytes(48)
    return head + table + data


SRGB = ((0.4360, 0.3851, 0.1431), (0.2225, 0.7169, 0.0606), (0.0139, 0.0971, 0.7141))
ADOBE_RGB = ((0.6097, 0.2053, 0.1492), (0.3111, 0.6257, 0.0632), (0.0195, 0.0609, 0.7446))
DISPLAY_P3 = ((0.5151, 0.2920, 0.1571), (0.2412, 0.6922, 0.0666), (-0.0011, 0.0419, 0.7841))
PROPHOTO = ((0.7977, 0.1352, 0.0313), (0.2880, 0.7119, 0.0001), (0.0, 0.0, 0.8249))


def in_space(image: Image.Image, primaries: Sequence[Sequence[float]], gamma: float) -> Image.Image:
    """`image`, which is sRGB, with its colours written down in another space."""
    values = np.asarray(image) / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    other = np.clip(linear @ (np.linalg.inv(np.array(primaries)) @ np.array(SRGB)).T, 0, 1) ** (1 / gamma)
    return Image.fromarray((other * 255 + 0.5).astype(np.uint8))
