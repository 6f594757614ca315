"""How many pictures a model has right, and how sure that is: one helper for every place that shows an accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.translation import tr

_Z95 = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of a split's pictures that a model has right, 0…1; `count` is None where it was not kept of how many.

    The count is that of the pictures that could be read. `weakest` is the class that is recognised least often, ""
    where that is not known or all always are.
    """

    split: str
    share: float
    count: int | None = None
    weakest: str = ""

    @classmethod
    def among(cls, metrics: Mapping[str, float], weakest: str = "") -> Accuracy | None:
        """Return the accuracy on test, else on valid, as far as it was measured; `weakest` is of the same.

        Of valid that of the model which is kept, once it is known: `valid:accuracy` is the last epoch's.
        """
        test, valid = metrics.get("test:accuracy"), metrics.get("valid:accuracy")
        if test is not None and 0 <= test <= 1:
            count = _count(metrics, "test:count") or None
            return cls("test", test, count, weakest if count else "")
        count, right = _count(metrics, "valid:count"), _count(metrics, "valid:right")
        if valid is None or not 0 <= valid <= 1:
            return None
        return cls("valid", right / count, count, weakest) if count and right is not None else cls("valid", valid)

    @property
    def right(self) -> int | None:
        """Return how many pictures are right; None where it is not known of how many."""
        return None if self.count is None else round(self.share * self.count)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval, low and high in 0…1; None where the count is not known."""
        return None if self.count is None or self.right is None else wilson(self.right, self.count)

    @property
    def figures(self) -> str:
        """Return "97.3 % (91 to 99 %)", or the share alone."""
        if self.count is None or self.right is None:
            return percent(self.share)
        return share_words(self.right, self.count)

    @property
    def bounds(self) -> str:
        """Return the interval where there is little room, "91–99 %"; "" where it is not known."""
        if self.interval is None:
            return ""
        return "\N{EN DASH}".join(_in_percent(self.interval)) + " %"

    @property
    def counted(self) -> str:
        """Return "72 of 74 right on test, 91 to 99 %; weakest: fish", beside the share itself.

        Without counts "right on test".
        """
        if self.interval is None:
            return tr("right on {split}").format(split=self.split)
        said = tr("{right:,} of {count:,} right on {split}, {interval}").format(
            right=self.right, count=self.count, split=self.split, interval=interval_words(self.interval)
        )
        return self._with_weakest(said)

    @property
    def sentence(self) -> str:
        """Return "72 of 74 right on test (97.3 %, 91 to 99 %); weakest: fish", no full stop.

        Without counts "97.3 % right on test".
        """
        if self.interval is None:
            return tr("{share} right on {split}").format(share=percent(self.share), split=self.split)
        said = tr("{right:,} of {count:,} right on {split} ({share}, {interval})").format(
            right=self.right,
            count=self.count,
            split=self.split,
            share=percent(self.share),
            interval=interval_words(self.interval),
        )
        return self._with_weakest(said)

    @property
    def on_split(self) -> str:
        """Return "97.3 % (91 to 99 %) on test; weakest: fish", as a table has room for."""
        said = tr("{share} on {split}").format(share=self.figures, split=self.split)
        return self._with_weakest(said)

    def _with_weakest(self, said: str) -> str:
        if not self.weakest:
            return said
        return tr("{result}; weakest: {label}").format(result=said, label=self.weakest)


def _count(metrics: Mapping[str, float], name: str) -> int | None:
    value = metrics.get(name, math.nan)
    return int(value) if 0 <= value < math.inf else None


def percent(probability: float) -> str:
    """Return a probability for people: 93.4 %, < 0.1 %, > 99.9 %; only what is certain is 0.0 % or 100.0 %."""
    value = 100 * probability
    if 0 < value < 0.1:
        return "< 0.1 %"
    if 99.9 < value < 100:
        return "> 99.9 %"
    return f"{value:.1f} %"


def share_words(right: int, count: int) -> str:
    """Return what share of pictures is right, and how sure that is: "97.3 % (91 to 99 %)"."""
    share, interval = percent(right / count if count else 0.0), interval_words(wilson(right, count))
    return tr("{share} ({interval})").format(share=share, interval=interval)


def interval_words(interval: tuple[float, float]) -> str:
    """Return "91 to 99 %", "97.2 to 97.4 %" where it is narrow."""
    low, high = _in_percent(interval)
    return tr("{low} to {high} %").format(low=low, high=high)


def _in_percent(interval: tuple[float, float]) -> tuple[str, str]:
    """Return both bounds with as many decimals as an interval needs to hold its share.

    As with `percent`, only what is certain is 0 or 100.
    """
    low, high = (100 * bound for bound in interval)
    digits = 0 if high - low >= 2 else 1
    while digits < 4 and ((low > 0 and round(low, digits) == 0) or (high < 100 and round(high, digits) == 100)):
        digits += 1
    return f"{low:.{digits}f}", f"{high:.{digits}f}"


def wilson(right: int, count: int, z: float = _Z95) -> tuple[float, float]:
    """Return the 95 % interval of a share, low and high in 0…1 (Wilson 1927, without continuity correction).

    It holds for small counts and for shares near 0 and 1, where the textbook's normal interval does not. Of nothing
    counted nothing is known: (0, 1).
    """
    if count <= 0:
        return 0.0, 1.0
    share, shrink = right / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half) if right else 0.0, min(1.0, middle + half) if right < count else 1.0
