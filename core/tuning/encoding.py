"""Ranges as Optuna's distributions, and hyperparameters as the strings that a script gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.tuning.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range, Scaling

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def distribution(item: Range) -> BaseDistribution:
    """Return the distribution that Optuna draws from.

    ReverseLogarithmic searches the logarithm of 1 - x: it resolves 0.9, 0.99, 0.999.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match item:
        case CategoricalRange():
            return CategoricalDistribution(item.values)
        case IntegerRange():
            return IntDistribution(item.low, item.high, log=item.is_log)
        case ContinuousRange():
            if item.scaling is Scaling.REVERSE_LOGARITHMIC:
                return FloatDistribution(1 - item.high, 1 - item.low, log=True)
            return FloatDistribution(item.low, item.high, log=item.is_log)


def encode(item: Range, text: str) -> Any:
    """Return a hyperparameter as a value of its range's distribution; None if it lies outside."""
    if isinstance(item, CategoricalRange):
        return text if text in item.values else None
    try:
        number = float(text)
    except ValueError:
        return None
    if not item.low <= number <= item.high:
        return None
    if isinstance(item, IntegerRange):
        return int(number) if number.is_integer() else None
    if item.scaling is Scaling.REVERSE_LOGARITHMIC:
        return min(max(1 - number, 1 - item.high), 1 - item.low)
    return number


def decode(item: Range, value: Any) -> str:
    """A distribution's value as the string that the script gets: at most 6 significant digits, within the range."""
    match item:
        case CategoricalRange():
            return str(value)
        case IntegerRange():
            return str(int(value))
        case ContinuousRange():
            number = 1 - value if item.scaling is Scaling.REVERSE_LOGARITHMIC else value
            return repr(min(max(float(f"{number:.6g}"), item.low), item.high))


def grid_point(ranges: Sequence[Range], index: int) -> dict[str, str]:
    """Return the hyperparameters at place `index` of the grid over categorical and integer ranges."""
    point: dict[str, str] = {}
    for item in ranges:
        if isinstance(item, CategoricalRange):
            index, place = divmod(index, len(item.values))
            point[item.name] = item.values[place]
        elif isinstance(item, IntegerRange):
            index, place = divmod(index, item.high - item.low + 1)
            point[item.name] = str(item.low + place)
        else:
            raise ValueError(f"{item.name} is continuous and has no grid")
    return point
