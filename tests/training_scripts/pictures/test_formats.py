"""Formats are recognised by content, read, and named where they are not read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pylibjxl
import pytest
from PIL import Image

from tests.training_scripts.pictures.drawn import encoded, noisy
from training_scripts.pictures.formats import (
    FOREIGN,
    FORMATS,
    HEAD_BYTES,
    SUFFIXES,
    ForeignFormat,
    PictureFormat,
    recognise,
)
from training_scripts.pictures.opening import is_picture
from training_scripts.pictures.reading import open_picture, size_of
from training_scripts.pictures.structure import PictureUnreadable

PICTURE = noisy((64, 48))


def mpo() -> bytes:
    return encoded(PICTURE, "MPO", save_all=True, append_images=[noisy(seed=1)])


def apng() -> bytes:
    return encoded(PICTURE, "PNG", save_all=True, append_images=[noisy((64, 48), seed=1)])


FILES = {
    ".jpg": encoded(PICTURE, "JPEG", quality=95),
    ".mpo": mpo(),
    ".png": encoded(PICTURE, "PNG"),
    ".apng": apng(),
    ".webp": encoded(PICTURE, "WEBP", lossless=True),
    ".gif": encoded(PICTURE, "GIF"),
    ".bmp": encoded(PICTURE, "BMP"),
    ".dib": encoded(PICTURE, "DIB"),
    ".tif": encoded(PICTURE, "TIFF"),
    ".ppm": encoded(PICTURE, "PPM"),
    ".avif": encoded(PICTURE, "AVIF", quality=90),
    ".pgm": encoded(PICTURE.convert("L"), "PPM"),
    ".pbm": encoded(PICTURE.convert("1"), "PPM"),
}


@pytest.mark.parametrize("suffix", FILES)
def test_every_format_is_recognised_by_content_and_read(suffix: str, tmp_path: Path) -> None:
    data = FILES[suffix]
    found = recognise(data[:64])
    assert found in FORMATS
    assert suffix in found.suffixes
    shown = np.asarray(open_picture(data), int)
    assert shown.shape == (48, 64, 3)
    if suffix not in (".pgm", ".pbm"):
        assert np.abs(shown - np.asarray(PICTURE, int)).mean() < 8
    unnamed = tmp_path / "download"
    unnamed.write_bytes(data)
    assert is_picture(unnamed)


def test_the_registry_is_whole() -> None:
    assert len({format_.name for format_ in (*FORMATS, *FOREIGN)}) == len(FORMATS) + len(FOREIGN)
    assert not SUFFIXES & {suffix for foreign in FOREIGN for suffix in foreign.suffixes}
    assert all(format_.good_for.endswith(".") and format_.suffixes for format_ in FORMATS)
    assert {".jpg", ".mpo", ".apng", ".dib", ".ppm", ".pgm"} <= SUFFIXES


def test_a_format_that_a_package_reads_is_named_with_it() -> None:
    with pytest.raises(PictureUnreadable, match="HEIC, which is not read without the package pi-heif"):
        open_picture(b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(64))


def test_avif_by_its_compatible_brands() -> None:
    data = bytearray(FILES[".avif"])
    data[8:12] = b"mif1"
    found = recognise(bytes(data[:64]))
    assert found is not None
    assert found.name == "AVIF"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b'<?xml version="1.0"?>\n<svg xmlns=', "SVG"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"II\x2a\0\x10\0\0\0CR\2\0", "camera raw"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_formats_that_are_not_read_are_named(head: bytes, name: str) -> None:
    found = recognise(head)
    assert isinstance(found, ForeignFormat)
    assert found.name == name
    with pytest.raises(PictureUnreadable, match=f"of the format {name}, which is not read"):
        open_picture(head + bytes(100))


@pytest.mark.parametrize("text", [b"BM is a label", b"P1 is a patient", b"hello", b"", b"II*", b"GIF", b"\0\0\x08\3"])
def test_other_files_are_none(text: bytes, tmp_path: Path) -> None:
    assert recognise(text) is None
    (tmp_path / "file").write_bytes(text)
    assert not is_picture(tmp_path / "file")


def tiff_tags(samples: int, bits: int, number: int) -> bytes:
    """A TIFF header that says so many channels of so many bits of a kind of number."""
    image = Image.new("L", (4, 4))
    file = io.BytesIO()
    image.save(file, "TIFF", tiffinfo={339: number})
    data = bytearray(file.getvalue())
    entries = int.from_bytes(data[4:8], "little")
    for at in range(entries + 2, entries + 2 + 12 * int.from_bytes(data[entries : entries + 2], "little"), 12):
        tag = int.from_bytes(data[at : at + 2], "little")
        if tag in (258, 277):
            data[at + 8 : at + 10] = (bits if tag == 258 else samples).to_bytes(2, "little")
    return bytes(data)


def test_kinds_of_tiff_that_are_not_read_are_told() -> None:
    for samples, bits, number, words in (
        (1, 24, 1, "1 channel of 24-bit whole numbers"),
        (1, 64, 3, "1 channel of 64-bit floating-point numbers"),
    ):
        with pytest.raises(PictureUnreadable) as caught:
            open_picture(tiff_tags(samples, bits, number))
        assert str(caught.value) == f"The picture is a kind of TIFF that is not read: {words}."


@pytest.mark.parametrize("suffix", FILES)
def test_sentences_are_plain(suffix: str) -> None:
    """No word of Pillow's reaches anyone, whatever is wrong with a file."""
    random = np.random.default_rng(0)
    for _ in range(40):
        data = bytearray(FILES[suffix])
        start = int(random.integers(2, max(3, min(len(data), 300))))
        data[start : start + 8] = random.bytes(8)
        for damaged in (bytes(data), bytes(data[: int(random.integers(3, len(data)))])):
            try:
                open_picture(damaged)
            except PictureUnreadable as error:
                sentence = str(error)
                assert sentence.endswith(".")
                assert not any(word in sentence.lower() for word in ("pillow", "image", "decoder", "codec", "struct"))


def test_jpeg_xl_is_read_upright_once() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20, :30] = (200, 100, 50)
    turned = Image.Exif()
    turned[0x0112] = 6
    for data in (
        pylibjxl.encode(picture, lossless=True),
        pylibjxl.encode(picture, lossless=True, exif=turned.tobytes()),
    ):
        found = recognise(data[:HEAD_BYTES])
        assert isinstance(found, PictureFormat)
        assert found.name == "JPEG XL"
        assert np.array_equal(np.asarray(open_picture(data)), picture)
        assert size_of(data) == (60, 40)
        with pytest.raises(PictureUnreadable, match=r"cut off|damaged"):
            open_picture(data[: len(data) // 2])
