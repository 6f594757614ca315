"""Hyperparameter ranges with SageMaker's types, scaling types and limits.

Limits are those of CreateHyperParameterTuningJob: at most 30 searched hyperparameters, 30 values a categorical one;
Logarithmic needs values above 0, ReverseLogarithmic is for continuous ranges in [0, 1).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.errors import SpecError
from core.translation import tr
from training_scripts.strategies.dimensions import Dimension, grid_size

MAX_SEARCHED = 30
MAX_CATEGORICAL_VALUES = 30


class Scaling(StrEnum):
    """How a range is spread out for the search."""

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


_SHORT_SCALING = {
    "auto": Scaling.AUTO,
    "lin": Scaling.LINEAR,
    "linear": Scaling.LINEAR,
    "log": Scaling.LOGARITHMIC,
    "logarithmic": Scaling.LOGARITHMIC,
    "reverselog": Scaling.REVERSE_LOGARITHMIC,
    "reverselogarithmic": Scaling.REVERSE_LOGARITHMIC,
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class ContinuousRange:
    """Any float in [low, high].

    Raises:
        SpecError: the ends or the scaling do not fit together.
    """

    name: str
    low: float
    high: float
    scaling: Scaling = Scaling.AUTO

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_ends(self.name, self.low, self.high, self.scaling)
        if self.scaling is Scaling.REVERSE_LOGARITHMIC and not 0 <= self.low <= self.high < 1:
            raise SpecError(
                tr("The range of {name} cannot be ReverseLogarithmic.").format(name=self.name),
                tr("That scaling needs 0 <= from and to < 1."),
                tr("Change the ends or take Linear."),
                field=self.name,
            )

    @property
    def is_log(self) -> bool:
        """Whether the search runs over the logarithm (Auto: when the ends are 100-fold apart)."""
        return _is_log(self.low, self.high, self.scaling)

    @property
    def dimension(self) -> Dimension:
        """Return what the search draws from."""
        backwards = self.scaling is Scaling.REVERSE_LOGARITHMIC
        return Dimension(self.name, low=self.low, high=self.high, is_log=self.is_log, is_reversed=backwards)


@dataclass(frozen=True, slots=True)
class IntegerRange:
    """Any integer in [low, high].

    Raises:
        SpecError: the ends or the scaling do not fit together.
    """

    name: str
    low: int
    high: int
    scaling: Scaling = Scaling.AUTO

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_ends(self.name, self.low, self.high, self.scaling)
        if self.scaling is Scaling.REVERSE_LOGARITHMIC:
            raise SpecError(
                tr("The range of {name} cannot be ReverseLogarithmic.").format(name=self.name),
                tr("That scaling is for continuous ranges."),
                tr("Take Linear or Logarithmic."),
                field=self.name,
            )

    @property
    def is_log(self) -> bool:
        """Whether the search runs over the logarithm (Auto: when the ends are 100-fold apart)."""
        return _is_log(self.low, self.high, self.scaling)

    @property
    def dimension(self) -> Dimension:
        """Return what the search draws from."""
        return Dimension(self.name, low=self.low, high=self.high, is_integer=True, is_log=self.is_log)


@dataclass(frozen=True, slots=True)
class CategoricalRange:
    """One of some values, kept as strings as the API does.

    Raises:
        SpecError: no value, a value twice, or too many.
    """

    name: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not self.values:
            raise SpecError(
                tr("The range of {name} has no values.").format(name=self.name), fix=tr("Add one."), field=self.name
            )
        if len(set(self.values)) != len(self.values):
            raise SpecError(
                tr("The range of {name} has a value twice.").format(name=self.name),
                fix=tr("Remove one."),
                field=self.name,
            )
        if len(self.values) > MAX_CATEGORICAL_VALUES:
            raise SpecError(
                tr("The range of {name} has {values} values.").format(name=self.name, values=len(self.values)),
                tr("At most {max_categorical_values} are allowed.").format(
                    max_categorical_values=MAX_CATEGORICAL_VALUES
                ),
                tr("Remove some."),
                field=self.name,
            )

    @property
    def dimension(self) -> Dimension:
        """Return what the search draws from."""
        return Dimension(self.name, self.values)


Range = ContinuousRange | IntegerRange | CategoricalRange


def combinations(ranges: Sequence[Range]) -> int | None:
    """Return how many points a grid over `ranges` has; None when one of them is continuous.

    The local engine grids integers too; SageMaker's Grid strategy takes categorical ranges only.
    """
    return grid_size([item.dimension for item in ranges])


def parse_range(text: str) -> Range:
    """Read `name=integer:32:128[:scaling]`, `name=continuous:1e-4:5e-2[:log]` or `name=categorical:a,b,c`.

    Raises:
        SpecError: the text is none of them, or the range is invalid.
    """
    name, equals, rest = text.partition("=")
    kind, colon, value = rest.partition(":")
    if not equals or not colon:
        raise _unreadable(text, name)
    kind = kind.strip().lower()
    if kind == "categorical":
        return CategoricalRange(name.strip(), _values(value))
    parts = value.split(":")
    if kind not in ("integer", "continuous") or len(parts) not in (2, 3):
        raise _unreadable(text, name)
    scaling = _SHORT_SCALING.get(parts[2].strip().lower()) if len(parts) == 3 else Scaling.AUTO
    if scaling is None:
        raise _unreadable(text, name)
    try:
        if kind == "integer":
            return IntegerRange(name.strip(), int(parts[0]), int(parts[1]), scaling)
        return ContinuousRange(name.strip(), float(parts[0]), float(parts[1]), scaling)
    except ValueError:
        raise _unreadable(text, name) from None


def _values(text: str) -> tuple[str, ...]:
    """Read the values of a categorical range: parted by commas, or a JSON list of strings."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and found and all(isinstance(value, str) for value in found):
            return tuple(found)
    return tuple(part.strip() for part in text.split(",") if part.strip())


