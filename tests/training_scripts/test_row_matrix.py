"""Features in several files are one matrix to the bit; more of them than memory are read by blocks."""

from __future__ import annotations

import json
from argparse import Namespace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from training_scripts.backbones import Preprocessing
from training_scripts.data import Samples
from training_scripts.direct import known
from training_scripts.durable import seal, sealed, sha256_of
from training_scripts.feature_store import FeatureStore, read_channel, write_channel, write_lists
from training_scripts.job import Interruption, JobError
from training_scripts.row_matrix import MEMORY_MB, MatrixFile, memory_for_features
from training_scripts.sources import BLOCK_ROWS, FeatureSource, by_blocks, check_at_once

COUNT, DIM = 23, 5
VALUES = np.random.default_rng(0).standard_normal((COUNT, DIM), dtype=np.float32)
ABOUT = {
    "backbone": "resnet18",
    "weights": "w",
    "classes": ["a", "b"],
    "dataset_version": "v",
    "backbone_state": "b.pth",
    "preprocessing": Preprocessing().to_json(),
}


def samples() -> Samples:
    labels = np.arange(COUNT, dtype=np.int64) % 2
    names = tuple(f"{number}.jpg" for number in range(COUNT))
    return Samples(Path("/data"), ("a", "b"), names, labels, tuple(f"{number:064x}" for number in range(COUNT)), "v")


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A channel whose features are in one file."""
    (tmp_path / "store").mkdir()
    store = FeatureStore(tmp_path / "store", DIM)
    store.append(samples().hashes, VALUES)
    write_channel(tmp_path / "one", store, {"train": samples()}, ABOUT)
    return tmp_path / "one"


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """The same in three files, whose rows are in another order; one of them has none."""
    folder, order = tmp_path / "several", np.random.default_rng(1).permutation(COUNT)
    files, start = [], 0
    for number, rows in enumerate((order[:7], order[:0], order[7:])):
        file = folder / "parts" / f"{number}.f32"
        file.parent.mkdir(parents=True, exist_ok=True)
        VALUES[rows].tofile(file)
        files.append(MatrixFile(f"parts/{number}.f32", start, len(rows), sha256_of(file)))
        start += len(rows)
    row_of = np.argsort(order)
    write_lists(folder, files, DIM, {"train": samples()}, {"train": (row_of, np.zeros(COUNT, np.uint32))}, None, ABOUT)
    return folder


def test_several_files_are_one_matrix_to_the_bit(one: Path, several: Path) -> None:
    read = [read_channel(folder).sets["train"] for folder in (one, several)]
    assert [len(found.matrix.parts) for found in read] == [1, 3]
    assert all(np.array_equal(found.matrix[found.rows], VALUES) for found in read)
    order = np.random.default_rng(2).permutation(COUNT)
    batches = [list(FeatureSource(found).training_batches(order, 4, 1)) for found in read]
    for theirs, ours in zip(*batches, strict=True):
        assert np.array_equal(theirs.inputs.numpy(), ours.inputs.numpy())
        assert np.array_equal(theirs.labels.numpy(), ours.labels.numpy())
    assert np.array_equal(*(FeatureSource(found).everything.inputs.numpy() for found in read))


def test_a_folder_of_an_earlier_version_still_reads(one: Path) -> None:
    about = json.loads((one / "features.json").read_text())
    about["matrix"] = about.pop("matrices")[0]["file"]
    (one / "features.json").write_text(json.dumps(about))
    seal(one, sealed(one))
    found = read_channel(one).sets["train"]
    assert np.array_equal(found.matrix[found.rows], VALUES)


def test_a_file_that_is_not_what_it_was_is_found_by_its_sha256(several: Path) -> None:
    file = several / "parts/2.f32"
    content = bytearray(file.read_bytes())
    content[9] ^= 1
    file.write_bytes(content)
    with pytest.raises(Interruption, match=r"damaged on the disk \(.*2\.f32\)"):
        read_channel(several)


@pytest.mark.parametrize("size", [-4, 4])
def test_a_file_of_another_size_is_refused(size: int, several: Path) -> None:
    file = several / "parts/0.f32"
    file.write_bytes((file.read_bytes() + b"more")[: file.stat().st_size + size])
    with pytest.raises(JobError, match=r"0\.f32 has 1\d\d bytes, where 7 rows take 140"):
        read_channel(several)


@pytest.mark.parametrize("change", [{"start": 8}, {"rows": -1}, {"rows": 6}])
def test_ranges_of_rows_that_leave_gaps_are_refused(change: dict[str, int], several: Path) -> None:
    about = json.loads((several / "features.json").read_text())
    about["matrices"][0] |= change
    (several / "features.json").write_text(json.dumps(about))
    seal(several, sealed(several))
    with pytest.raises(JobError, match="cannot be used"):
        read_channel(several)


def test_blocks_are_read_one_after_another_and_mixed(several: Path) -> None:
    random = np.random.default_rng(3)
    rows, block, at_once = random.permutation(1000), 50, 200
    orders = [by_blocks(random.permutation(1000), rows, block, at_once) for _ in range(2)]
    assert not np.array_equal(*orders)
    for order in orders:
        assert np.array_equal(np.sort(order), np.arange(1000)), "every picture once"
        for first in range(0, 1000, at_once):
            read = np.unique(rows[order[first : first + at_once]] // block)
            assert len(read) == at_once // block, "whole blocks, no more than may be in memory"
        steps = np.abs(np.diff(rows[order[:at_once]]))
        assert (steps > 1).mean() > 0.9, "neighbours on the disk are not neighbours in a batch"
    firsts = [rows[order[::at_once]].tolist() for order in orders]
    assert firsts[0] != firsts[1]


def test_more_features_than_memory_are_read_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 5 * BLOCK_ROWS
    values = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    (tmp_path / "store").mkdir()
    store = FeatureStore(tmp_path / "store", 2)
    names = tuple(f"{number:064x}" for number in range(count))
    store.append(names, values)
    many = Samples(Path("/data"), ("a", "b"), names, np.arange(count, dtype=np.int64) % 2, names, "v")
    write_channel(tmp_path / "channel", store, {"train": many}, ABOUT)
    found = read_channel(tmp_path / "channel").sets["train"]
    source, order = FeatureSource(found, memory=1000), np.random.default_rng(0).permutation(count)
    given_back: list[bool] = []
    monkeypatch.setattr(found.matrix, "forget", lambda: given_back.append(True))
    batches = list(source.training_batches(order, 64, 1))
    assert len(given_back) == 5
    assert np.array_equal(np.sort(np.concatenate([batch.positions for batch in batches])), np.arange(count))
    for batch in (*batches, *source.evaluation_batches(64)):
        assert np.array_equal(batch.inputs.numpy(), values[batch.positions])
        assert np.array_equal(batch.labels.numpy(), batch.positions % 2)
    blocks = [np.unique(batch.positions // BLOCK_ROWS) for batch in batches]
    assert all(len(block) == 1 for block in blocks), "one block after another"
    assert [len(set(map(int, pair))) for pair in pairwise(np.concatenate(blocks))].count(2) == 4
    with pytest.raises(JobError, match="an optimizer that goes by steps"):
        check_at_once([source])


def test_a_fit_at_once_needs_the_features_of_all_its_splits_several_times(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    store, names = FeatureStore(tmp_path / "store", 2), tuple(f"{number:064x}" for number in range(100))
    store.append(names, np.zeros((100, 2), dtype=np.float32))
    many = Samples(Path("/data"), ("a", "b"), names, np.arange(100, dtype=np.int64) % 2, names, "v")
    write_channel(tmp_path / "channel", store, {"train": many, "valid": many}, ABOUT)
    # 800 bytes each; `memory` is half of all that there is.
    train, valid = (FeatureSource(found, memory=2000) for found in read_channel(tmp_path / "channel").sets.values())
    check_at_once([train])
    run = SimpleNamespace(
        args=Namespace(folds=0, refit=False), setup=SimpleNamespace(sources={"train": train, "valid": valid})
    )
    assert len(known(run, ("train",))[0].labels) == 100  # type: ignore[arg-type]
    run.args.folds = 5
    with pytest.raises(JobError, match="of 200 pictures take more than a quarter of the memory"):
        known(run, ("train",))  # type: ignore[arg-type]


def test_what_may_be_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MEMORY_MB, raising=False)
    assert 1e8 < memory_for_features() < 1e13
    monkeypatch.setenv(MEMORY_MB, "1.5")
    assert memory_for_features() == 1_500_000
