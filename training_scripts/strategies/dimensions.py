"""What is searched, as Optuna's distributions, and hyperparameters as the strings that a script gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


@dataclass(frozen=True, slots=True)
class Dimension:
    """One searched hyperparameter: one of `values`, or a number in [low, high] where there are none.

    `is_log`: the logarithm is searched. `is_reversed`: that of 1 - x, which resolves 0.9, 0.99, 0.999.
    """

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_integer: bool = False
    is_log: bool = False
    is_reversed: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Dimension:
        """Return what `dataclasses.asdict` made plain."""
        return cls(**{**data, "values": tuple(data["values"])})

    @property
    def count(self) -> int | None:
        """Return how many values it has; None for a continuous one."""
        if self.values:
            return len(self.values)
        return int(self.high) - int(self.low) + 1 if self.is_integer else None

    def distribution(self) -> BaseDistribution:
        """Return the distribution that Optuna draws from."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.values:
            return CategoricalDistribution(self.values)
        if self.is_integer:
            return IntDistribution(int(self.low), int(self.high), log=self.is_log)
        if self.is_reversed:
            return FloatDistribution(1 - self.high, 1 - self.low, log=True)
        return FloatDistribution(self.low, self.high, log=self.is_log)

    def encode(self, text: str) -> Any:
        """Return a hyperparameter as a value of the distribution; None if it is outside."""
        if self.values:
            return text if text in self.values else None
        try:
            number = float(text)
        except ValueError:
            return None
        if not self.low <= number <= self.high:
            return None
        if self.is_integer:
            return int(number) if number.is_integer() else None
        if self.is_reversed:
            return min(max(1 - number, 1 - self.high), 1 - self.low)
        return number

    def decode(self, value: Any) -> str:
        """Return a distribution's value as the string that a script gets: up to 6 significant digits, in the range."""
        if self.values:
            return str(value)
        if self.is_integer:
            return str(int(value))
        number = 1 - value if self.is_reversed else value
        return repr(min(max(float(f"{number:.6g}"), self.low), self.high))


def encoded(dimensions: Sequence[Dimension], hyperparameters: Mapping[str, str]) -> dict[str, Any] | None:
    """Return hyperparameters as Optuna has them; None where one is missing or is outside."""
    values = {item.name: item.encode(hyperparameters.get(item.name, "")) for item in dimensions}
    return None if None in values.values() else values


def grid_size(dimensions: Sequence[Dimension]) -> int | None:
    """Return how many points the grid has; None where one dimension is continuous."""
    total = 1
    for item in dimensions:
        if item.count is None:
            return None
        total *= item.count
    return total


def grid_point(dimensions: Sequence[Dimension], index: int) -> dict[str, str]:
    """Return the hyperparameters at place `index` of the grid."""
    point: dict[str, str] = {}
    for item in dimensions:
        if item.count is None:
            raise ValueError(f"{item.name} is continuous and has no grid")
        index, place = divmod(index, item.count)
        point[item.name] = item.values[place] if item.values else str(int(item.low) + place)
    return point
