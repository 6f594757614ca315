"""The feature store is append-only, and a crash leaves it whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from training_scripts import feature_store
from training_scripts.backbones import Preprocessing
from training_scripts.data import Samples
from training_scripts.feature_store import KEPT_KNOWN, FeatureStore, read_channel, write_channel
from training_scripts.job import Interruption, JobError
from training_scripts.unknown import KNOWN_FILE


def sha(number: int) -> str:
    return f"{number:064x}"


def rows(*numbers: int) -> np.ndarray:
    return np.array([[number, number + 0.5, -number] for number in numbers], dtype=np.float32)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    folder = tmp_path / "stores" / "key"
    folder.mkdir(parents=True)
    found = FeatureStore(folder, 3)
    found.append([sha(1), sha(2)], rows(1, 2))
    return found


def matrix(store: FeatureStore) -> np.ndarray:
    return np.fromfile(store.matrix_file, "<f4").reshape(-1, 3)


def test_rows_stay_where_they_are(store: FeatureStore) -> None:
    store.append([sha(3)], rows(3))
    for opened in (store, FeatureStore(store.folder, 3)):
        assert [opened.row(sha(number)) for number in (1, 2, 3, 4)] == [0, 1, 2, None]
        assert len(opened) == 3
        assert opened.row("") is None
    assert np.array_equal(matrix(store), rows(1, 2, 3))


@pytest.mark.parametrize(
    ("matrix_tail", "index_tail"), [(b"\1" * 5, b""), (b"\1" * 12, b""), (b"\1" * 12, b"\2" * 31), (b"", b"\2" * 7)]
)
def test_a_torn_tail_is_never_read_and_then_cut(matrix_tail: bytes, index_tail: bytes, store: FeatureStore) -> None:
    for file, tail in ((store.matrix_file, matrix_tail), (store.index_file, index_tail)):
        with file.open("ab") as opened:
            opened.write(tail)
    again = FeatureStore(store.folder, 3)
    assert (len(again), again.row(sha(2))) == (2, 1)
    again.repair()
    again.append([sha(9)], rows(9))
    assert np.array_equal(matrix(again), rows(1, 2, 9))
    assert FeatureStore(store.folder, 3).row(sha(9)) == 2


def spoil(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("file", ["matrix_file", "index_file"])
def test_a_damaged_row_is_computed_again_and_no_other(store: FeatureStore, file: str) -> None:
    """One bit in a row, or in its checksum: the row is forgotten, and a new one behind it counts from then on."""
    spoil(getattr(store, file), 12 if file == "matrix_file" else 36 + 33)
    again = FeatureStore(store.folder, 3)
    assert again.drop_damaged([sha(1), sha(2), sha(7)]) == 1
    assert (again.row(sha(1)), again.row(sha(2))) == (0, None)
    again.append([sha(2)], rows(2))
    for opened in (again, FeatureStore(store.folder, 3)):
        assert (opened.row(sha(1)), opened.row(sha(2))) == (0, 2)
        assert opened.drop_damaged([sha(1), sha(2)]) == 0


def samples(*numbers: int) -> Samples:
    labels = np.array([number % 2 for number in numbers], dtype=np.int64)
    paths = tuple(f"{number}.jpg" for number in numbers)
    return Samples(Path("/data"), ("even", "odd"), paths, labels, tuple(sha(number) for number in numbers), "v")


def channel(store: FeatureStore, folder: Path, **about: object) -> Path:
    about = {
        "backbone": "resnet18",
        "weights": "w",
        "classes": ["even", "odd"],
        "dataset_version": "v",
        "backbone_state": "b.pth",
        "preprocessing": Preprocessing().to_json(),
    } | about
    write_channel(folder, store, {"train": samples(2, 1, 2), "test": samples(1)}, about)
    return folder


def test_channel(store: FeatureStore, tmp_path: Path) -> None:
    found = read_channel(channel(store, tmp_path / "channel"))
    assert (found.backbone, found.classes, found.dim, found.dataset_version) == ("resnet18", ("even", "odd"), 3, "v")
    assert set(found.sets) == {"train", "test"}
    train = found.sets["train"]
    assert np.array_equal(train.matrix[train.rows], rows(2, 1, 2))
    assert train.labels.tolist() == [0, 1, 0]
    assert (train.paths, train.root) == (("2.jpg", "1.jpg", "2.jpg"), "/data")
    assert isinstance(train.matrix.parts[0].base, np.memmap)


def test_what_known_pictures_look_like_is_learned_once(store: FeatureStore, tmp_path: Path) -> None:
    first, second = (channel(store, tmp_path / name) / KNOWN_FILE for name in "ab")
    (kept,) = (store.folder / "known").glob("*.npz")
    assert first.stat().st_ino == second.stat().st_ino == kept.stat().st_ino
    whole = kept.read_bytes()
    kept.write_bytes(whole[:50])
    assert (channel(store, tmp_path / "c") / KNOWN_FILE).read_bytes() == whole
    with pytest.raises(JobError, match="damaged"):
        read_channel(tmp_path / "a")


def test_a_store_does_not_gather_what_was_known_of_every_set_of_pictures(store: FeatureStore, tmp_path: Path) -> None:
    store.append([sha(number) for number in range(3, 20)], rows(*range(3, 20)))
    about = {"preprocessing": Preprocessing().to_json()}
    for last in range(3, 20):
        write_channel(tmp_path / str(last), store, {"train": samples(1, 2, last)}, about)
    assert len(list((store.folder / "known").glob("*.npz"))) == KEPT_KNOWN
    assert all((tmp_path / str(last) / KNOWN_FILE).is_file() for last in range(3, 20))


def test_of_what_is_known_the_longest_unused_goes_first(store: FeatureStore, tmp_path: Path) -> None:
    store.append([sha(number) for number in range(3, 20)], rows(*range(3, 20)))
    about = {"preprocessing": Preprocessing().to_json()}
    write_channel(tmp_path / "first", store, {"train": samples(1, 2)}, about)
    (used,) = (store.folder / "known").glob("*.npz")
    for last in range(3, 20):
        os.utime(used, (last, last))
        write_channel(tmp_path / "again", store, {"train": samples(1, 2)}, about)
        write_channel(tmp_path / str(last), store, {"train": samples(1, 2, last)}, about)
    assert used.is_file()


def test_two_jobs_on_a_store_do_not_remove_each_others_file_of_what_is_known(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([sha(3)], rows(3))
    about = {"preprocessing": Preprocessing().to_json()}
    link = feature_store.same_file

    def two_more() -> None:
        write_channel(tmp_path / "b", store, {"train": samples(1, 2, 3)}, about)
        write_channel(tmp_path / "c", store, {"train": samples(2, 3)}, about)

    other = Thread(target=two_more)

    def slow(source: Path, target: Path, **how: bool) -> None:
        if target.parent.name == "a":
            os.utime(source, (0, 0))
            other.start()
            other.join(0.5)  # as long as it is held up, which is to be until this one has ended
        link(source, target, **how)

    monkeypatch.setattr(feature_store, "same_file", slow)
    monkeypatch.setattr(feature_store, "KEPT_KNOWN", 2)
    write_channel(tmp_path / "a", store, {"train": samples(2, 1, 2)}, about)
    other.join(30)
    assert (tmp_path / "a" / KNOWN_FILE).is_file()
    assert (tmp_path / "c" / KNOWN_FILE).is_file()


def test_writing_to_the_mapped_matrix_changes_no_file(store: FeatureStore, tmp_path: Path) -> None:
    train = read_channel(channel(store, tmp_path / "channel")).sets["train"]
    train.matrix.parts[0][0] = 99
    assert np.array_equal(matrix(store), rows(1, 2))


def test_a_channel_with_its_store_inside_can_be_moved(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    (folder / "stores" / "key").mkdir(parents=True)
    inside = FeatureStore(folder / "stores" / "key", 3)
    inside.append([sha(1), sha(2)], rows(1, 2))
    channel(inside, folder).rename(tmp_path / "there")
    train = read_channel(tmp_path / "there").sets["train"]
    assert np.array_equal(train.matrix[train.rows], rows(2, 1, 2))


def test_unusable_channels(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="cannot be used"):
        read_channel(tmp_path / "gone")
    folder = channel(store, tmp_path / "channel")
    np.save(folder / "train.rows.npy", np.array([0, 1, 7]))
    with pytest.raises(JobError, match="do not fit together"):
        read_channel(folder)
    store.matrix_file.unlink()
    with pytest.raises(JobError, match="cannot be used"):
        read_channel(folder)


@pytest.mark.parametrize("damaged", ["features.f32", "train.labels.npy", "train.pictures.json", "features.json"])
def test_a_channel_that_is_not_as_it_was_is_refused_and_can_be_made_again(
    damaged: str, store: FeatureStore, tmp_path: Path
) -> None:
    folder = channel(store, tmp_path / "channel")
    file = store.matrix_file if damaged == "features.f32" else folder / damaged
    content = file.read_bytes()
    # A label, a path, a class and a number that are as good as any other: no format would notice.
    at = {"features.f32": 12, "train.labels.npy": -8}.get(damaged, content.find(b"jpg") if b"jpg" in content else -1)
    at = content.find(b"even") if damaged == "features.json" else at
    spoil(file, at)
    with pytest.raises(Interruption, match="damaged on the disk"):
        read_channel(folder)


def test_features_json_names_what_was_computed(store: FeatureStore, tmp_path: Path) -> None:
    about = json.loads((channel(store, tmp_path / "channel") / "features.json").read_text(encoding="utf-8"))
    assert about["dtype"] == "float32"
    assert about["splits"] == {"train": 3, "test": 1}
    assert [(item["start"], item["rows"]) for item in about["matrices"]] == [(0, 2)]
    assert Path(about["matrices"][0]["file"]).is_file()
