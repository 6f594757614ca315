"""Two models on the same pictures: which one gets right and the other wrong, and whether that is more than luck."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.predict.evaluate import EvaluatedPicture, Evaluation
from core.translation import tr

ALPHA = 0.05
"""Below this probability a difference is called more than luck."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A picture that one model gets right and the other wrong."""

    path: str
    label: str
    first: str
    second: str

    @property
    def first_right(self) -> bool:
        """Whether the first model is the one that is right."""
        return self.first == self.label


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two evaluations joined by their pictures.

    `count` pictures are in both; `both_right` and `both_wrong` count those they agree about, `disagreements` are the
    others, by path. `settings` are the hyperparameters that differ: (first, second), "" where one has none.
    """

    first: str
    second: str
    split: str
    count: int
    both_right: int
    both_wrong: int
    disagreements: tuple[Disagreement, ...]
    settings: Mapping[str, tuple[str, str]]

    @property
    def only_first(self) -> int:
        """Return how many pictures only the first model gets right."""
        return sum(one.first_right for one in self.disagreements)

    @property
    def only_second(self) -> int:
        """Return how many pictures only the second model gets right."""
        return len(self.disagreements) - self.only_first

    @property
    def p_value(self) -> float:
        """Return how likely so uneven a share of the disagreements is by luck alone (exact McNemar test, two-sided)."""
        return mcnemar(self.only_first, self.only_second)

    @property
    def sentence(self) -> str:
        """Return the result for people."""
        if not self.count:
            return tr("{first} and {second} were not evaluated on the same pictures.").format(
                first=self.first, second=self.second
            )
        ahead, behind, more, less = self.first, self.second, self.only_first, self.only_second
        if more < less:
            ahead, behind, more, less = behind, ahead, less, more
        if more == less:
            return tr("{first} and {second} get equally many of {count:,} {split} pictures right.").format(
                first=self.first, second=self.second, count=self.count, split=self.split
            )
        return (
            tr(
                "{ahead} gets {more:,} more of {count:,} {split} pictures right than {behind}: {right:,} against "
                "{less:,} where they differ, more than luck (p = {p_value:.2g})."
            )
            if self.p_value < ALPHA
            else tr(
                "{ahead} gets {more:,} more of {count:,} {split} pictures right than {behind}: {right:,} against "
                "{less:,} where they differ, which may be luck (p = {p_value:.2g})."
            )
        ).format(
            ahead=ahead,
            more=more - less,
            count=self.count,
            split=self.split,
            behind=behind,
            right=more,
            less=less,
            p_value=self.p_value,
        )


def mcnemar(first: int, second: int) -> float:
    """Return the two-sided p-value of the exact McNemar test: `first` and `second` count the discordant pairs."""
    total = first + second
    if total == 0:
        return 1.0
    tail = sum(math.comb(total, k) for k in range(min(first, second) + 1))
    return min(1.0, float(2 * tail / 2**total))


def compare(
    first: Evaluation,
    second: Evaluation,
    keys: Mapping[str, str] | None = None,
    other_keys: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    other_settings: Mapping[str, str] | None = None,
) -> Comparison:
    """Join two evaluations by content.

    Args:
        keys, other_keys: the SHA-256 of each evaluation's pictures by path; a path without one is its own key.
        settings, other_settings: the hyperparameters of each.
    """
    mine, theirs = _by_key(first, keys or {}), _by_key(second, other_keys or {})
    shared = [(mine[key], theirs[key]) for key in mine if key in theirs and mine[key].label == theirs[key].label]
    differing = (pair for pair in shared if pair[0].right != pair[1].right)
    ours, others = settings or {}, other_settings or {}
    names = sorted(name for name in {*ours, *others} if ours.get(name) != others.get(name))
    return Comparison(
        first.job,
        second.job,
        first.split,
        len(shared),
        sum(one.right and other.right for one, other in shared),
        sum(not one.right and not other.right for one, other in shared),
        tuple(
            sorted(
                (Disagreement(one.path, one.label, one.predicted, other.predicted) for one, other in differing),
                key=lambda found: found.path,
            )
        ),
        {name: (ours.get(name, ""), others.get(name, "")) for name in names},
    )


def _by_key(evaluation: Evaluation, keys: Mapping[str, str]) -> dict[str, EvaluatedPicture]:
    return {keys.get(picture.path) or picture.path: picture for picture in evaluation.pictures}
