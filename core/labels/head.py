"""A linear head that is refitted after every change of a label: in the window's process, so without torch.

Multinomial logistic regression with an L2 penalty on the values of a `core.features.space.Space`. Its loss has
one lowest point, which L-BFGS reaches from wherever the last fit ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PENALTY = 0.01
"""Of the squared weights, beside the mean loss."""

_ITERATIONS, _TOLERANCE = 60, 2e-4


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

    count, dim = features.shape
    share = np.full(count, 1.0 / count, np.float32) if weights is None else (weights / weights.sum()).astype(np.float32)
    rows = np.arange(count)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        matrix = flat.reshape(classes, dim + 1).astype(np.float32)
        probabilities = softmax(features @ matrix[:, :-1].T + matrix[:, -1])
        value = -float(share @ np.log(np.maximum(probabilities[rows, labels], 1e-12)))
        probabilities[rows, labels] -= 1.0
        probabilities *= share[:, None]
        gradient = np.empty((classes, dim + 1), np.float64)
        gradient[:, :-1] = probabilities.T @ features + penalty * matrix[:, :-1]
        gradient[:, -1] = probabilities.sum(axis=0)
        return value + 0.5 * penalty * float(np.square(matrix[:, :-1]).sum()), gradient.ravel()

    first: Any = np.zeros(classes * (dim + 1)) if start is None else start.weights.astype(np.float64).ravel()
    options = {"maxiter": _ITERATIONS, "gtol": _TOLERANCE, "ftol": 1e-6, "maxcor": 10}
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options=options)
    return Head(found.x.reshape(classes, dim + 1).astype(np.float32))


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map (N, classes) -> (N, classes), rows add up to 1."""
    found: NDArray[np.float32] = np.exp(logits - logits.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found
