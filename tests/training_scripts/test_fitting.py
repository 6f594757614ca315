"""The fit of a linear head against scikit-learn's, and what is said of pictures that it has not learned."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import linear_model
from torch import Tensor

from training_scripts import fitting
from training_scripts.fitting import Settings, class_weights, cross_validate, fit, fold_of, temperature

CLASSES = 4


def _made(count: int, spread: float = 1.5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Features (count, 12) of classes that overlap, and labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    centres = np.random.default_rng(7).normal(0, 1, (CLASSES, 12))
    features = 3 + 0.2 * (centres[labels] + random.normal(0, spread, (count, 12)))
    return torch.from_numpy(features.astype(np.float32)), torch.from_numpy(labels)


@pytest.mark.parametrize("decay", [1e-3, 1e-1])
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_it_is_scikit_learns_logistic_regression(decay: float, power: float) -> None:
    features, labels = _made(150)
    found = fit(features, labels, CLASSES, Settings(decay, class_weights=power)).logits(features).softmax(dim=1)
    scale = features.std(dim=0, correction=0).mean()
    theirs = linear_model.LogisticRegression(
        C=1 / (decay * len(labels)), class_weight="balanced" if power else None, tol=1e-8, max_iter=5000
    ).fit(((features - features.mean(dim=0)) / scale).numpy(), labels.numpy())
    inputs = ((features - features.mean(dim=0)) / scale).numpy()
    np.testing.assert_allclose(found.numpy(), theirs.predict_proba(inputs), atol=2e-3)


def test_the_penalty_means_the_same_for_features_of_any_size() -> None:
    features, labels = _made(100)
    settings = Settings(1e-2)
    small, large = (fit(features * factor, labels, CLASSES, settings).logits(features * factor) for factor in (1, 100))
    torch.testing.assert_close(small, large, atol=2e-2, rtol=0)


def test_fewer_pictures_than_features_give_the_same_head(monkeypatch: pytest.MonkeyPatch) -> None:
    few = torch.randn(20, 50, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(20) % CLASSES
    found = fit(few, labels, CLASSES, Settings(1e-2))
    monkeypatch.setattr(fitting, "_compressed", lambda inputs: (inputs, None))
    plain = fit(few, labels, CLASSES, Settings(1e-2))
    torch.testing.assert_close(found.weight, plain.weight, atol=5e-3, rtol=0)
    torch.testing.assert_close(found.logits(few), plain.logits(few), atol=2e-2, rtol=0)


def test_class_weights_let_classes_count_alike() -> None:
    labels = np.array([0] * 90 + [1] * 9 + [2])
    assert class_weights(labels, 3, 0.0) is None
    weights = class_weights(labels, 3, 1.0)
    assert weights is not None
    totals = weights.numpy() * np.bincount(labels)
    np.testing.assert_allclose(totals, totals[0], rtol=1e-5)
    assert totals.sum() == pytest.approx(len(labels), rel=1e-5), "the mean picture counts 1"


def test_unseen_pictures_are_judged_by_heads_that_did_not_learn_them() -> None:
    features, labels = _made(60, spread=5.0)  # hardly to be told apart, easily learned by heart
    learned = fit(features, labels, CLASSES, Settings(0.0)).logits(features)
    unseen = cross_validate(features, labels, range(60), CLASSES, [Settings(0.0)], 5)
    assert (learned.argmax(dim=1) == labels).float().mean() > unseen.accuracy + 0.1
    assert unseen.loss == pytest.approx(torch.nn.functional.cross_entropy(unseen.logits, labels).item(), rel=1e-5)
    assert unseen.accuracy_error == pytest.approx(math.sqrt(unseen.accuracy * (1 - unseen.accuracy) / 59), rel=1e-6), (
        "the standard error of a share"
    )


@given(
    labels=st.lists(st.integers(0, 3), min_size=4, max_size=60),
    folds=st.integers(2, 6),
    size=st.integers(1, 3),
)
def test_groups_stay_together_and_parts_are_even(labels: list[int], folds: int, size: int) -> None:
    groups = [position // size for position in range(len(labels))]
    part = fold_of(np.array(labels), groups, folds)
    assert len(set(zip(groups, part.tolist(), strict=True))) == len(set(groups))
    count = min(folds, len(set(groups)))
    assert set(part.tolist()) == set(range(count))
    if size == 1:
        for label in set(labels):
            held = np.bincount(part[np.array(labels) == label], minlength=count)
            assert held.max() - held.min() <= 1
    np.testing.assert_array_equal(part, fold_of(np.array(labels), groups, folds))


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_overconfidence(factor: float) -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 5, generator=random) * 2
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=random)[:, 0]
    assert temperature(logits * factor, labels) == pytest.approx(factor, rel=0.06)


def test_few_pictures_move_the_temperature_little() -> None:
    assert temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)) == 1.0
    right = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    assert 0.8 < temperature(right, torch.tensor([0, 1])) < 1.0
    assert 1.0 < temperature(right, torch.tensor([2, 2])) < 3.0


def test_the_same_features_are_compressed_once_and_others_are_not_taken_for_them() -> None:
    random = torch.Generator().manual_seed(3)
    labels = torch.tensor([0, 1] * 10)
    sets = [torch.randn(20, 50, generator=random) for _ in range(fitting.MOST_KEPT + 2)]
    first = [fitting.fit(features, labels, 2, fitting.Settings(1e-2)) for features in sets]
    again = [fitting.fit(features.clone(), labels, 2, fitting.Settings(1e-2)) for features in sets[::-1]][::-1]
    assert all(torch.equal(one.weight, other.weight) for one, other in zip(first, again, strict=True))
    assert not any(torch.equal(one.weight, other.weight) for one, other in itertools.pairwise(first))
    assert len(fitting._kept) == fitting.MOST_KEPT
    kept = fitting._prepared(sets[0])
    assert fitting._prepared(sets[0].clone())[2] is kept[2]
