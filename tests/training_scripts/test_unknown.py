"""What a model does not know: strange pictures stand out, the threshold keeps what it says, and the file is bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from training_scripts.network import Strangeness
from training_scripts.unknown import (
    DIRECTIONS,
    MOST_POINTS,
    Gauge,
    Known,
    gauge_of,
    learn_known,
    nearest,
    read_known,
    some_of_all,
    some_of_each,
    strangeness,
    threshold_for,
    write_known,
)

CLASSES = 6


def made(random: np.random.Generator, count: int, classes: range, dim: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return features around one place per class, and their labels."""
    places = 3 * np.random.default_rng(1).normal(size=(CLASSES + 1, dim))
    labels = random.choice(list(classes), count)
    return (places[labels] + random.normal(size=(count, dim)) + 5).astype(np.float32), labels


def logits_of(features: np.ndarray) -> np.ndarray:
    """Return what a head that knows the places would say."""
    places = 3 * np.random.default_rng(1).normal(size=(CLASSES + 1, features.shape[1]))[:CLASSES] + 5
    return (-((features[:, None] - places) ** 2).sum(axis=2) / 20).astype(np.float32)


@pytest.fixture(scope="module")
def learned() -> tuple[Known, Gauge]:
    random = np.random.default_rng(0)
    known = learn_known(made(random, 200, range(CLASSES))[0])
    assert known is not None
    valid, _ = made(random, 150, range(CLASSES))
    gauge = gauge_of(known.distances(valid), logits_of(valid))
    assert gauge is not None
    return known, gauge


def test_a_class_that_was_not_learned_stands_out(learned: tuple[Known, Gauge]) -> None:
    known, gauge = learned
    random = np.random.default_rng(2)
    usual, other = made(random, 400, range(CLASSES))[0], made(random, 200, range(CLASSES, CLASSES + 1))[0]
    found = [strangeness(gauge, known.distances(part), logits_of(part)) for part in (usual, other)]
    assert roc_auc_score([0] * 400 + [1] * 200, np.concatenate(found)) > 0.99
    assert np.mean(found[0] <= gauge.threshold) == pytest.approx(0.95, abs=0.04)
    assert np.mean(found[1] > gauge.threshold) > 0.9
    assert abs(found[0].mean()) < 0.3


def test_the_network_computes_the_same(learned: tuple[Known, Gauge]) -> None:
    known, gauge = learned
    features, _ = made(np.random.default_rng(3), 50, range(CLASSES + 1))
    logits = logits_of(features)
    inputs = torch.from_numpy(features), torch.from_numpy(logits)
    for one in (gauge, Gauge(gauge.distance, None, 0.0, 0.95, "train", 9)):
        module = Strangeness(known, one)
        answer = module(module.coordinates(inputs[0]), inputs[1])
        assert answer.shape == (50, 1)
        np.testing.assert_allclose(answer[:, 0].numpy(), strangeness(one, known.distances(features), logits), atol=1e-4)
    assert not Strangeness(known, gauge).state_dict()


def test_distances_are_cosines_to_the_nearest_as_long_as_every_direction_is_kept() -> None:
    random = np.random.default_rng(4)
    train, other = random.normal(size=(30, 8)).astype(np.float32), random.normal(size=(20, 8)).astype(np.float32)
    known = learn_known(train)
    assert known is not None
    one, two = (part - train.mean(axis=0) for part in (train, other))
    cosines = (two @ one.T) / np.linalg.norm(two, axis=1)[:, None] / np.linalg.norm(one, axis=1)
    np.testing.assert_allclose(known.distances(other), 1 - cosines.max(axis=1), atol=2e-3)
    np.testing.assert_allclose(known.distances(train), 0, atol=2e-3)
    assert known.distances(train, itself=True).min() > 0.01


def test_the_nearest_training_pictures_are_named() -> None:
    features, labels = made(np.random.default_rng(6), 60, range(CLASSES))
    hashes = [f"{number:064x}" for number in range(60)]
    known = learn_known(features, hashes)
    assert known is not None
    module = Strangeness(known, Gauge((0.0, 1.0), None, 0.0, 0.95, "train", 60))
    coordinates = module.coordinates(torch.from_numpy(features[7:8]))[0].numpy()
    found = nearest(known, coordinates, 4)
    assert found[0][0] == hashes[7]
    assert found[0][1] == pytest.approx(0, abs=2e-3)
    assert {labels[int(sha256, 16)] for sha256, _ in found} == {labels[7]}
    assert [distance for _, distance in found] == sorted(distance for _, distance in found)
    assert nearest(learn_known(features) or known, coordinates, 4) == []


def test_the_file_is_bounded_and_reads_back(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    labels = np.sort(random.integers(0, 40, 9000))
    chosen = some_of_each(labels, MOST_POINTS)
    hashes = [f"{number:064x}" for number in chosen]
    known = learn_known(random.normal(size=(len(chosen), 1280)).astype(np.float32), hashes)
    assert known is not None
    assert known.points.shape == (MOST_POINTS, DIRECTIONS)
    write_known(known, tmp_path / "known.npz")
    assert (tmp_path / "known.npz").stat().st_size < 930_000
    again = read_known(tmp_path / "known.npz")
    features = random.normal(size=(9, 1280)).astype(np.float32)
    np.testing.assert_array_equal(again.distances(features), known.distances(features))
    assert again.hashes == tuple(hashes)
    write_known(again, tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "known.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes((tmp_path / "known.npz").read_bytes()[:5000])
    with pytest.raises(ValueError, match="damaged"):
        read_known(tmp_path / "cut.npz")


def test_too_little_to_know_anything() -> None:
    assert learn_known(np.zeros((1, 4), np.float32)) is None
    assert learn_known(np.zeros((9, 4), np.float32)) is None
    assert learn_known(np.full((9, 4), np.nan, np.float32)) is None
    assert gauge_of(np.zeros(0, np.float32), None) is None
    assert gauge_of(np.zeros(2, np.float32), np.full((2, 3), np.nan, np.float32)) is None


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200), st.integers(1, 80))
def test_every_class_has_as_many_as_another(labels: list[int], most: int) -> None:
    found = np.array(labels)
    chosen = some_of_each(found, most)
    assert len(set(chosen.tolist())) == len(chosen) == min(most, len(labels))
    assert (np.diff(chosen) > 0).all()
    left = {value: np.sum(found == value) - np.sum(found[chosen] == value) for value in set(labels)}
    counts = {value: int(np.sum(found[chosen] == value)) for value in set(labels)}
    fewest = min((counts[value] for value in left if left[value]), default=0)
    assert all(counts[value] <= fewest + 1 for value in left if left[value])
    assert len(some_of_all(len(labels), most)) == len(chosen)


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=300), st.floats(0.5, 0.99))
def test_the_threshold_keeps_what_it_says(values: list[float], coverage: float) -> None:
    found = np.array(values, np.float32)
    kept = np.mean(found <= threshold_for(found, coverage))
    assert kept >= coverage or kept == 1
