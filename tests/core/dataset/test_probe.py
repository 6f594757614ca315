"""Probing one file: what is damaged is found, what is not is not."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.dataset import probe as probe_module
from core.dataset.probe import probe, probe_bytes
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.reading import open_picture
from training_scripts.pictures.structure import PictureUnreadable


def _encoded(format_: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 80).convert(mode).save(buffer, format_, **options)
    return buffer.getvalue()


GOOD = {
    "baseline": _encoded("JPEG", quality=90),
    "progressive": _encoded("JPEG", progressive=True),
    "grey": _encoded("JPEG", "L"),
    "cmyk": _encoded("JPEG", "CMYK"),
    "commented": _encoded("JPEG", comment=b"x" * 70 + b"\xff\xd9" + b"y" * 70),
    "png": _encoded("PNG"),
    "palette": _encoded("PNG", "P"),
    "alpha": _encoded("PNG", "RGBA"),
    "webp": _encoded("WEBP"),
    "gif": _encoded("GIF", "P"),
    "bmp": _encoded("BMP"),
    "tiff": _encoded("TIFF"),
}
FORMATS = {"webp": "WebP", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF"} | dict.fromkeys(
    ("png", "palette", "alpha"), "PNG"
)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_picture_gives_its_size_format_and_hash(name: str) -> None:
    found = probe_bytes(GOOD[name])
    assert (found.fault, found.reason) == ("", "")
    assert (found.width, found.height) == (64, 48)
    assert found.format == FORMATS.get(name, "JPEG")
    assert found.sha256 == hashlib.sha256(GOOD[name]).hexdigest()


@pytest.mark.parametrize("name", ["baseline", "progressive", "grey", "png", "alpha"])
def test_usual_pictures_are_not_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "_decoded", lambda *_: pytest.fail("it was decoded"))
    assert not probe_bytes(GOOD[name]).fault


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(["baseline", "progressive", "grey", "commented", "png", "palette", "alpha"]), data=st.data()
)
def test_a_picture_cut_off_anywhere_is_found(name: str, data: st.DataObject) -> None:
    whole = GOOD[name]
    cut = whole[: data.draw(st.integers(1, len(whole) * 95 // 100))]  # the very last bytes hold no pixels
    found = probe_bytes(cut)
    assert found.fault == "unreadable"
    assert found.reason.endswith(".")


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(GOOD)), data=st.data())
def test_what_passes_can_be_read_and_what_does_not_cannot(name: str, data: st.DataObject) -> None:
    damaged = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        open_picture(bytes(damaged), edge=32)
        readable = True
    except PictureUnreadable:
        readable = False
    found = probe_bytes(bytes(damaged))
    if found.fault:
        assert not readable
    elif found.format != "JPEG":  # a JPEG has no checksums: one with a whole frame may still upset a decoder
        assert readable


def test_the_grey_tail_of_a_download_that_never_finished_is_found() -> None:
    whole = GOOD["baseline"]
    found = probe_bytes(whole[: len(whole) // 2] + b"\0" * (len(whole) // 2))
    assert found.fault == "unreadable"
    assert "cut off" in found.reason


def test_bytes_after_the_end_are_forgiven() -> None:
    found = probe_bytes(GOOD["baseline"] + b"\0" * 100)
    assert not found.fault
    assert (found.width, found.height) == (64, 48)


def test_a_wrong_checksum_is_found() -> None:
    data = bytearray(GOOD["png"])
    data[data.index(b"IDAT") + 20] ^= 0xFF
    assert probe_bytes(bytes(data)).fault == "unreadable"


def test_a_decompression_bomb_is_refused_unread() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    found = probe_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert found.fault == "too-large"
    assert "120 million" in found.reason


def test_files_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    assert probe(str(empty)).fault == "empty-file"
    missing = probe(str(tmp_path / "gone.jpg"))
    assert missing.fault == "no-access"
    assert not missing.lasting
    assert missing.reason == "The file is not there any more."


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "read_file", partial(read_file, limit=1000))
    big = tmp_path / "big.jpg"
    big.write_bytes(b"\xff\xd8\xff" + b"x" * 1000)
    assert probe(str(big)).fault == "too-large"
    assert probe(str(big)).sha256 == ""


def test_text_named_as_a_picture(picture_bytes: Callable[..., bytes]) -> None:
    found = probe_bytes(b"<html>404 Not Found</html>")
    assert found.fault == "unreadable"
    assert "not a picture" in found.reason
    assert not probe_bytes(picture_bytes(1)).fault
