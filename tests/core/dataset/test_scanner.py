"""Scanning real folders: layouts, every kind of problem, the cache, cancelling."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.dataset import Picture, Problem, Scan, Severity, scan
from core.dataset import scanner as scanner_module
from core.dataset.probe import Probe, probe
from core.errors import Cancelled, DatasetError
from core.progress import CancelToken, Progress
from training_scripts.pictures.formats import FORMAT_NAMES

MakeDataset = Callable[..., Path]


def problem(result: Scan, kind: str) -> Problem:
    found = [p for p in result.problems if p.kind == kind]
    assert len(found) == 1, [(p.kind, p.message) for p in result.problems]
    return found[0]


def kinds(result: Scan) -> set[str]:
    return {p.kind for p in result.problems}


def settle(root: Path) -> None:
    """Make every file look as if it was written an hour ago."""
    then = time.time() - 3600
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_class_folders(make_dataset: MakeDataset) -> None:
    root = make_dataset({"dog": 20, "cat": 25})
    result = scan(root)
    assert result.layout == "classes"
    assert result.classes == ("cat", "dog")
    assert result.counts() == {"cat": {"": 25}, "dog": {"": 20}}
    assert result.problems == ()
    assert result.splits == ()
    first = result.pictures[0]
    assert (first.path, first.label, first.split) == ("cat/000.jpg", "cat", None)
    assert (first.width, first.height, first.format) == (24, 16, "JPEG")
    assert first.size == (root / "cat/000.jpg").stat().st_size
    assert result.smallest_and_largest() == ((24, 16), (24, 16))
    assert result.total_bytes == sum(p.stat().st_size for p in root.rglob("*.jpg"))


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [
        ("train", "valid", "test"),
        ("Training", "VAL", "Testing"),
        ("train", "validation", "holdout"),
        ("trn", "dev", "eval"),
    ],
)
def test_split_folders_by_their_usual_names(make_dataset: MakeDataset, train: str, valid: str, test: str) -> None:
    folders = {train: 20, valid: 5, test: 6}
    result = scan(make_dataset({f"{split}/{label}": n for split, n in folders.items() for label in ("a", "b")}))
    assert result.layout == "splits"
    assert result.counts() == {label: {"train": 20, "valid": 5, "test": 6} for label in ("a", "b")}
    assert result.splits == ("train", "valid", "test")
    assert result.problems == ()


def test_classes_that_are_named_like_splits(make_dataset: MakeDataset) -> None:
    result = scan(make_dataset({"train": 3, "plane": 3, "car": 3}))
    assert result.layout == "classes"
    assert result.classes == ("car", "plane", "train")
    nested = scan(make_dataset({"train/steam": 3, "plane": 3, "car": 3}, name="nested"))
    assert nested.classes == ("car", "plane", "train")


def test_an_archive_that_unpacked_into_a_folder_of_its_own(make_dataset: MakeDataset, tmp_path: Path) -> None:
    make_dataset({"outer/inner/cat": 2, "outer/inner/dog": 2}, name="download")
    result = scan(tmp_path / "download")
    assert result.root == tmp_path / "download" / "outer" / "inner"
    assert result.classes == ("cat", "dog")


def test_names_with_spaces_and_of_every_script(make_dataset: MakeDataset) -> None:
    root = make_dataset({"grüne Äpfel": 2, "猫": 2, "'quoted' & 100%": 2})
    (root / "猫" / "000.jpg").rename(root / "猫" / "a b\u00a0ç🐈.JPEG")
    result = scan(root)
    assert result.classes == ("'quoted' & 100%", "grüne Äpfel", "猫")
    assert "猫/a b\u00a0ç🐈.JPEG" in {p.path for p in result.pictures}


def test_bad_files_are_left_out_and_named(make_dataset: MakeDataset, picture_bytes: Callable[..., bytes]) -> None:
    root = make_dataset({"cat": 20, "dog": 20})
    whole = (root / "cat/000.jpg").read_bytes()
    (root / "cat/000.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "cat/001.jpg").write_bytes(b"")
    (root / "dog/002.jpg").write_bytes(b"<html>")
    png = picture_bytes(99, "PNG")
    (root / "dog/003.png").write_bytes(png[:-40])
    result = scan(root)
    assert result.unreadable == ("cat/000.jpg", "cat/001.jpg", "dog/002.jpg", "dog/003.png")
    assert len(result.pictures) == 37
    assert problem(result, "empty-file").paths == ("cat/001.jpg",)
    unreadable = [p for p in result.problems if p.kind == "unreadable"]
    assert sorted(path for p in unreadable for path in p.paths) == ["cat/000.jpg", "dog/002.jpg", "dog/003.png"]
    assert {p.severity for p in unreadable} == {Severity.ERROR}
    assert {p.message for p in unreadable} == {
        "2 pictures are left out (cut off: the file ends too early).",
        f"1 picture is left out (not a picture ({FORMAT_NAMES})).",
    }
    assert result.problems[0].severity is Severity.ERROR


def test_files_that_are_no_pictures_are_ignored(make_dataset: MakeDataset) -> None:
    root = make_dataset({"cat": 20, "dog": 20})
    for name in ("README.md", "cat/notes.txt", "cat/data.csv", ".hidden.jpg", "cat/.DS_Store", "cat/Thumbs.db"):
        (root / name).write_bytes(b"x")
    (root / ".cache").mkdir()
    (root / ".cache" / "x.jpg").write_bytes(b"x")
    (root / "dog" / "phone.HEIC").write_bytes(b"x")
    (root / "stray.jpg").write_bytes(b"x")
    result = scan(root)
    assert result.ignored == 3
    assert problem(result, "non-image").paths == ("README.md", "cat/data.csv", "cat/notes.txt")
    assert problem(result, "non-image").severity is Severity.INFO
    assert problem(result, "unsupported-format").paths == ("dog/phone.HEIC",)
    assert problem(result, "unsupported-format").fix == "To read HEIC: pip install pi-heif"
    assert problem(result, "no-class").paths == ("stray.jpg",)
    assert len(result.pictures) == 40
    assert kinds(result) == {"non-image", "unsupported-format", "no-class"}


def test_a_wrong_extension_is_told_and_read(make_dataset: MakeDataset, picture_bytes: Callable[..., bytes]) -> None:
    root = make_dataset({"cat": 20, "dog": 20})
    (root / "cat/extra.jpg").write_bytes(picture_bytes(77, "PNG"))
    result = scan(root)
    assert problem(result, "wrong-extension").paths == ("cat/extra.jpg",)
    assert next(p for p in result.pictures if p.path == "cat/extra.jpg").format == "PNG"


def test_empty_and_missing_classes(make_dataset: MakeDataset) -> None:
    root = make_dataset({"train/a": 20, "train/b": 20, "train/c": 0, "test/a": 2, "test/c": 0, "test/d": 2})
    result = scan(root)
    assert result.classes == ("a", "b", "d")
    assert problem(result, "empty-class").paths == ("test/c", "train/c")
    missing = {p.message: p.severity for p in result.problems if p.kind == "class-missing"}
    assert missing == {
        "The class b has no pictures in test: nothing is known of how well it does there.": Severity.WARNING,
        "The class d has no pictures in train: it cannot be learned.": Severity.ERROR,
    }


def test_few_and_uneven_classes(make_dataset: MakeDataset) -> None:
    result = scan(make_dataset({"a": 40, "b": 20, "c": 8}))
    few = problem(result, "too-few")
    assert few.paths == ("c",)
    assert "c (8)" in few.message
    uneven = problem(result, "imbalance")
    assert uneven.paths == ("a", "c")
    assert "40" in uneven.message


def test_class_names_that_clash(make_dataset: MakeDataset) -> None:
    root = make_dataset({"Cat": 20, "dog": 20, "cat": 3})
    if len(os.listdir(root)) != 3:
        pytest.skip("this file system knows no case")
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    make_dataset({composed: 20, decomposed: 3}, first=500)
    clashes = {p.paths for p in scan(root).problems if p.kind == "name-clash"}
    assert clashes == {("Cat", "cat"), (decomposed, composed)}


def test_copies_within_a_class_across_classes_and_across_splits(make_dataset: MakeDataset) -> None:
    root = make_dataset({"train/a": 20, "train/b": 20, "test/a": 5, "test/b": 5})
    shutil.copy(root / "train/a/000.jpg", root / "train/a/copy.jpg")
    shutil.copy(root / "train/a/001.jpg", root / "train/b/other.jpg")
    shutil.copy(root / "train/a/002.jpg", root / "test/a/leak.jpg")
    result = scan(root)
    assert problem(result, "duplicate").paths == ("train/a/000.jpg", "train/a/copy.jpg")
    assert problem(result, "duplicate").severity is Severity.INFO
    assert problem(result, "contradiction").paths == ("train/a/001.jpg", "train/b/other.jpg")
    assert set(problem(result, "leak").paths) == {"test/a/leak.jpg", "train/a/002.jpg"}
    assert problem(result, "leak").severity is Severity.ERROR


def test_nested_folders_count_for_their_class(make_dataset: MakeDataset) -> None:
    result = scan(make_dataset({"cat": 10, "cat/more/deep": 10, "dog": 20}))
    assert result.counts() == {"cat": {"": 20}, "dog": {"": 20}}
    assert len(problem(result, "nested").paths) == 10


def test_a_folder_beside_the_splits_is_left_out(make_dataset: MakeDataset) -> None:
    result = scan(make_dataset({"train/a": 20, "train/b": 20, "valid/a": 3, "valid/b": 3, "backup/a": 4}))
    assert problem(result, "beside-splits").paths == ("backup",)
    assert len(result.pictures) == 46


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_loops_and_links_to_nowhere(make_dataset: MakeDataset, tmp_path: Path) -> None:
    root = make_dataset({"cat": 20, "dog": 19})
    outside = make_dataset({"bird": 20}, name="elsewhere", first=900) / "bird"
    (root / "bird").symlink_to(outside, target_is_directory=True)
    (root / "dog" / "linked.jpg").symlink_to(outside / "000.jpg")
    (root / "cat" / "up").symlink_to(root, target_is_directory=True)
    (root / "cat" / "self").symlink_to(root / "cat", target_is_directory=True)
    (root / "again").symlink_to(root, target_is_directory=True)
    (root / "cat" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    result = scan(root)
    assert problem(result, "symlink-loop").paths == ("again", "cat/self", "cat/up")
    assert problem(result, "broken-link").paths == ("cat/gone.jpg",)
    assert result.counts() == {"bird": {"": 20}, "cat": {"": 20}, "dog": {"": 20}}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_no_text_are_left_out(make_dataset: MakeDataset) -> None:
    root = make_dataset({"cat": 20, "dog": 20})
    try:
        shutil.copy(root / "cat/000.jpg", os.fsencode(root) + b"/cat/caf\xe9.jpg")
    except OSError:
        pytest.skip("this file system takes no such names")
    result = scan(root)
    assert problem(result, "bad-name").paths == ("cat/caf\\udce9.jpg",)
    assert len(result.pictures) == 40


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_named_as_a_picture_does_not_hang_the_scan(make_dataset: MakeDataset) -> None:
    root = make_dataset({"cat": 2, "dog": 2})
    os.mkfifo(root / "cat" / "pipe.jpg")
    assert problem(scan(root), "non-image").paths == ("cat/pipe.jpg",)


def test_files_and_folders_without_permission(unprivileged: Path, picture_bytes: Callable[..., bytes]) -> None:
    for number in range(6):
        folder = unprivileged / ("cat", "dog", "bird")[number % 3]
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(picture_bytes(number))
    (unprivileged / "cat" / "0.jpg").chmod(0)
    (unprivileged / "bird").chmod(0)
    try:
        result = scan(unprivileged)
    finally:
        (unprivileged / "bird").chmod(0o700)
    denied = sorted(path for p in result.problems if p.kind == "no-access" for path in p.paths)
    assert denied == ["bird", "cat/0.jpg"]
    assert result.counts() == {"cat": {"": 1}, "dog": {"": 2}}


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ({}, "no class folders"),
        ({"cat": 0, "dog": 0}, "hold no pictures"),
        ({"cat": 3}, "one class folder, cat"),
        ({"train/cat": 3, "test/cat": 1}, "one class folder, cat"),
        ({".": 4}, "4 pictures, but no folder per class"),
    ],
)
def test_nothing_to_train_on(make_dataset: MakeDataset, counts: dict[str, int], why: str) -> None:
    root = make_dataset(counts)
    root.mkdir(exist_ok=True)
    with pytest.raises(DatasetError, match="nothing to train on") as caught:
        scan(root)
    assert why in caught.value.why
    assert caught.value.fix.endswith(".")


def test_no_picture_can_be_read(make_dataset: MakeDataset) -> None:
    root = make_dataset({"cat": 2, "dog": 2})
    for path in root.rglob("*.jpg"):
        path.write_bytes(b"no")
    with pytest.raises(DatasetError, match="None of its 4 pictures can be read"):
        scan(root)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        scan(tmp_path / "gone")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DatasetError, match="It is a file"):
        scan(file)


def test_progress_and_pictures_come_as_they_are_found(make_dataset: MakeDataset) -> None:
    seen: list[Progress] = []
    found: list[Picture] = []

    def take(pictures: Sequence[Picture]) -> None:
        found.extend(pictures)

    result = scan(make_dataset({"cat": 100, "dog": 100}), on_progress=seen.append, on_found=take)
    assert sorted(found, key=lambda p: p.path) == list(result.pictures)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[-1].done, seen[-1].total) == (200, 200)
    assert len(seen) >= 4


def test_an_unchanged_file_is_not_read_twice(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = make_dataset({"cat": 20, "dog": 20}), tmp_path / "deep" / "cache.sqlite3"
    (root / "cat/000.jpg").write_bytes(b"broken")
    settle(root)
    first = scan(root, cache=cache)
    read: list[str] = []

    def spy(path: str) -> Probe:
        read.append(Path(path).relative_to(root).as_posix())
        return probe(path)

    monkeypatch.setattr(scanner_module, "probe", spy)
    second = scan(root, cache=cache)
    assert read == []
    assert (first.cached, second.cached) == (0, 40)
    assert (second.pictures, second.problems, second.unreadable) == (first.pictures, first.problems, first.unreadable)

    (root / "cat/001.jpg").unlink()
    shutil.copy(root / "dog/000.jpg", root / "dog/001.jpg")
    os.utime(root / "dog/002.jpg")
    third = scan(root, cache=cache)
    assert sorted(read) == ["dog/001.jpg", "dog/002.jpg"]
    assert problem(third, "duplicate").paths == ("dog/000.jpg", "dog/001.jpg")


def test_a_file_written_just_now_is_read_again(make_dataset: MakeDataset, tmp_path: Path) -> None:
    root, cache = make_dataset({"cat": 3, "dog": 3}), tmp_path / "cache.sqlite3"
    assert scan(root, cache=cache).cached == 0
    assert scan(root, cache=cache).cached == 0
    settle(root)
    scan(root, cache=cache)
    assert scan(root, cache=cache).cached == 6


def test_the_cache_forgets_what_is_gone_and_keeps_datasets_apart(make_dataset: MakeDataset, tmp_path: Path) -> None:
    cache = tmp_path / "cache.sqlite3"
    one, two = make_dataset({"cat": 3, "dog": 3}, "one"), make_dataset({"cat": 3, "dog": 3}, "two")
    for root in (one, two):
        settle(root)
        scan(root, cache=cache)
    (one / "cat/000.jpg").unlink()
    scan(one, cache=cache)
    with sqlite3.connect(cache) as database:
        rows = database.execute("SELECT root, count(*) FROM files GROUP BY root ORDER BY root").fetchall()
    database.close()
    assert rows == [(str(one), 5), (str(two), 6)]


@pytest.mark.parametrize("content", [b"this is no database, it only has its name" * 100, b""])
def test_a_damaged_cache_is_replaced(make_dataset: MakeDataset, tmp_path: Path, content: bytes) -> None:
    root, cache = make_dataset({"cat": 3, "dog": 3}), tmp_path / "cache.sqlite3"
    settle(root)
    cache.write_bytes(content)
    assert len(scan(root, cache=cache).pictures) == 6
    scan(root, cache=cache)
    assert scan(root, cache=cache).cached == 6


def test_a_cache_that_cannot_be_written_only_costs_time(make_dataset: MakeDataset, tmp_path: Path) -> None:
    root = make_dataset({"cat": 3, "dog": 3})
    settle(root)
    blocked = tmp_path / "file"
    blocked.touch()
    assert len(scan(root, cache=blocked / "cache.sqlite3").pictures) == 6


def test_cancel_stops_at_once_and_keeps_what_was_read(
    make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = make_dataset({"cat": 300, "dog": 300}), tmp_path / "cache.sqlite3"
    settle(root)
    cancel, read = CancelToken(), []

    def spy(path: str) -> Probe:
        read.append(path)
        return probe(path)

    monkeypatch.setattr(scanner_module, "probe", spy)
    with pytest.raises(Cancelled):
        scan(root, cache=cache, cancel=cancel, on_found=lambda _: cancel.cancel())
    assert 0 < len(read) < 600
    again = scan(root, cache=cache)
    assert again.cached > 0
    assert len(again.pictures) == 600


def test_cancelled_before_it_began(make_dataset: MakeDataset) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        scan(make_dataset({"cat": 3, "dog": 3}), cancel=cancel)
