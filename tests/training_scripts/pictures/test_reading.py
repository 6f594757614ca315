"""Every usual kind of picture is read upright and as RGB; every unusable file is refused in one sentence."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training_scripts.backbones import Preprocessing
from training_scripts.pictures.formats import SUFFIXES
from training_scripts.pictures.limits import MAX_PIXELS, MAX_SIDE
from training_scripts.pictures.reading import open_picture
from training_scripts.pictures.structure import PictureUnreadable
from training_scripts.preprocess import framed


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def halves(mode: str = "RGB", size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, (220, 20, 20))
    image.paste((20, 20, 220), (size[0] // 2, 0, *size))
    return image.convert(mode)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats(kind: str) -> None:
    image = open_picture(encoded(halves(), kind))
    assert (image.mode, image.size) == ("RGB", (40, 20))
    red, blue = np.array(image.getpixel((5, 10))), np.array(image.getpixel((35, 10)))
    assert np.abs(red - (220, 20, 20)).max() < 30
    assert np.abs(blue - (20, 20, 220)).max() < 30


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("L", "JPEG"), ("P", "PNG"), ("1", "PNG"), ("YCbCr", "TIFF")]
)
def test_colour_modes(mode: str, kind: str) -> None:
    image = open_picture(encoded(halves(mode), kind))
    assert (image.mode, image.size) == ("RGB", (40, 20))
    if mode in ("CMYK", "P", "YCbCr"):
        assert image.getpixel((5, 10))[0] > 150 > 100 > image.getpixel((35, 10))[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation(orientation: int, kind: str) -> None:
    upright = halves(size=(64, 32))
    upright.paste((20, 220, 20), (0, 0, 32, 16))  # green in the upper left tells all eight apart
    stored = {
        1: lambda i: i,
        2: lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda i: i.transpose(Image.Transpose.ROTATE_180),
        4: lambda i: i.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda i: i.transpose(Image.Transpose.TRANSPOSE),
        6: lambda i: i.transpose(Image.Transpose.ROTATE_90),
        7: lambda i: i.transpose(Image.Transpose.TRANSVERSE),
        8: lambda i: i.transpose(Image.Transpose.ROTATE_270),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = open_picture(encoded(stored, kind, exif=exif))
    assert image.size == (64, 32)
    assert np.abs(np.asarray(image, int) - np.asarray(upright, int)).mean() < 12
    assert image.getexif().get(0x0112) is None  # nobody turns it a second time


def test_broken_exif_turns_nothing() -> None:
    assert open_picture(encoded(halves(), "JPEG", exif=b"Exif\0\0broken beyond repair")).size == (40, 20)


def test_transparency_is_white() -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    half = Image.new("LA", (8, 8), (0, 128))
    assert open_picture(encoded(clear, "PNG")).getpixel((4, 4)) == (255, 255, 255)
    assert open_picture(encoded(half, "PNG")).getpixel((4, 4)) == pytest.approx((127, 127, 127), abs=1)
    palette = halves("P")
    index = palette.getpixel((0, 0))
    assert open_picture(encoded(palette, "PNG", transparency=index)).getpixel((0, 0)) == (255, 255, 255)
    assert open_picture(encoded(palette, "GIF", transparency=index)).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_keeps_its_range(kind: str) -> None:
    ramp = Image.fromarray(np.linspace(0, 65535, 256, dtype=np.uint16)[None].repeat(4, 0))
    row = np.asarray(open_picture(encoded(ramp, kind)))[0, :, 0].astype(int)
    assert np.abs(row - np.arange(256)).max() <= 1


def test_float_and_32_bit() -> None:
    unit = Image.fromarray(np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(4, 0))
    wide = Image.fromarray(np.linspace(-1000, 100_000, 256).astype(np.int32)[None].repeat(4, 0))
    for image in (unit, wide):
        row = np.asarray(open_picture(encoded(image, "TIFF")))[0, :, 0].astype(int)
        assert np.abs(row - np.arange(256)).max() <= 1


def test_gif_first_frame() -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_picture(data).getpixel((5, 5)) == (255, 0, 0)


def test_sources_are_equal(tmp_path: Path) -> None:
    data = encoded(halves(), "PNG")
    file = tmp_path / "ein Bild é.png"
    file.write_bytes(data)
    with file.open("rb") as opened:
        results = [open_picture(file), open_picture(str(file)), open_picture(data), open_picture(opened)]
    assert len({result.tobytes() for result in results}) == 1
    assert file.suffix in SUFFIXES


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_off(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(PictureUnreadable) as caught:
        open_picture(data[: int(len(data) * share)])
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "the format EPS, which is not read"),
        (b"\xff\xd8\xff", "damaged"),
    ],
)
def test_not_a_picture(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(PictureUnreadable, match=words):
        open_picture(data)
    file = tmp_path / "picture.jpg"
    file.write_bytes(data)
    with pytest.raises(PictureUnreadable, match=words):
        open_picture(file)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureUnreadable, match="not there"):
        open_picture(tmp_path / "gone.jpg")
    with pytest.raises(PictureUnreadable, match="folder"):
        open_picture(tmp_path)


@pytest.mark.parametrize("size", [(30_000, 10), (10, 30_000), (11_500, 11_500)])
def test_too_large(size: tuple[int, int]) -> None:
    assert max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS
    with pytest.raises(PictureUnreadable, match=r"large|million"):
        open_picture(encoded(Image.new("1", size), "PNG"))


@pytest.mark.parametrize("size", [(1600, 1200), (803, 1207), (4000, 3000)])
def test_reduced_decoding_changes_little(size: tuple[int, int]) -> None:
    """What a network sees differs by 1 to 2 of 255 on average, even with these glaring colours.

    Sides that 2 does not divide make it 2: the reduced picture is then half a pixel larger.
    """
    random = np.random.default_rng(1)
    coarse = Image.fromarray(random.integers(0, 256, (size[1] // 40, size[0] // 40, 3), dtype=np.uint8))
    picture = coarse.resize(size, Image.Resampling.BICUBIC)
    data = encoded(picture, "JPEG", quality=90)
    full, reduced = open_picture(data), open_picture(data, edge=256)
    assert full.size == size
    assert 256 <= min(reduced.size) < min(size)
    preprocessing = Preprocessing()
    difference = np.abs(framed(full, preprocessing).astype(int) - framed(reduced, preprocessing))
    assert difference.mean() < 2.0
    assert np.percentile(difference, 99) <= 10


def test_small_pictures_are_never_reduced() -> None:
    data = encoded(halves(size=(380, 300)), "JPEG")
    assert open_picture(data, edge=256).size == (380, 300)


def test_many_threads() -> None:
    data = [encoded(halves(size=(40 + i, 20)), kind) for i in range(10) for kind in ("JPEG", "PNG", "WEBP", "TIFF")]
    expected = [open_picture(item).tobytes() for item in data]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda item: open_picture(item).tobytes(), data))
    assert found == expected
