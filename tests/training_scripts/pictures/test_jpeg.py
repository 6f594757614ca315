"""What the structure of a JPEG says, and damage that decoders pass over."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.training_scripts.pictures.drawn import encoded, lossless_jpeg, noisy
from training_scripts.pictures import jpeg
from training_scripts.pictures.reading import open_picture
from training_scripts.pictures.structure import PictureUnreadable, Structure

PICTURE = noisy((96, 80))
KINDS = {
    "baseline": {},
    "optimised": {"optimize": True},
    "full colour": {"subsampling": 0},
    "restarts": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
}


def of_many_scans(count: int) -> bytes:
    """A progressive JPEG that sends its first scan again and again."""
    whole = encoded(PICTURE, progressive=True)
    start = whole.index(b"\xff\xda")
    end = whole.index(b"\xff", whole.index(b"\xff\xc4", start))
    return whole[:end] + whole[start:end] * count + whole[end:]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_settled_without_decoding(kind: str, mode: str) -> None:
    found = jpeg.inspect(encoded(PICTURE.convert(mode), **KINDS[kind]))
    assert (found.width, found.height, found.settled, found.scalable) == (96, 80, True, True)
    assert (found.scans > 1) == (kind == "progressive")


@pytest.mark.parametrize("edge", [None, 8])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_half_a_picture_with_an_end_mark_is_cut_off(kind: str, mode: str, edge: int | None, share: float) -> None:
    whole = encoded(noisy((400, 300)).convert(mode), **KINDS[kind])
    complete = open_picture(whole, edge=edge)
    if (
        kind == "progressive" and share > 0.5 and mode != "CMYK"
    ):  # what is missing is the last bit of details, which nobody sees
        shown = np.asarray(open_picture(whole[: int(len(whole) * share)] + jpeg.END, edge=edge), int)
        assert np.abs(shown - np.asarray(complete, int)).mean() < 3
        return
    with pytest.raises(PictureUnreadable, match="cut off"):
        open_picture(whole[: int(len(whole) * share)] + jpeg.END, edge=edge)


def test_grey_pictures_are_not_taken_for_cut_off_ones() -> None:
    grey = Image.new("RGB", (200, 120), (128, 128, 128))
    assert open_picture(encoded(grey)).getpixel((199, 119)) == (128, 128, 128)
    on_grey = grey.copy()
    on_grey.paste(noisy((64, 64)), (10, 10))
    for options in KINDS.values():
        assert open_picture(encoded(on_grey, **options)).size == (200, 120)


def test_trailers_are_forgiven_and_downloads_of_zeros_are_not() -> None:
    whole = encoded(PICTURE)
    for trailer in (b"SEFT trailer" * 5 + bytes(100), bytes(500), b"\xff\xd9", whole):
        assert jpeg.inspect(whole + trailer).settled
        assert open_picture(whole + trailer).size == (96, 80)
    unfinished = whole[: len(whole) // 2] + bytes(len(whole) // 2)
    for read in (jpeg.inspect, open_picture):
        with pytest.raises(PictureUnreadable, match="its end is all zeros"):
            read(unfinished)


@pytest.mark.parametrize("length", [40, 512])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
def test_zeros_in_the_midst_of_the_pixels_are_damage(kind: str, mode: str, length: int) -> None:
    """As a disk gives back what it has lost; decoders show wrong pixels without a word."""
    damaged = bytearray(encoded(noisy((400, 300)).convert(mode), **KINDS[kind]))
    first = damaged.index(b"\xff\xda")
    # Of a progressive file the second scan, the first that has a table for coefficients.
    at = damaged.index(b"\xff\xda", first + 2) + 30 if kind == "progressive" else first + len(damaged) // 3
    damaged[at : at + length] = bytes(length)
    for read in (jpeg.inspect, jpeg.inspect, open_picture):  # the second time by the header that is known
        with pytest.raises(PictureUnreadable, match="a part of its pixels is zeros"):
            read(bytes(damaged))


def test_zeros_in_a_scan_that_makes_earlier_ones_finer_are_damage() -> None:
    grain = np.random.default_rng(0).normal(128, 12, (300, 400, 3)).clip(0, 255).astype(np.uint8)
    damaged = bytearray(encoded(Image.fromarray(grain), progressive=True, quality=88))
    scan = damaged.index(b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x21")  # brightness, from bit 2 to bit 1
    damaged[scan + 400 : scan + 440] = bytes(40)
    for read in (jpeg.inspect, open_picture):
        with pytest.raises(PictureUnreadable, match="a part of its pixels is zeros"):
            read(bytes(damaged))


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_that_stand_for_pixels_are_none(kind: str) -> None:
    plain = encoded(Image.new("RGB", (1600, 1200), (90, 90, 90)), **KINDS[kind])
    assert (bytes(32) in plain) == (kind != "restarts" and kind != "baseline" and kind != "full colour")
    stripes = Image.fromarray(np.tile(np.arange(0, 256, 2, dtype=np.uint8), (600, 10)))
    padded = encoded(PICTURE, **KINDS[kind])[:-2] + bytes(64) + jpeg.END
    for data in (plain, encoded(stripes, **KINDS[kind]), padded):
        assert jpeg.inspect(data).settled
        open_picture(data)


def test_thousands_of_scans_are_refused_at_once() -> None:
    assert open_picture(of_many_scans(50)).size == (96, 80)
    attack = of_many_scans(5000)
    began = time.thread_time()
    with pytest.raises(PictureUnreadable, match=r"made of 5,0\d\d passes, where at most 100 are read"):
        open_picture(attack)
    assert time.thread_time() - began < 0.5


def test_scans_in_a_comment_or_a_thumbnail_do_not_count() -> None:
    whole = encoded(PICTURE, progressive=True, comment=b"\xff\xda" * 200)
    assert jpeg.inspect(whole).settled
    assert jpeg.inspect(encoded(PICTURE, comment=b"\xff\xda" * 200)).settled


def test_lossless_files_are_left_to_the_decoder_and_never_scaled() -> None:
    values = np.asarray(PICTURE.convert("L").resize((640, 640)))
    data = lossless_jpeg(values)
    assert jpeg.inspect(data) == Structure(640, 640)
    assert np.array_equal(np.asarray(open_picture(data, edge=32))[..., 0], values)


@pytest.mark.parametrize("part", ["table", "quantisation", "component", "progression"])
def test_impossible_tables_are_not_settled(part: str) -> None:
    """Decoders refuse these, also where they stand before a later scan."""
    data = bytearray(encoded(PICTURE, progressive=part in ("table", "progression")))
    if part == "table":
        at = data.rfind(b"\xff\xc4") + 5
        data[at : at + 16] = b"\xff" * 16
    elif part == "quantisation":
        data[data.index(b"\xff\xdb") + 4] = 9
    elif part == "component":
        data[data.index(b"\xff\xda") + 5] = 77
    else:
        at = data.rfind(b"\xff\xda") + 4
        data[at + 1 + 2 * data[at]] = 70  # the first coefficient, of 63
    assert not jpeg.inspect(bytes(data)).settled
    with pytest.raises(PictureUnreadable):
        open_picture(bytes(data))


WHOLE = {kind: encoded(PICTURE, **options) for kind, options in KINDS.items()}


@settings(max_examples=int(os.environ.get("EXAMPLES", 300)), deadline=None)
@given(kind=st.sampled_from(sorted(WHOLE)), data=st.data())
def test_what_is_settled_can_be_decoded_whatever_was_done_to_its_headers(kind: str, data: st.DataObject) -> None:
    """Decoders may find fault with the pixels only: they are behind the last scan's header."""
    damaged = bytearray(WHOLE[kind])
    headers = WHOLE[kind].index(b"\xff\xda") + 8
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(2, headers))] = data.draw(st.integers(0, 255))
    try:
        settled = jpeg.inspect(bytes(damaged)).settled
    except PictureUnreadable:
        settled = False
    if settled:
        reason = ""
        try:
            open_picture(bytes(damaged))
        except PictureUnreadable as error:
            reason = str(error)
        # Fewer pixels than the header asks for now, or more than are read.
        assert not reason or "cut off" in reason or "too large" in reason
