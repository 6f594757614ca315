"""What a threshold costs and gives: how many pictures are answered, and how many of those answers are right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.jobs.accuracy import interval_words, percent, wilson
from core.translation import tr

if TYPE_CHECKING:
    from core.predict.evaluate import EvaluatedPicture


@dataclass(frozen=True, slots=True)
class Coverage:
    """What becomes of `count` pictures where those farther than `threshold` are unknown.

    `answered` are the others, `right` of them got their own class.
    """

    threshold: float
    count: int
    answered: int
    right: int

    @property
    def share(self) -> float:
        """Return the share of pictures that are answered, 0…1."""
        return self.answered / self.count if self.count else 0.0

    @property
    def accuracy(self) -> float | None:
        """Return the share of answers that are right, 0…1; None where nothing is answered."""
        return self.right / self.answered if self.answered else None

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of that share."""
        return wilson(self.right, self.answered)

    @property
    def sentence(self) -> str:
        """Return it for people."""
        if self.accuracy is None:
            return tr("None of {count:,} pictures is answered.").format(count=self.count)
        return tr(
            "{answered:,} of {count:,} pictures are answered ({value:.0f} %), {right:,} of these "
            "rightly ({share}, {interval})."
        ).format(
            answered=self.answered,
            count=self.count,
            value=100 * self.share,
            right=self.right,
            share=percent(self.accuracy),
            interval=interval_words(self.interval),
        )


def coverage_at(pictures: Iterable[EvaluatedPicture], threshold: float) -> Coverage:
    """Return what a threshold does to the pictures whose strangeness is known."""
    known = [picture for picture in pictures if picture.strangeness is not None]
    answered = [picture for picture in known if (picture.strangeness or 0.0) <= threshold]
    return Coverage(threshold, len(known), len(answered), sum(picture.right for picture in answered))


def coverage_curve(pictures: Sequence[EvaluatedPicture]) -> tuple[Coverage, ...]:
    """Return every threshold that makes a difference, from the smallest on."""
    ordered = sorted((picture.strangeness, picture.right) for picture in pictures if picture.strangeness is not None)
    found: list[Coverage] = []
    right = 0
    for place, (strangeness, is_right) in enumerate(ordered, 1):
        right += is_right
        if place == len(ordered) or ordered[place][0] > strangeness:
            found.append(Coverage(strangeness, len(ordered), place, right))
    return tuple(found)


def threshold_of_share(curve: Sequence[Coverage], share: float) -> float | None:
    """Return the smallest threshold that answers at least this share of the pictures; None without any."""
    return next((point.threshold for point in curve if point.share >= share), None)
