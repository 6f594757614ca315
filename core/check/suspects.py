"""Labels that may be wrong: what heads say that did not learn them, and what the neighbours are.

Each picture's class is guessed twice: by a head fitted on the other folds, and by its ten nearest neighbours. How many
labels are wrong is a parameter of a mixture: a label is right with probability 1 - e and then follows the guess, or it
is any other class. The likeliest e, with the sharpness of the guesses, says how many suspects there are; a second pass
that does not learn from them says which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.features.neighbours import Neighbours
from core.features.space import Space
from core.labels.head import Head, fit
from core.progress import CancelToken

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FOLDS = 5
_SHARPNESS = np.geomspace(0.15, 2.5, 16)
_USUAL_SHARPNESS, _SPREAD = 0.75, 0.1
"""Of few pictures soft guesses and wrong labels look alike: then guesses are not taken to be softer than usual.

Measured on four sets of 240 to 2,000 pictures; the spread is that of the logarithm. It is not so where classes are hard
to tell apart, which shows in guesses that are unsure, seldom right, or where the label comes next wherever they differ
from it: then softness is left to the data.
"""
_SURE, _RIGHT, _NEXT = 0.75, 0.5, 0.35
"""So sure, and so often right beyond chance, guesses are at least where the classes are easy to tell apart; and of what
they leave to other classes than their first, labels that differ from it have at most so much beyond chance.

Three such sets with up to a fifth of wrong labels: sure 0.77 to 0.88, right 0.56 to 0.87, next 0.06 to 0.38. Made ones
that are hard, without a wrong label: sure 0.2 to 0.75, right 0.1 to 0.6. Fashion's tops, none wrong: next 0.37 to 0.59.
"""
_SMOOTHING = 0.05
_FEWEST = 3
"""A class of fewer pictures says nothing about which of them are wrong."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose label may be wrong: the class it looks like, how probable it is that the label is wrong."""

    row: int
    looks_like: int
    probability: float
    neighbours: tuple[int, ...]


def label_suspects(
    space: Space,
    labels: NDArray[np.int64],
    classes: int,
    near: Neighbours,
    cancel: CancelToken | None = None,
    seed: int = 0,
    trained: NDArray[np.float64] | None = None,
) -> list[Suspect]:
    """Return the rows whose labels are probably wrong, most suspect first.

    Args:
        space: of N pictures that are all labelled, without copies of each other.
        labels: (N,) positions of classes.
        classes: how many there are.
        near: the nearest rows of each.
        cancel: asked between fits.
        seed: of the division into folds.
        trained: (N, classes) probabilities of a model that did not learn from these pictures; NaN in rows it cannot
            say anything of. They take the place of the folds' heads.

    Raises:
        Cancelled: through `cancel`.
    """
    cancel = cancel or CancelToken()
    count, rows = len(labels), np.arange(len(labels))
    sizes = np.bincount(labels, minlength=classes)
    if classes < 2 or count < 2 * _FOLDS or near.index.shape[1] == 0:
        return []
    fold = _folds(labels, classes, np.random.default_rng(seed))
    everyone = np.ones(count, bool)
    heads: dict[int, Head] = {}
    first = _guesses(space, labels, classes, near, fold, everyone, trained, cancel, heads)
    share, wrong = _share_of_wrong(first, labels)
    keep = wrong <= 0.5
    if (np.bincount(labels[keep], minlength=classes) < np.minimum(sizes, 2)).any():
        keep = everyone  # a class would vanish
    guesses = _guesses(space, labels, classes, near, fold, keep, trained, cancel, heads)
    others = guesses.copy()
    others[rows, labels] = -np.inf
    margin = others.max(axis=1) - guesses[rows, labels]
    _, probability = _share_of_wrong(guesses, labels)
    order = np.argsort(-margin, kind="stable")[: round(share * count)]
    found = []
    for row in order.tolist():
        looks_like = int(others[row].argmax())
        if margin[row] <= 0 or sizes[labels[row]] < _FEWEST:
            continue
        say_so = [int(other) for other in near.index[row] if labels[other] == looks_like]
        found.append(Suspect(row, looks_like, float(max(probability[row], wrong[row])), tuple(say_so[:5])))
    return found


