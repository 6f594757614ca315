from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from core.errors import Cancelled, PictureError
from core.predict.intake import gather
from core.progress import CancelToken


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/two.PNG", "a/one.jpg", "a/notes.txt", ".hidden/three.jpg", "a/.four.jpg", "b/deep/er/fünf 5.webp"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "pictures"


def _refusal(*items: Path | bytes | str) -> PictureError:
    intake = gather(items)
    assert intake.pictures == ()
    assert len(intake.refused) == 1
    return intake.refused[0]


def test_a_folder_gives_its_pictures_in_order_and_counts_the_rest(folder):
    intake = gather([folder])
    assert [picture.name for picture in intake.pictures] == ["a/one.jpg", "b/two.PNG", "b/deep/er/fünf 5.webp"]
    assert all(isinstance(p.source, Path) and p.source.is_file() for p in intake.pictures)
    assert intake.refused == ()
    assert intake.ignored == 1


def test_a_file_is_taken_whatever_its_suffix(folder):
    intake = gather([folder / "a" / "notes.txt"])
    assert [picture.name for picture in intake.pictures] == ["notes.txt"]


def test_bytes_and_addresses_of_files_and_data_are_pictures(folder):
    picture = folder / "b" / "deep" / "er" / "fünf 5.webp"
    data = "data:image/png;base64," + base64.b64encode(b"picture").decode()
    intake = gather([b"one", picture.as_uri(), data, "data:image/svg+xml,%3Csvg/%3E", b"two"])
    assert intake.refused == ()
    assert [p.source for p in intake.pictures] == [b"one", picture, b"picture", b"<svg/>", b"two"]
    assert intake.pictures[0].name == "Pasted picture"
    assert len({p.name for p in intake.pictures}) == 5


def test_one_bad_item_does_not_hide_the_others(folder):
    intake = gather([b"", folder / "a" / "one.jpg", folder / "gone.jpg"])
    assert [picture.name for picture in intake.pictures] == ["one.jpg"]
    assert len(intake.refused) == 2


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (b"", "empty"),
        ("https://example.org/cat.jpg", "Only the address of a picture on example.org"),
        ("data:text/html,<p>", "is not a picture"),
        ("data:image/png", "is not a picture"),
        ("just words", "piece of text"),
        (Path("/nowhere/at/all.jpg"), "all.jpg is not there"),
    ],
)
def test_each_refusal_says_what_happened_in_one_sentence(item, words):
    error = _refusal(item)
    assert words in error.what
    assert error.what.endswith(".")
    assert error.what.count(". ") == 0


def test_a_folder_without_pictures_says_so(tmp_path):
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    assert "has no pictures" in _refusal(tmp_path).what


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_loop_of_links_ends(folder):
    (folder / "a" / "loop").symlink_to(folder)
    assert len(gather([folder]).pictures) == 3


def test_cancel_stops_the_walk(folder):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        gather([folder], cancel=cancel)


def test_several_refusals_are_one_error(tmp_path):
    assert gather([]).error is None
    found = gather([tmp_path / "gone.jpg", tmp_path / "lost.jpg", tmp_path / "off.jpg"])
    assert found.error is not None
    assert found.error.what == found.refused[0].what
    assert "2 more items gave no picture either." in str(found.error)
