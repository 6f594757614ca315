"""What is written is read back the same: labels, splits and groups; and what a format cannot hold is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import Cancelled, DatasetError
from core.formats.records import Example, Listing
from core.formats.registry import FORMATS, format_named
from core.formats.writing import write_dataset
from core.progress import CancelToken
from tests.core.formats.drawn import listing, pictures

WRITTEN = [found for found in FORMATS if found.writer is not None]
ONE_LABEL = [found.name for found in WRITTEN if found.writer is not None and found.writer.one_label]
SEVERAL = [found.name for found in WRITTEN if found.writer is not None and not found.writer.one_label]
CLASSES = ("cat", "dog, small", "grüne Katze", "n02", "7")


def drawn(root: Path, splits: tuple[str | None, ...] = (None,), count: int = 3) -> Listing:
    """A dataset in which every class and split has a picture of each name."""
    examples = [
        Example(f"{split or 'all'}/{label}/{at}.jpg", frozenset((label,)), split)
        for split in splits
        for label in CLASSES
        for at in range(count)
    ]
    pictures(root, *(example.path for example in examples))
    for number, example in enumerate(examples):  # so that each is known again by its content
        with (root / example.path).open("ab") as file:
            file.write(str(number).encode())
    return Listing(root, examples=examples)


def content(found: Listing) -> dict[bytes, tuple[frozenset[str], str | None, str | None]]:
    """What is said of each picture, by its content."""
    said = {
        (found.root / example.path).read_bytes(): (example.labels, example.split, example.group)
        for example in found.examples
    }
    assert len(said) == len(found.examples)
    return said


@pytest.mark.parametrize("splits", [(None,), ("train", "valid", "test")], ids=["whole", "split"])
@pytest.mark.parametrize("name", [found.name for found in WRITTEN])
def test_round_trip(tmp_path: Path, name: str, splits: tuple[str | None, ...]) -> None:
    before = drawn(tmp_path / "in", splits)
    written = write_dataset(before, format_named(name), tmp_path / "out")
    assert (written.pictures, written.classes) == (len(before.examples), len(CLASSES))
    after = listing(tmp_path / "out")
    assert content(after) == content(before) or (name == "ultralytics" and splits == (None,))
    assert after.format == ("folders" if name == "ultralytics" else name)
    assert after.missing == []


@pytest.mark.parametrize("name", [found.name for found in WRITTEN])
def test_groups_come_back_or_are_said_to_be_missing(tmp_path: Path, name: str) -> None:
    before = drawn(tmp_path / "in", ("train", "valid", "test"))
    before.examples = [replace(example, group=f"site {number % 3}") for number, example in enumerate(before.examples)]
    written = write_dataset(before, format_named(name), tmp_path / "out")
    back = sum(bool(example.group) for example in listing(tmp_path / "out").examples)
    assert (back, written.ungrouped) in ((len(before.examples), 0), (0, len(before.examples)))


@pytest.mark.parametrize("name", SEVERAL)
def test_several_labels_and_none_come_back(tmp_path: Path, name: str) -> None:
    examples = [
        Example("1.jpg", frozenset(("a", "b"))),
        Example("2.jpg", frozenset(("a",))),
        Example("3.jpg", frozenset(("b",))),
        Example("4.jpg", frozenset()),
    ]
    root = pictures(tmp_path / "in", *(example.path for example in examples))
    write_dataset(Listing(root, examples=examples), format_named(name), tmp_path / "out")
    after = listing(tmp_path / "out")
    assert {os.path.basename(example.path): example.labels for example in after.examples} == {
        example.path: example.labels for example in examples
    }


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_groups_come_back(tmp_path: Path, name: str) -> None:
    before = Listing(
        pictures(tmp_path / "in", "1.jpg", "2.jpg"),
        examples=[Example("1.jpg", frozenset("a"), group="film 1"), Example("2.jpg", frozenset("b"))],
    )
    write_dataset(before, format_named(name), tmp_path / "out")
    assert [example.group for example in listing(tmp_path / "out").examples] == ["film 1", None]


@pytest.mark.parametrize("name", ONE_LABEL)
def test_a_format_of_one_label_refuses_several(tmp_path: Path, name: str) -> None:
    before = Listing(pictures(tmp_path / "in", "1.jpg"), examples=[Example("1.jpg", frozenset(("a", "b")))])
    with pytest.raises(DatasetError, match=r"1 picture has more than one label \(1.jpg\)"):
        write_dataset(before, format_named(name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("label", ["a/b", "..", ".hidden", " a"])
def test_a_class_that_is_no_name_of_a_folder_is_refused(tmp_path: Path, label: str) -> None:
    before = Listing(pictures(tmp_path / "in", "1.jpg"), examples=[Example("1.jpg", frozenset((label,)))])
    with pytest.raises(DatasetError, match="cannot be the name of a folder"):
        write_dataset(before, format_named("folders"), tmp_path / "out")
    write_dataset(before, format_named("jsonl"), tmp_path / "out")


def test_a_class_with_the_mark_that_divides_labels_is_refused_by_csv(tmp_path: Path) -> None:
    before = Listing(pictures(tmp_path / "in", "1.jpg"), examples=[Example("1.jpg", frozenset(("a|b",)))])
    with pytest.raises(DatasetError, match="mark in its name that divides labels"):
        write_dataset(before, format_named("csv"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    before = drawn(tmp_path / "in")
    with pytest.raises(DatasetError, match="is there already"):
        write_dataset(before, format_named("csv"), tmp_path / "in")


def test_a_cancelled_copy_leaves_nothing(tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        write_dataset(drawn(tmp_path / "in"), format_named("csv"), tmp_path / "out", cancel=cancel)
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_a_picture_that_is_gone_is_named(tmp_path: Path) -> None:
    before = drawn(tmp_path / "in")
    (before.root / before.examples[0].path).unlink()
    with pytest.raises(DatasetError, match="No such file"):
        write_dataset(before, format_named("csv"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_coco_has_the_sizes_of_the_pictures(tmp_path: Path) -> None:
    write_dataset(drawn(tmp_path / "in"), format_named("coco"), tmp_path / "out")
    data = json.loads((tmp_path / "out/annotations/instances_all.json").read_text(encoding="utf-8"))
    assert {(image["width"], image["height"]) for image in data["images"]} == {(24, 16)}
    assert [category["name"] for category in data["categories"]] == sorted(CLASSES)
