"""Channel folders become samples, and items go through threads in order."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_scripts.data import Samples, batches, cores, in_threads, load_channel, load_channels
from training_scripts.job import JobError


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


def manifest(folder: Path, place: Path | str, **changes: object) -> Path:
    data = {
        "format": 1,
        "root": str(place),
        "dataset_version": "v1",
        "classes": ["a", "b"],
        "pictures": [
            {"path": "x/1.jpg", "label": 1, "sha256": "11" * 32},
            {"path": "2 é.png", "label": 0, "sha256": "22" * 32},
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(data | changes), encoding="utf-8")
    return folder


def test_class_folders(tmp_path: Path) -> None:
    touch(
        *(tmp_path / name for name in ("b/2.png", "b/1.JPG", "a/deep/er/x.webp", "a/notes.txt", ".hidden/1.jpg")),
        *(tmp_path / name for name in ("a/.DS_Store.jpg", "lone.jpg")),
    )
    samples = load_channel(tmp_path)
    assert samples.classes == ("a", "b")
    assert samples.paths == ("a/deep/er/x.webp", "b/1.JPG", "b/2.png")
    assert samples.labels.tolist() == [0, 1, 1]
    assert samples.file(0).is_file()
    assert set(samples.hashes) == {""}


def test_manifest(tmp_path: Path) -> None:
    touch(tmp_path / "data/x/1.jpg")
    samples = load_channel(manifest(tmp_path / "channel", tmp_path / "data"))
    assert (samples.classes, samples.paths, samples.dataset_version) == (("a", "b"), ("x/1.jpg", "2 é.png"), "v1")
    assert samples.labels.tolist() == [1, 0]
    assert samples.hashes == ("11" * 32, "22" * 32)
    assert samples.file(0) == tmp_path / "data/x/1.jpg"
    assert load_channel(manifest(tmp_path / "data", ".")).file(0).is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format 2"),
        ({"classes": ["a"]}, "labels that are not classes"),
        ({"pictures": [{"path": "x"}]}, "cannot be read"),
        ({"root": "/gone/for/good"}, "not there any more"),
    ],
)
def test_unusable_manifests(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=words):
        load_channel(manifest(tmp_path, tmp_path, **changes))


def test_a_manifest_that_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 1, "root"', encoding="utf-8")
    with pytest.raises(JobError, match="cannot be read"):
        load_channel(tmp_path)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="not there"):
        load_channel(tmp_path / "gone")


def test_channels_share_the_classes_of_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(*(tmp_path / name for name in ("train/a/1.jpg", "train/b/1.jpg", "train/c/1.jpg", "valid/c/9.jpg")))
    (tmp_path / "test").mkdir()
    loaded = load_channels({split: tmp_path / split for split in ("train", "valid", "test")})
    assert set(loaded) == {"train", "valid"}
    assert "test channel has no pictures" in capsys.readouterr().out
    assert loaded["valid"].classes == ("a", "b", "c")
    assert loaded["valid"].labels.tolist() == [2]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["valid/a/1.jpg"], "not there"),
        (["train/a/readme.txt", "train/b/readme.txt"], "no pictures to train on"),
        (["train/a/1.jpg", "train/a/2.jpg"], "all of one class"),
        (["train/a/1.jpg", "train/b/2.jpg", "valid/z/1.jpg"], "no train picture has: z"),
    ],
)
def test_channels_that_cannot_train(files: list[str], words: str, tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in files))
    with pytest.raises(JobError, match=words):
        load_channels({split: tmp_path / split for split in ("train", "valid") if split == "train" or len(files) > 2})


def test_no_train_channel() -> None:
    with pytest.raises(JobError, match="SM_CHANNEL_TRAIN"):
        load_channels({})


def test_without() -> None:
    samples = Samples(Path("/r"), ("a", "b"), ("1", "2", "3"), np.array([0, 1, 0]), ("x", "y", "z"), "v")
    rest = samples.without([1])
    assert (rest.paths, rest.labels.tolist(), rest.hashes, rest.dataset_version) == (
        ("1", "3"),
        [0, 0],
        ("x", "z"),
        "v",
    )
    assert samples.without([]) is samples


@given(st.integers(1, 200), st.integers(1, 70))
def test_batches_partition_the_order_and_never_end_with_one(count: int, size: int) -> None:
    order = np.random.default_rng(count).permutation(count)
    cut = batches(order, size)
    assert np.concatenate(cut).tolist() == order.tolist()
    assert all(len(batch) == size for batch in cut[:-1])
    assert len(cut[-1]) <= size + 1
    if size > 1 and count > 1:
        assert len(cut[-1]) > 1


def test_in_threads_keeps_order_and_stays_near_its_reader() -> None:
    started: list[int] = []
    lock = threading.Lock()

    def work(item: int) -> int:
        with lock:
            started.append(item)
        return item * item

    results = in_threads(work, range(100), threads=4, ahead=8)
    assert [next(results) for _ in range(10)] == [item * item for item in range(10)]
    assert max(started) < 10 + 8
    assert list(results) == [item * item for item in range(10, 100)]


def test_in_threads_passes_errors_on_and_ends_its_threads() -> None:
    before = threading.active_count()

    def work(item: int) -> float:
        return 1 / (3 - item)

    with pytest.raises(ZeroDivisionError):
        list(in_threads(work, range(100), threads=2, ahead=4))
    unread = in_threads(work, range(3), threads=2, ahead=2)
    next(unread)
    unread.close()
    assert threading.active_count() == before


def test_cores_respects_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_NUM_CPUS", "1")
    assert cores() == 1
    monkeypatch.setenv("SM_NUM_CPUS", "many")
    assert cores() >= 1