def _folds(labels: NDArray[np.int64], classes: int, random: np.random.Generator) -> NDArray[np.int64]:
    fold = np.empty(len(labels), np.int64)
    for label in range(classes):
        rows = np.flatnonzero(labels == label)
        fold[rows] = (random.permutation(len(rows)) + random.integers(_FOLDS)) % _FOLDS
    return fold


def _guesses(
    space: Space,
    labels: NDArray[np.int64],
    classes: int,
    near: Neighbours,
    fold: NDArray[np.int64],
    keep: NDArray[np.bool_],
    trained: NDArray[np.float64] | None,
    cancel: CancelToken,
    heads: dict[int, Head],
) -> NDArray[np.float64]:
    """Return the logarithm of what the classes of the pictures are (N, classes), learned from other pictures only.

    `heads` are those of the folds: of the last pass, from where there is little to go, and then of this one.
    """
    said = np.empty((len(labels), classes), np.float64)
    for part in range(_FOLDS):
        cancel.raise_if_cancelled()
        held = fold == part
        learned = ~held & keep
        if not held.any() or not learned.any():
            said[held] = 1.0 / classes
            continue
        heads[part] = fit(space.values[learned], labels[learned], classes, heads.get(part))
        said[held] = heads[part].probabilities(space.values[held])
    if trained is not None:
        said = np.where(np.isnan(trained), said, trained)
    votes = np.full((len(labels), classes), _SMOOTHING)
    weight = np.maximum(near.cosine, 0.0) ** 2 * np.where(keep, 1.0, _SMOOTHING)[near.index]
    rows = np.arange(len(labels))
    for place in range(near.index.shape[1]):
        np.add.at(votes, (rows, labels[near.index[:, place]]), weight[:, place])
    votes /= votes.sum(axis=1, keepdims=True)
    found: NDArray[np.float64] = 0.5 * (np.log(np.maximum(said, 1e-6)) + np.log(votes))
    return found


def _share_of_wrong(guesses: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
    """Return the likeliest share of wrong labels, and for each label the probability that it is one."""
    count, classes = guesses.shape
    rows = np.arange(count)
    spread = _SPREAD if _are_easy(guesses, labels) else np.inf
    best: tuple[float, float, NDArray[np.float64]] = (-np.inf, 0.0, np.zeros(count))
    for sharpness in _SHARPNESS:
        scaled = guesses / sharpness
        scaled -= scaled.max(axis=1, keepdims=True)
        likelihood = np.exp(scaled)
        own = likelihood[rows, labels] / likelihood.sum(axis=1)
        share = 0.05
        for _ in range(25):
            right, other = own * (1 - share), (1 - own) * share / (classes - 1)
            wrong = other / (right + other + 1e-12)
            share = float(np.clip(wrong.mean(), 1e-4, 0.6))
        total = float(np.log(own * (1 - share) + (1 - own) * share / (classes - 1) + 1e-12).sum())
        total -= 0.5 * max(0.0, float(np.log(sharpness / _USUAL_SHARPNESS)) / spread) ** 2
        if total > best[0]:
            best = (total, share, wrong)
    return best[1], best[2]


def _are_easy(guesses: NDArray[np.float64], labels: NDArray[np.int64]) -> bool:
    """Whether the classes are easy to tell apart: the guesses are sure and agree with most labels, beyond chance.

    A label that a guess differs from is wrong, and then any class, or it is right, and then mostly the next likely one.
    """
    scaled = np.exp((guesses - guesses.max(axis=1, keepdims=True)) / _USUAL_SHARPNESS)
    chance, total = 1 / guesses.shape[1], scaled.sum(axis=1)
    sure = float((1 / total).mean())
    differ = guesses.argmax(axis=1) != labels
    right = 1 - float(differ.mean())
    if not (sure - chance > _SURE * (1 - chance) and right - chance > _RIGHT * (1 - chance)):
        return False
    if not differ.any() or guesses.shape[1] < 3:
        return True
    own = scaled[np.arange(len(labels)), labels]
    chance = 1 / (guesses.shape[1] - 1)
    after = float((own / np.maximum(total - 1, 1e-12))[differ].mean())
    return bool(after - chance < _NEXT * (1 - chance))
