"""Pictures that belong together are in one split, by when they were taken, by their names or by their folders."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from core.dataset import split
from core.dataset.records import KeepTogether, Picture, Scan
from core.dataset.together import keep_together


def scan_of(root: Path, names: list[str]) -> Scan:
    pictures = tuple(
        Picture(name, name.split("/")[0], None, 1, 8, 8, "JPEG", f"{number:064x}", 0)
        for number, name in enumerate(names)
    )
    return Scan(root, "classes", tuple(sorted({picture.label for picture in pictures})), pictures, (), ())


def groups(scan: Scan) -> set[frozenset[str]]:
    found: dict[str, set[str]] = {}
    for picture in scan.pictures:
        if picture.group is not None:
            found.setdefault(picture.group, set()).add(picture.path)
    return {frozenset(of) for of in found.values()}


FILMS = [f"{label}/zoo-{film}_{frame:03}.jpg" for label in ("cat", "dog") for film in "abcdefgh" for frame in range(5)]


def test_frames_of_a_film_are_never_in_two_splits(tmp_path: Path) -> None:
    scan = keep_together(scan_of(tmp_path, FILMS), KeepTogether.NAMES)
    assert len(groups(scan)) == 16
    for seed in range(5):
        manifest = split(scan, seed=seed)
        where: dict[str, set[str]] = {}
        for entry in manifest.pictures:
            where.setdefault(entry.path.rpartition("_")[0], set()).add(entry.split)
        assert all(len(splits) == 1 for splits in where.values())
        assert {entry.split for entry in manifest.pictures} == {"train", "valid", "test"}


def test_a_name_that_most_of_a_class_has_and_a_folder_that_is_the_class_keep_nothing_together(tmp_path: Path) -> None:
    scan = scan_of(tmp_path, [f"{label}/{label}.{number}.jpg" for label in ("cat", "dog") for number in range(20)])
    for how in (KeepTogether.NAMES, KeepTogether.FOLDERS, KeepTogether.GIVEN):
        assert keep_together(scan, how) == scan


def test_folders_below_the_classes_are_kept_together(tmp_path: Path) -> None:
    names = [f"{label}/{animal}/{number}.jpg" for label in ("cat", "dog") for animal in "xyz" for number in range(4)]
    found = groups(keep_together(scan_of(tmp_path, names), KeepTogether.FOLDERS))
    assert {len(of) for of in found} == {4}
    assert len(found) == 6


@pytest.mark.parametrize("how", [KeepTogether.SHOTS, KeepTogether.BOTH])
def test_shots_of_one_camera_within_a_minute_join_what_names_and_the_dataset_keep_together(
    tmp_path: Path, how: KeepTogether
) -> None:
    names = ["cat/p.jpg", "cat/q.jpg", "dog/r_1.jpg", "dog/r_2.jpg", "dog/s.jpg", "cat/t.jpg"]
    began = datetime(2026, 5, 1, 12)
    for name, seconds in zip(names, (0, 50, 100, None, 400, 430), strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        exif = Image.Exif()
        exif[272] = "Pocket"
        if seconds is not None:
            exif[306] = f"{began + timedelta(seconds=seconds):%Y:%m:%d %H:%M:%S}"
        Image.new("RGB", (8, 8)).save(tmp_path / name, exif=exif)
    found = groups(keep_together(scan_of(tmp_path, names), how))
    first = {"cat/p.jpg", "cat/q.jpg", "dog/r_1.jpg"} | ({"dog/r_2.jpg"} if how is KeepTogether.BOTH else set())
    assert found == {frozenset(first), frozenset({"dog/s.jpg", "cat/t.jpg"})}
