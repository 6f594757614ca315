"""The manifest: its version, its file, and the channels it writes."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dataset import Entry, Manifest, scan, split
from core.errors import DatasetError

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12)
entries = st.lists(
    st.builds(
        Entry,
        path=names,
        label=st.integers(0, 2),
        split=st.sampled_from(["train", "valid", "test"]),
        sha256=st.text("0123456789abcdef", min_size=8, max_size=8),
    ),
    max_size=30,
    unique_by=lambda entry: entry.path,
)


@settings(deadline=None)
@given(
    pictures=entries,
    order=st.randoms(use_true_random=False),
    classes=st.lists(names, min_size=3, max_size=3, unique=True),
)
def test_the_version_knows_content_only(pictures: list[Entry], order: random.Random, classes: list[str]) -> None:
    shuffled = [Entry(f"moved/{e.path}", e.label, e.split, e.sha256) for e in pictures]
    order.shuffle(shuffled)
    one = Manifest.build(Path("/one"), classes, pictures, seed=1)
    two = Manifest.build(Path("/two"), classes, shuffled, seed=2, fractions=(1.0, 0.0, 0.0))
    assert one.version == two.version
    assert len(one.version) == 16


@pytest.mark.parametrize(
    "changed", [Entry("a", 1, "train", "00"), Entry("a", 0, "test", "00"), Entry("a", 0, "train", "01"), None]
)
def test_whatever_changes_the_training_changes_the_version(changed: Entry | None) -> None:
    base = [Entry("a", 0, "train", "00"), Entry("b", 1, "train", "11")]
    other = [*([changed] if changed else []), base[1]]
    classes = ("cat", "dog")
    assert Manifest.build(Path("/x"), classes, base).version != Manifest.build(Path("/x"), classes, other).version
    assert Manifest.build(Path("/x"), classes, base).version != Manifest.build(Path("/x"), ("cat", "cow"), base).version


@settings(deadline=None)
@given(
    pictures=entries, classes=st.lists(names, min_size=3, max_size=3, unique=True), notices=st.lists(names, max_size=2)
)
def test_it_comes_back_from_its_file(
    tmp_path_factory: pytest.TempPathFactory, pictures: list[Entry], classes: list[str], notices: list[str]
) -> None:
    manifest = Manifest.build(Path("/data/Bilder 猫"), classes, pictures, 3, (0.6, 0.2, 0.2), notices)
    file = tmp_path_factory.mktemp("m") / "new" / "manifest.json"
    manifest.save(file)
    assert Manifest.load(file) == manifest
    assert [path.name for path in file.parent.iterdir()] == ["manifest.json"]


def test_it_knows_how_large_its_pictures_are(make_dataset: Callable[..., Path]) -> None:
    manifest = split(scan(make_dataset({"cat": 20, "dog": 20})))
    files = [manifest.path_of(entry) for entry in manifest.pictures]
    assert manifest.measure() == sum(file.stat().st_size for file in files) > 0
    files[0].unlink()
    assert manifest.measure() == sum(file.stat().st_size for file in files[1:])


def test_files_that_are_no_manifest(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    with pytest.raises(DatasetError, match="gone"):
        Manifest.load(file)
    manifest = Manifest.build(Path("/x"), ("a", "b"), [Entry("1", 0, "train", "00"), Entry("2", 1, "train", "11")])
    manifest.save(file)
    good = json.loads(file.read_text(encoding="utf-8"))
    for broken in (
        "{",
        "[]",
        json.dumps(good | {"format": 99}),
        json.dumps(good | {"version": "0" * 16}),
        json.dumps(good | {"pictures": [["1", 7, "train", "00"]]}),
        json.dumps({key: value for key, value in good.items() if key != "classes"}),
    ):
        file.write_text(broken, encoding="utf-8")
        with pytest.raises(DatasetError, match="cannot be read"):
            Manifest.load(file)


def test_the_channels_name_the_pictures_where_they_lie(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    root = make_dataset({"cat": 20, "dog": 20})
    manifest = split(scan(root))
    channels = manifest.channels(tmp_path / "channels")
    assert list(channels) == ["train", "valid", "test"]
    seen = []
    for name, folder in channels.items():
        data = json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))
        assert data["format"] == 1
        assert data["root"] == str(root)
        assert data["dataset_version"] == manifest.version
        assert data["classes"] == ["cat", "dog"]
        assert [p["path"] for p in data["pictures"]] == [e.path for e in manifest.of(name)]
        for picture in data["pictures"]:
            assert picture["path"].startswith(data["classes"][picture["label"]])
            assert (root / picture["path"]).is_file()
            seen.append(picture["path"])
    assert len(seen) == len(set(seen)) == 40
    assert manifest.path_of(manifest.pictures[0]) == root / "cat" / "000.jpg"


def test_a_split_without_pictures_is_no_channel(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    manifest = split(scan(make_dataset({"cat": 20, "dog": 20})), (0.8, 0.2, 0.0))
    assert list(manifest.channels(tmp_path / "c")) == ["train", "valid"]


def test_a_channel_that_is_right_already_is_not_touched(make_dataset: Callable[..., Path], tmp_path: Path) -> None:
    manifest = split(scan(make_dataset({"cat": 20, "dog": 20})))
    file = manifest.write_channel("train", tmp_path / "c") / "manifest.json"
    before = file.stat()
    manifest.write_channel("train", tmp_path / "c")
    assert file.stat().st_ino == before.st_ino
    assert file.stat().st_mtime_ns == before.st_mtime_ns


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "m.json"
    Manifest.build(Path("/x"), ("a",), [Entry("1", 0, "train", "00")]).save(file)
    before = file.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        Manifest.build(Path("/x"), ("a",), [Entry("1", 0, "train", "11")]).save(file)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]
