"""Datasets of real life: scan and training agree on what is readable, and what is not read is named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.dataset import scan, split
from core.dataset.cache import ScanCache
from core.dataset.left_out import mark_left_out
from core.dataset.manifest import Manifest
from core.dataset.records import Problem, Scan, Severity
from core.errors import DatasetError
from tests.training_scripts.pictures.drawn import chunk, encoded, lossless_jpeg, noisy, png
from training_scripts.left_out import LeftOut, write_left_out
from training_scripts.pictures.reading import open_picture
from training_scripts.pictures.structure import PictureUnreadable

Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of six usual pictures."""
    root = tmp_path / "data"
    for label, first in (("cat", 0), ("dog", 100)):
        (root / label).mkdir(parents=True)
        for number in range(6):
            (root / label / f"{number}.jpg").write_bytes(encoded(noisy(seed=first + number)))
    return root


def add(root: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (root / name).write_bytes(data)


def named(found: Scan, kind: str) -> Problem:
    (problem,) = (problem for problem in found.problems if problem.kind == kind)
    return problem


def errors(found: Scan) -> list[Problem]:
    return [problem for problem in found.problems if problem.severity is Severity.ERROR]


def test_good_pictures_are_not_refused(root: Path) -> None:
    values = np.asarray(noisy(seed=900).convert("L"))
    add(
        root,
        {
            "cat/lossless.jpg": lossless_jpeg(values),
            "cat/phone.jpg": encoded(noisy(seed=901)) + b"SEFT trailer" * 5 + bytes(100),
            "cat/clip.dib": encoded(noisy(seed=902), "DIB"),
            "cat/stereo.mpo": encoded(noisy(seed=903), "MPO", save_all=True, append_images=[noisy(seed=904)]),
            "cat/moves.apng": encoded(noisy(seed=905), "PNG", save_all=True, append_images=[noisy(seed=906)]),
            "cat/sign.ppm": encoded(noisy(seed=907), "PPM"),
            "cat/face.pgm": encoded(noisy(seed=908).convert("L"), "PPM"),
            "cat/prompt.png": png(np.asarray(noisy(seed=909)), [chunk(b"tEXt", b"workflow\0" + b"x" * 2_000_000)]),
            "cat/odd.png": png(np.asarray(noisy(seed=910)), [chunk(b"acTL", b""), chunk(b"gAMA", b"")]),
        },
    )
    found = scan(root)
    assert len(found.pictures) == 12 + 9
    assert not errors(found)
    for picture in found.pictures:
        assert open_picture(root / picture.path, edge=64).size == (picture.width, picture.height)


def test_files_without_an_ending_are_recognised_by_content(root: Path) -> None:
    names = ("17", "17.jpg_large", "17.jpeg?w=640", "17.jpg.1")
    add(root, {f"dog/{name}": encoded(noisy(seed=200 + at)) for at, name in enumerate(names)})
    add(root, {"dog/README": b"Pictures of dogs.\n", "dog/list.txt": encoded(noisy(seed=300))})
    found = scan(root)
    assert {picture.path for picture in found.pictures} >= {f"dog/{name}" for name in names}
    assert named(found, "no-extension").paths == tuple(sorted(f"dog/{name}" for name in names))
    assert named(found, "non-image").paths == ("dog/README", "dog/list.txt")
    assert not errors(found)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0" + bytes(200)


def test_formats_that_are_not_read_are_named_with_their_count(root: Path) -> None:
    add(root, {"cat/a.heic": HEIC, "cat/b.HEIC": HEIC + b"2", "dog/c.svg": b"<svg></svg>", "dog/unnamed": HEIC + b"3"})
    add(root, {"dog/raw.nef": encoded(noisy(seed=400), "TIFF"), "dog/really.heic": encoded(noisy(seed=401))})
    found = scan(root)
    problem = named(found, "unsupported-format")
    assert problem.message == "5 pictures have a format that is not read (3 HEIC, 1 camera raw, 1 SVG)."
    assert "dog/really.heic" in {picture.path for picture in found.pictures}


def test_a_folder_of_a_format_that_is_not_read_does_not_hold_no_pictures(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for number in range(3):
            (tmp_path / label / f"{number}.heic").write_bytes(HEIC)
    with pytest.raises(DatasetError, match=r"6 pictures have a format that is not read \(6 HEIC\)"):
        scan(tmp_path)


def test_a_misnamed_picture_of_another_format_is_named(root: Path) -> None:
    add(root, {"cat/phone.jpg": HEIC})
    (problem,) = errors(scan(root))
    what = "a picture of the format HEIC, which is not read without the package pi-heif"
    assert problem.message == f"1 picture is left out ({what})."


def test_impossible_tables_of_a_later_scan_are_found_by_the_scan(root: Path) -> None:
    data = bytearray(encoded(noisy((400, 400)), progressive=True))
    at = data.rfind(b"\xff\xc4") + 5
    data[at : at + 16] = b"\xff" * 16
    add(root, {"cat/rot.jpg": bytes(data)})
    (problem,) = errors(scan(root))
    assert problem.paths == ("cat/rot.jpg",)


def test_what_only_training_can_find_is_marked_from_then_on(root: Path, tmp_path: Path) -> None:
    whole = encoded(noisy((400, 300)))
    add(root, {"cat/half.jpg": whole[: len(whole) // 2] + b"\xff\xd9"})
    cache, results = tmp_path / "scans.sqlite3", tmp_path / "results"
    first = scan(root, cache=cache)
    assert not errors(first)
    picture = next(picture for picture in first.pictures if picture.path == "cat/half.jpg")
    with pytest.raises(PictureUnreadable) as caught:
        open_picture(root / picture.path, edge=64)
    results.mkdir()
    gone = LeftOut("cat/0.jpg", "The file is not there any more.")
    write_left_out(results, {"train": [LeftOut(picture.path, str(caught.value), picture.sha256), gone]})
    mark_left_out(results, cache)
    shutil.copy(root / "cat/half.jpg", root / "dog/the same.jpg")  # by content, wherever it lies
    for _ in range(2):  # also from the cache
        marked = scan(root, cache=cache)
        (problem,) = errors(marked)
        assert problem.message == "2 pictures are left out (cut off: its lower part is missing)."
        assert problem.paths == ("cat/half.jpg", "dog/the same.jpg")
        assert len(marked.pictures) == 12
    (root / "cat/half.jpg").write_bytes(whole)
    (root / "dog/the same.jpg").unlink()
    assert not errors(scan(root, cache=cache))


def test_marks_of_a_job_without_any_are_none(tmp_path: Path) -> None:
    mark_left_out(tmp_path, tmp_path / "scans.sqlite3")
    (tmp_path / "left_out.json").write_text("{damaged")
    mark_left_out(tmp_path, tmp_path / "scans.sqlite3")
    assert ScanCache(tmp_path / "scans.sqlite3").undecodable() == {}
    assert ScanCache(None).undecodable() == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_special_files_stop_no_scan(root: Path) -> None:
    os.mkfifo(root / "cat/pipe.jpg")
    os.mkfifo(root / "cat/unnamed")
    (root / "cat/device.jpg").symlink_to("/dev/zero")
    found = scan(root)
    assert len(found.pictures) == 12
    assert named(found, "non-image").paths == ("cat/device.jpg", "cat/pipe.jpg", "cat/unnamed")


def test_wide_pictures_are_worth_a_warning_where_they_are_many(root: Path) -> None:
    add(root, {"cat/wide.jpg": encoded(noisy((480, 160)))})
    assert not [problem for problem in scan(root).problems if problem.kind == "wide"]
    add(root, {"dog/high.jpg": encoded(noisy((160, 480), seed=5))})
    problem = named(scan(root), "wide")
    assert problem.severity is Severity.WARNING
    assert problem.paths == ("cat/wide.jpg", "dog/high.jpg")
    assert problem.message.startswith("2 pictures of 14 are at least 2 times as long")
    assert "squash or pad" in problem.fix


def test_deep_pictures_have_one_scale_that_travels_with_the_dataset(root: Path, tmp_path: Path) -> None:
    for number in range(6):
        values = np.asarray(noisy(seed=number).convert("L")).astype(np.uint16) + 300
        (root / "cat" / f"{number}.jpg").unlink()
        add(root, {f"cat/{number}.png": png(values)})
    cache = tmp_path / "scans.sqlite3"
    for _ in range(2):
        found = scan(root, cache=cache)
        deep = [picture for picture in found.pictures if picture.levels]
        assert [picture.label for picture in deep] == ["cat"] * 6
        manifest = split(found)
        assert manifest.levels is not None
        black, white = manifest.levels
        assert 300 <= black < 330
        assert 520 < white <= 555
        assert any(f"{black:g} is black and {white:g} white, for all" in notice for notice in manifest.notices)
    manifest.save(tmp_path / "manifest.json")
    assert Manifest.load(tmp_path / "manifest.json").levels == manifest.levels
    channel = manifest.write_channel("test", tmp_path / "test") / "manifest.json"
    assert json.loads(channel.read_text(encoding="utf-8"))["levels"] == [black, white]


def test_usual_pictures_have_no_scale(root: Path, tmp_path: Path) -> None:
    manifest = split(scan(root))
    assert manifest.levels is None
    data = json.loads((manifest.write_channel("train", tmp_path) / "manifest.json").read_text(encoding="utf-8"))
    assert data["levels"] is None
    earlier = replace(manifest)
    earlier.save(tmp_path / "saved.json")
    old = json.loads((tmp_path / "saved.json").read_text(encoding="utf-8"))
    del old["levels"]
    (tmp_path / "saved.json").write_text(json.dumps(old))
    assert Manifest.load(tmp_path / "saved.json") == manifest


def test_float_pictures_whose_level_is_the_class(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    for label, level in (("cold", 40), ("hot", 180)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(10):
            values = (level + random.normal(0, 12, (32, 32))).astype(np.float32)
            Image.fromarray(values).save(tmp_path / "data" / label / f"{number}.tif")
    manifest = split(scan(tmp_path / "data"))
    means = {
        label: np.asarray(open_picture(tmp_path / "data" / label / "0.tif", scale=manifest.levels)).mean()
        for label in ("cold", "hot")
    }
    assert means["hot"] - means["cold"] > 100
