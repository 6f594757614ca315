"""What the structure of a PNG says, and pictures that decoders refuse for what has nothing to do with their pixels."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from tests.training_scripts.pictures.drawn import chunk, encoded, noisy, png
from training_scripts.pictures import png as structure
from training_scripts.pictures.reading import open_picture
from training_scripts.pictures.structure import PictureUnreadable

PIXELS = np.asarray(noisy((64, 48)))


def same_pixels(data: bytes) -> bool:
    return structure.inspect(data).settled and np.array_equal(np.asarray(open_picture(data)), PIXELS)


def test_a_megabyte_of_text_is_no_fault() -> None:
    for options in ({"zip": True}, {"zip": False}):
        texts = PngImagePlugin.PngInfo()
        texts.add_text("workflow", "abcdefgh" * 200_000, **options)
        texts.add_itxt("XML:com.adobe.xmp", "<x>" * 700_000, **options)
        data = encoded(Image.fromarray(PIXELS), "PNG", pnginfo=texts)
        assert same_pixels(data)


@pytest.mark.parametrize(
    "odd",
    [
        chunk(b"acTL", struct.pack(">II", 5, 0)) + chunk(b"fcTL", bytes(26)) + chunk(b"fdAT", b"\0\0\0\7pixels"),
        chunk(b"acTL", b""),
        chunk(b"gAMA", b"\1"),
        chunk(b"pHYs", b""),
        chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(2_000_000))),
        chunk(b"iCCP", b"name\0\0no profile"),
        chunk(b"tRNS", b"\1"),
        chunk(b"tEXt", b"comment\0text")[:-1] + b"!",
    ],
)
def test_odd_chunks_are_no_fault(odd: bytes) -> None:
    """Broken animations, and chunks that are too short, too long or damaged: the pixels are in order."""
    assert same_pixels(png(PIXELS, [odd]))


def test_what_helps_is_kept() -> None:
    clear = png(PIXELS, [chunk(b"tRNS", struct.pack(">HHH", *map(int, PIXELS[3, 5]))), chunk(b"tIME", bytes(7))])
    assert open_picture(clear).getpixel((5, 3)) == (255, 255, 255)
    turned = Image.Exif()
    turned[0x0112] = 6
    data = encoded(Image.fromarray(PIXELS), "PNG", exif=turned)
    assert open_picture(data[:33] + chunk(b"tEXt", b"comment\0text") + data[33:]).size == (48, 64)
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta tiff:Orientation="6"/>', zip=True)
    assert open_picture(encoded(Image.fromarray(PIXELS), "PNG", pnginfo=texts)).size == (48, 64)


def test_damage_is_found() -> None:
    data = bytearray(png(PIXELS))
    data[data.index(b"IDAT") + 20] ^= 0xFF
    assert not structure.inspect(bytes(data)).settled
    with pytest.raises(PictureUnreadable):
        open_picture(bytes(data))
    assert not structure.inspect(png(PIXELS)[:-30]).settled
    without = png(PIXELS).replace(chunk(b"IEND", b""), b"")
    assert not structure.inspect(without).settled


def test_depth() -> None:
    assert structure.inspect(png(PIXELS.astype(np.uint16))).deep
    assert not structure.inspect(png(PIXELS)).deep
