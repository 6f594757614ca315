"""How well a model tells what it has not learned: each class in turn is left out of the training, and shown at the end.

Measured on the features of a finished job: the same head, the same reference of training pictures and the same
threshold as training_scripts/train.py makes, beside the probability of the likeliest class, which needs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch

from training_scripts import fitting
from training_scripts.direct import START_DECAY
from training_scripts.feature_store import FeaturesChannel
from training_scripts.unknown import gauge_of, learn_known, strangeness


@dataclass(frozen=True)
class Left:
    """What came out of it, as means over the classes left out; all from 0 to 1.

    `ours` and `softmax` are areas under the ROC curve of strangeness and of one less the largest probability; `kept` is
    the share of the known pictures of test below the threshold, `caught` that of the unknown ones above it.
    """

    ours: float
    softmax: float
    kept: float
    caught: float


def leave_out_each(channel: FeaturesChannel) -> Left:
    """Train without one class after another, and show it at the end beside the test pictures of the others."""
    parts = {split: (found.matrix[found.rows], found.labels) for split, found in channel.sets.items()}
    every = [_without(parts, label) for label in range(len(channel.classes))]
    return Left(*(float(np.mean([getattr(one, item.name) for one in every])) for item in fields(Left)))


def _without(parts: Mapping[str, tuple[np.ndarray, np.ndarray]], label: int) -> Left:
    from sklearn.metrics import roc_auc_score

    kept = {split: (inputs[labels != label], labels[labels != label]) for split, (inputs, labels) in parts.items()}
    inputs, labels = kept["train"]
    names, places = np.unique(labels, return_inverse=True)
    settings = fitting.Settings(START_DECAY)
    head = fitting.fit(torch.from_numpy(inputs), torch.from_numpy(places.astype(np.int64)), len(names), settings)

    def logits(features: np.ndarray) -> np.ndarray:
        return head.logits(torch.from_numpy(features)).numpy()

    known, valid, test = learn_known(inputs), kept["valid"][0], kept["test"][0]
    assert known is not None
    gauge = gauge_of(known.distances(valid), logits(valid))
    assert gauge is not None
    strangers = np.concatenate([inputs[labels == label] for inputs, labels in parts.values()])
    shown = np.concatenate([test, strangers])
    truth = np.arange(len(shown)) >= len(test)
    found = logits(shown)
    strange = strangeness(gauge, known.distances(shown), found)
    powers = np.exp(found - found.max(axis=1, keepdims=True))
    return Left(
        roc_auc_score(truth, strange),
        roc_auc_score(truth, 1 - 1 / powers.sum(axis=1)),
        float(np.mean(strange[~truth] <= gauge.threshold)),
        float(np.mean(strange[truth] > gauge.threshold)),
    )
