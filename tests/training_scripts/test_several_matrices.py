"""A whole training over features in several files is, to the bit, the one over a single file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training_scripts.conftest import Job
from training_scripts import train
from training_scripts.data import Samples
from training_scripts.durable import sha256_of
from training_scripts.feature_store import read_channel, write_lists
from training_scripts.row_matrix import MEMORY_MB, MatrixFile
from training_scripts.unknown import read_known

Run = Callable[..., int]


@pytest.fixture(scope="module")
def divided(channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The channel of the dataset, its rows in another order in three files."""
    folder, about = tmp_path_factory.mktemp("divided"), json.loads((channel / "features.json").read_text())
    read = read_channel(channel)
    matrix = next(iter(read.sets.values())).matrix
    order = np.random.default_rng(0).permutation(len(matrix))
    files, start = [], 0
    for number, rows in enumerate(np.array_split(order, 3)):
        matrix[rows].tofile(folder / f"{number}.f32")
        files.append(MatrixFile(f"{number}.f32", start, len(rows), sha256_of(folder / f"{number}.f32")))
        start += len(rows)
    row_of = np.argsort(order)
    splits = {
        split: Samples(Path(found.root), read.classes, found.paths, found.labels, ("",) * len(found.paths), "v")
        for split, found in read.sets.items()
    }
    rows = {split: (row_of[found.rows], np.zeros(len(found.rows), np.uint32)) for split, found in read.sets.items()}
    assert read.known_file is not None
    about = {name: about[name] for name in ("backbone", "weights", "preprocessing", "classes", "dataset_version")}
    about["backbone_state"] = str(read.backbone_state)
    write_lists(folder, files, read.dim, splits, rows, read_known(read.known_file), about)
    return folder


@pytest.mark.parametrize(
    "asked", [{"num_epochs": 2, "optimizer": "adam"}, {"optimizer": "lbfgs", "folds": 3}], ids=["by steps", "at once"]
)
def test_the_model_and_what_is_said_of_it_are_the_same(
    asked: dict[str, object], channel: Path, divided: Path, new_job: Callable[..., Job], in_job: Run
) -> None:
    left = []
    for features in (channel, divided):
        job = new_job(features=features)
        assert in_job(train.main, job, **asked) == 0
        state = torch.load(job.model / "model.pth", weights_only=True)
        said = [file.read_text() for file in sorted(job.data.glob("predictions_*.csv"))]
        left.append((state, said, json.loads((job.data / "evaluation.json").read_text())))
    (one, *told), (three, *told_too) = left
    assert one.keys() == three.keys()
    assert all(torch.equal(one[name], three[name]) for name in one)
    assert len(told[0]) == 2
    assert told == told_too


def test_a_head_is_trained_by_blocks_where_features_are_more_than_memory(
    divided: Path, new_job: Callable[..., Job], in_job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_MB, "0.01")
    job, at_once = new_job(features=divided), new_job(features=divided)
    assert in_job(train.main, job, num_epochs=4, optimizer="adam") == 0
    assert json.loads((job.data / "evaluation.json").read_text())["valid"]["accuracy"] > 0.5
    assert in_job(train.main, at_once, optimizer="lbfgs") == 1
    assert "an optimizer that goes by steps" in at_once.failure
