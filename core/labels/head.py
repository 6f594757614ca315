"""A linear head that is refitted after every change of a label: in the window's process, so without torch.

Multinomial logistic regression with an L2 penalty on the values of a `core.features.space.Space`. Its loss has
one lowest point, which L-BFGS reaches from wherever the last fit ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.features.blas import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENALTY = 0.01
"""Of the squared weights, beside the mean loss."""

_ITERATIONS, _TOLERANCE = 60, 5e-4

_BEND = 0.25
"""The most that the loss of one picture bends along its features: p (1 - p) for the class that it is half."""


@dataclass(frozen=True, slots=True)
class Head:
    """Logits are `features @ weights[:, :-1].T + weights[:, -1]`; `weights` is (classes, dim + 1) float32."""

    weights: NDArray[np.float32]

    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, dim) -> (N, classes)."""
        found: NDArray[np.float32] = features @ self.weights[:, :-1].T + self.weights[:, -1]
        return found

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, dim) -> (N, classes), rows add up to 1."""
        return softmax(self.logits(features))


def fit(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    start: Head | None = None,
    penalty: float = PENALTY,
    weights: NDArray[np.float32] | None = None,
) -> Head:
    """Return the head with the lowest loss.

    Args:
        features: (N, dim), the values of a `core.features.space.Space`.
        labels: (N,) positions of classes.
        classes: how many there are.
        start: an earlier head of as many classes, from which there are fewer steps to go.
        penalty: of the squared weights, beside the mean loss.
        weights: (N,) what each picture counts; 1 each when None.
    """
    from scipy.optimize import minimize  # here: it takes a while, and the window paints before it

    one_thread()
    count, dim = features.shape
    share = np.full(count, 1.0 / count, np.float32) if weights is None else (weights / weights.sum()).astype(np.float32)
    rows = np.arange(count)
    # The loss is as steep along a direction as the features are wide there, so it is searched where all are as steep.
    scale = np.append(1 / np.sqrt(_BEND * (share @ np.square(features)) + penalty), 1 / np.sqrt(_BEND))
    scale = scale.astype(np.float32)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        matrix = flat.reshape(classes, dim + 1).astype(np.float32) * scale
        matrix_of_weights = matrix[:, :-1]
        logits = features @ matrix_of_weights.T + matrix[:, -1]
        logits -= logits.max(axis=1, keepdims=True)
        own = logits[rows, labels]
        missed: NDArray[np.float32] = np.exp(logits, out=logits)
        total = missed.sum(axis=1)
        value = float(share @ (np.log(total) - own)) + 0.5 * penalty * float(np.square(matrix_of_weights).sum())
        missed *= (share / total)[:, None]
        missed[rows, labels] -= share
        gradient = np.empty_like(matrix)
        gradient[:, :-1] = missed.T @ features + penalty * matrix_of_weights
        gradient[:, -1] = missed.sum(axis=0)
        return value, (gradient * scale).astype(np.float64).ravel()

    first: Any = np.zeros(classes * (dim + 1)) if start is None else (start.weights / scale).astype(np.float64).ravel()
    options = {"maxiter": _ITERATIONS, "gtol": _TOLERANCE, "ftol": 1e-5, "maxcor": 10}
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options=options)
    return Head(found.x.reshape(classes, dim + 1).astype(np.float32) * scale)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map (N, classes) -> (N, classes), rows add up to 1."""
    found: NDArray[np.float32] = np.exp(logits - logits.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found
