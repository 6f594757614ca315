"""A hyperparameter as it is being typed: text in every field, checked on the way to a range or a fixed value."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from core.errors import SpecError
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range, Scaling
from core.translation import tr


class Kind(StrEnum):
    """How a hyperparameter is given."""

    CONTINUOUS = "Continuous"
    INTEGER = "Integer"
    CATEGORICAL = "Categorical"
    FIXED = "Fixed"

    @property
    def words(self) -> str:
        """Return its name for people."""
        return {
            Kind.CONTINUOUS: tr("Continuous"),
            Kind.INTEGER: tr("Integer"),
            Kind.CATEGORICAL: tr("Categorical"),
            Kind.FIXED: tr("Fixed"),
        }[self]

    @property
    def has_ends(self) -> bool:
        """Whether it goes from one number to another."""
        return self in (Kind.CONTINUOUS, Kind.INTEGER)


@dataclass(frozen=True, slots=True)
class RangeDraft:
    """One row of the ranges table. `values` holds the choices (comma-separated) or the fixed value."""

    name: str = ""
    kind: Kind = Kind.CONTINUOUS
    low: str = ""
    high: str = ""
    scaling: Scaling = Scaling.AUTO
    values: str = ""

    @classmethod
    def of(cls, item: Range) -> RangeDraft:
        """Return the row that shows a range."""
        match item:
            case CategoricalRange():
                return cls(item.name, Kind.CATEGORICAL, values=", ".join(item.values))
            case IntegerRange():
                return cls(item.name, Kind.INTEGER, str(item.low), str(item.high), item.scaling)
            case ContinuousRange():
                return cls(item.name, Kind.CONTINUOUS, _short(item.low), _short(item.high), item.scaling)

    @classmethod
    def fixed(cls, name: str, value: str) -> RangeDraft:
        """Return the row that shows a fixed value."""
        return cls(name, Kind.FIXED, values=value)

    def build(self) -> Range | str:
        """Return the range, or the fixed value's text.

        Raises:
            SpecError: a field is missing or does not fit; `field` is "name", "low", "high", "scaling" or "values".
        """
        if not self.name.strip():
            raise SpecError(tr("The hyperparameter has no name."), fix=tr("Choose or type one."), field="name")
        try:
            return self._build()
        except SpecError as error:
            field = error.field if error.field in _FIELDS else self._field_at_fault()
            raise SpecError(error.what, error.why, error.fix, field=field) from None

    @property
    def problem(self) -> SpecError | None:
        """Return why `build` would raise, None if it would not."""
        try:
            self.build()
        except SpecError as error:
            return error
        return None

    def _build(self) -> Range | str:
        name = self.name.strip()
        match self.kind:
            case Kind.FIXED:
                if not self.values.strip():
                    raise SpecError(tr("{name} has no value.").format(name=name), fix=tr("Type one."), field="values")
                CategoricalRange(name, ("-",))  # checks the name
                return self.values.strip()
            case Kind.CATEGORICAL:
                return CategoricalRange(name, tuple(part.strip() for part in self.values.split(",") if part.strip()))
            case Kind.INTEGER:
                return IntegerRange(name, self._integer("low"), self._integer("high"), self.scaling)
        return ContinuousRange(name, self._float("low"), self._float("high"), self.scaling)

    def _field_at_fault(self) -> str:
        """Return which field a range's own complaint is about; a range names only the hyperparameter."""
        if not replace(self, kind=Kind.FIXED, values="-")._builds():
            return "name"
        if self.kind.has_ends and replace(self, scaling=Scaling.LINEAR)._builds():
            return "scaling"
        return "high" if self.kind.has_ends else "values"

    def _builds(self) -> bool:
        try:
            self._build()
        except SpecError:
            return False
        return True

    def _integer(self, field: str) -> int:
        text = self._number_text(field)
        try:
            return int(text)
        except ValueError:
            fix = tr("Take the type Continuous for fractions.") if _is_number(text) else ""
            raise SpecError(tr("{text!r} is not a whole number.").format(text=text), fix=fix, field=field) from None

    def _float(self, field: str) -> float:
        text = self._number_text(field)
        if not _is_number(text):
            raise SpecError(
                tr("{text!r} is not a number.").format(text=text), fix=tr("Write it like 0.001 or 1e-3."), field=field
            )
        return float(text)

    def _number_text(self, field: str) -> str:
        text = (self.low if field == "low" else self.high).strip().replace("−", "-")
        if not text:
            what = tr("The range of {name} has no start.") if field == "low" else tr("The range of {name} has no end.")
            raise SpecError(what.format(name=self.name.strip()), fix=tr("Type a number."), field=field)
        return text


_FIELDS = ("name", "low", "high", "scaling", "values")


def sample(item: Range, count: int = 24) -> tuple[tuple[float, str], ...]:
    """Return values that a search could draw, evenly spread under the range's scale.

    Returns (position, text) pairs; position is 0…1 on an axis of that scale from low to high.
    """
    if isinstance(item, CategoricalRange):
        steps = max(1, len(item.values) - 1)
        return tuple((at / steps if len(item.values) > 1 else 0.5, text) for at, text in enumerate(item.values))
    if item.low == item.high:
        return ((0.5, f"{item.low:g}"),)
    if isinstance(item, IntegerRange):
        count = min(count, item.high - item.low + 1)
    values = [_value(item, at / (count - 1)) for at in range(count)]
    if isinstance(item, IntegerRange):
        values = sorted({float(round(value)) for value in values})
    first, last = _on_scale(item, item.low), _on_scale(item, item.high)
    return tuple(((_on_scale(item, value) - first) / (last - first), f"{value:.3g}") for value in values)


def _on_scale(item: ContinuousRange | IntegerRange, value: float) -> float:
    if item.scaling is Scaling.REVERSE_LOGARITHMIC:
        return -math.log(1 - value)
    return math.log(value) if item.is_log else value


def _value(item: ContinuousRange | IntegerRange, unit: float) -> float:
    low, high = float(item.low), float(item.high)
    if item.scaling is Scaling.REVERSE_LOGARITHMIC:
        return 1 - math.exp(math.log(1 - low) + unit * (math.log(1 - high) - math.log(1 - low)))
    if item.is_log:
        return math.exp(math.log(low) + unit * (math.log(high) - math.log(low)))
    return low + unit * (high - low)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _short(value: float) -> str:
    """Return a float as people write it: 0.05, 1e-4, 32."""
    text = f"{value:.12g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.0e}".replace("e-0", "e-") if 0 < abs(value) < 1e-3 and float(f"{value:.0e}") == value else text