def format_range(item: Range) -> str:
    """Return the text that `parse_range` reads back as `item`."""
    match item:
        case CategoricalRange():
            plain = ",".join(item.values)
            text = plain if _values(plain) == item.values else json.dumps(item.values, ensure_ascii=False)
            return f"{item.name}=categorical:{text}"
        case IntegerRange():
            return f"{item.name}=integer:{item.low}:{item.high}:{item.scaling.lower()}"
        case ContinuousRange():
            return f"{item.name}=continuous:{item.low!r}:{item.high!r}:{item.scaling.lower()}"


def range_to_json(item: Range) -> dict[str, Any]:
    """Return a range as plain JSON, read back by `range_from_json`."""
    match item:
        case CategoricalRange():
            return {"type": "Categorical", "name": item.name, "values": list(item.values)}
        case IntegerRange() | ContinuousRange():
            kind = "Integer" if isinstance(item, IntegerRange) else "Continuous"
            return {"type": kind, "name": item.name, "low": item.low, "high": item.high, "scaling": str(item.scaling)}


def range_from_json(data: Mapping[str, Any]) -> Range:
    """Return the inverse of `range_to_json`."""
    match data["type"]:
        case "Categorical":
            return CategoricalRange(data["name"], tuple(data["values"]))
        case "Integer":
            return IntegerRange(data["name"], int(data["low"]), int(data["high"]), Scaling(data["scaling"]))
        case "Continuous":
            return ContinuousRange(data["name"], float(data["low"]), float(data["high"]), Scaling(data["scaling"]))
    raise SpecError(
        tr("{type!r} is not a type of range.").format(type=data["type"]),
        fix=tr("Use Integer, Continuous or Categorical."),
    )


def _is_log(low: float, high: float, scaling: Scaling) -> bool:
    if scaling is Scaling.AUTO:
        return low > 0 and high / low >= 100
    return scaling is Scaling.LOGARITHMIC


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise SpecError(
            tr("{name!r} cannot be the name of a hyperparameter.").format(name=name),
            tr("A name is made of letters, digits and underscores, and does not start with a digit."),
            tr("Rename it."),
            field=name,
        )


def _check_ends(name: str, low: float, high: float, scaling: Scaling) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SpecError(
            tr("The range of {name} has an end that is not a finite number.").format(name=name),
            fix="Give a number.",
            field=name,
        )
    if low > high:
        raise SpecError(
            tr("The range of {name} ends before it starts.").format(name=name),
            tr("{low} is above {high}.").format(low=low, high=high),
            tr("Swap the two."),
            field=name,
        )
    if scaling is Scaling.LOGARITHMIC and low <= 0:
        raise SpecError(
            tr("The range of {name} cannot be Logarithmic.").format(name=name),
            tr("A logarithmic scale has no zero and nothing below it."),
            tr("Start above 0, or take Linear."),
            field=name,
        )


def _unreadable(text: str, name: str) -> SpecError:
    return SpecError(
        tr("{text!r} is not a range.").format(text=text),
        fix=tr("Write name=integer:32:128, name=continuous:1e-4:5e-2:log or name=categorical:sgd,adam."),
        field=name.strip(),
    )
