"""The heads there are, one entry each: whatever else needs to know of one reads it here.

torch is imported only when a head is made, so that forms and checks can read the entries at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

HIDDEN = 256
"""Units of the hidden layer of `mlp`."""


@dataclass(frozen=True, slots=True)
class Head:
    """What turns features into classes: all that is known of it.

    Attributes:
        help: what it is good for, one sentence.
        make: (features, classes) -> a module of (N, features) that gives (N, classes) logits.
        least_batch: the fewest pictures that a step can learn from.
        convex: whether its loss has one lowest point, so that `optimizer=lbfgs` can go there at once.
    """

    name: str
    title: str
    help: str
    make: Callable[[int, int], nn.Module]
    least_batch: int = 1
    convex: bool = False


def _linear(features: int, classes: int) -> nn.Module:
    from torch import nn

    return nn.Linear(features, classes)


def _linear_dropout_batchnorm(features: int, classes: int) -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.Linear(features, classes), nn.Dropout(0.5), nn.BatchNorm1d(classes))


def _mlp(features: int, classes: int) -> nn.Module:
    from torch import nn

    hidden = nn.Linear(features, HIDDEN)
    return nn.Sequential(hidden, nn.ReLU(), nn.Dropout(0.5), nn.Linear(HIDDEN, classes))


_ALL = (
    Head("linear", "Linear", "One layer: the least to learn, and the best for few pictures.", _linear, convex=True),
    Head(
        "linear_dropout_batchnorm",
        "Linear, dropout, batch norm",
        "The head of the usual SageMaker notebook: Linear, Dropout(0.5), BatchNorm1d.",
        _linear_dropout_batchnorm,
        least_batch=2,  # the spread of a single picture is nothing to divide by
    ),
    Head(
        "mlp",
        "Hidden layer",
        f"A hidden layer of {HIDDEN} units with dropout: for many pictures whose classes no straight line parts.",
        _mlp,
    ),
)
HEADS: dict[str, Head] = {head.name: head for head in _ALL}
"""Every head by its name; the first is the default."""
DEFAULT_HEAD = _ALL[0].name
