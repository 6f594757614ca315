"""Thumbnails: small, kept by content, safe in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from core.dataset import thumbnail
from training_scripts.pictures.structure import PictureUnreadable

SHA = "ab" * 32


def test_it_is_small_upright_and_keeps_its_shape(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    picture = Image.new("RGB", (800, 400), "red")
    picture.save(tmp_path / "a.jpg", exif=exif)
    small = thumbnail(tmp_path / "a.jpg", SHA, tmp_path / "cache")
    with Image.open(small) as image:
        assert image.size == (64, 128)
        assert image.format == "JPEG"
        red, green, blue = image.convert("RGB").getpixel((30, 60))
        assert red > 200
        assert max(green, blue) < 60


def test_transparency_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(tmp_path / "a.png")
    with Image.open(thumbnail(tmp_path / "a.png", SHA, tmp_path / "cache")) as image:
        assert image.size == (50, 50)
        assert image.convert("L").getextrema()[0] > 250


def test_the_same_content_is_read_once(tmp_path: Path) -> None:
    Image.new("RGB", (300, 300), "blue").save(tmp_path / "a.jpg")
    first = thumbnail(tmp_path / "a.jpg", SHA, tmp_path / "cache")
    (tmp_path / "a.jpg").unlink()
    assert thumbnail(tmp_path / "a.jpg", SHA, tmp_path / "cache") == first
    with pytest.raises(PictureUnreadable):
        thumbnail(tmp_path / "a.jpg", SHA, tmp_path / "cache", edge=64)


def test_many_at_once_make_one_file(tmp_path: Path) -> None:
    Image.effect_noise((600, 600), 50).save(tmp_path / "a.png")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: thumbnail(tmp_path / "a.png", SHA, tmp_path / "cache"), range(24)))
    assert len(set(made)) == 1
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [made[0]]
    with Image.open(made[0]) as image:
        image.load()


def test_a_broken_picture_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(PictureUnreadable):
        thumbnail(tmp_path / "a.jpg", SHA, tmp_path / "cache")
    assert not list(tmp_path.rglob("*.part"))
