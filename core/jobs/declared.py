"""A field of a spec, declared once: its default stands beside its title, help, bounds and option.

The options of the command line, the command that asks for a spec again, rows of the window's forms, the check of
values and JSON are all made from the declaration.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from core.errors import SpecError
from core.translation import tr


@dataclass(frozen=True, slots=True)
class Declared:
    """How a field is asked for. `low` and `high` are inclusive; without `option` the command line has no such option.

    `capability` names what an engine must be able to do: a flag that must be set, a number that is the most, or a tuple
    that must hold the value.
    """

    title: str
    help: str
    option: str = ""
    metavar: str = ""
    low: float | None = None
    high: float | None = None
    suffix: str = ""
    capability: str = ""

    @property
    def hint(self) -> str:
        """Return the help as a sentence of its own."""
        return f"{self.help[0].upper()}{self.help[1:]}."


def declare(default: Any, title: str, help: str, /, **rest: Any) -> Any:
    """Return a dataclass field; a `default` that can be called makes one for each object."""
    declared = {"declared": Declared(title, help, **rest)}
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=declared)
    return dataclasses.field(default=default, metadata=declared)


@cache
def declarations(cls: Any) -> Mapping[str, Declared]:
    """Return how the fields of a spec's class are declared, by name; fields without a declaration are left out."""
    return {item.name: item.metadata["declared"] for item in dataclasses.fields(cls) if "declared" in item.metadata}


def default_of(cls: type[Any], name: str) -> Any:
    """Return the default of a field."""
    item = next(item for item in dataclasses.fields(cls) if item.name == name)
    return item.default if item.default_factory is dataclasses.MISSING else item.default_factory()


@cache
def kind_of(cls: Any, name: str) -> Any:
    """Return the type of a field, that of its values where None is allowed too."""
    return _without_none(_hints(cls)[name])


def check_fields(instance: Any) -> None:
    """Refuse values of the wrong type or out of their declared bounds.

    Raises:
        SpecError: `field` is the one at fault.
    """
    cls: Any = type(instance)
    for name, how in declarations(cls).items():
        value, kind = getattr(instance, name), kind_of(cls, name)
        if value is None or kind not in _A_VALUE:
            continue
        taken = (int, float) if kind is float else kind
        if not isinstance(value, taken) or (isinstance(value, bool) and kind is not bool):
            raise SpecError(f"{how.title} is {value!r}.", fix=f"Give {_A_VALUE[kind]}.", field=name)
        if kind is float and not math.isfinite(value):
            raise SpecError(f"{how.title} is {value}.", fix=tr("Give a finite number."), field=name)
        if how.low is not None and value < how.low:
            raise _beyond(name, how, value, tr("at least {low:,.0f}").format(low=how.low))
        if how.high is not None and value > how.high:
            raise _beyond(name, how, value, tr("at most {high:,.0f}").format(high=how.high))


def check_capabilities(instance: Any, capabilities: Any) -> None:
    """Refuse what an engine cannot do, by the capabilities that the fields name.

    Raises:
        SpecError: `field` is the one at fault.
    """
    cls: Any = type(instance)
    for name, how in declarations(cls).items():
        value = getattr(instance, name)
        if not how.capability or value == default_of(cls, name):
            continue
        able = getattr(capabilities, how.capability)
        if isinstance(able, tuple) and value not in able:
            fix = f"Choose {', '.join(map(str, able))}."
            raise SpecError(
                tr("{title} {value} is not to be had on this engine.").format(title=how.title, value=value),
                fix=fix,
                field=name,
            )
        if able is False:
            raise SpecError(
                tr("{title} is not to be had on this engine.").format(title=how.title),
                fix=tr("Leave it out."),
                field=name,
            )
        if isinstance(able, int) and not isinstance(able, bool) and value > able:
            raise SpecError(
                tr("{title} is {value}, more than the {able} of this engine.").format(
                    title=how.title, value=value, able=able
                ),
                fix=tr("Lower it."),
                field=name,
            )


def to_plain(value: Any, special: Callable[[Any], Any] = lambda value: value) -> Any:
    """Return dataclasses, mappings and tuples as JSON's own kinds; `special` may turn a value into one first."""
    value = special(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_plain(getattr(value, item.name), special) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item, special) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item, special) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


def from_plain(kind: Any, value: Any, special: Mapping[Any, Callable[[Any], Any]] = types.MappingProxyType({})) -> Any:
    """Return what `to_plain` made plain as an object of type `kind`; `special` reads types that need more.

    Missing fields take their defaults and unknown ones are dropped, for another version may have written them.
    """
    kind = _without_none(kind)
    if value is None:
        return None
    if kind in special:
        return special[kind](value)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: from_plain(hints[name], value[name], special) for name in hints if name in value})
    if get_origin(kind) is tuple:
        return tuple(from_plain(get_args(kind)[0], item, special) for item in value)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    return dict(value) if isinstance(value, Mapping) else value


def _beyond(name: str, how: Declared, value: float, limit: str) -> SpecError:
    return SpecError(
        tr("{title} is {value:,}{suffix}.").format(title=how.title, value=value, suffix=how.suffix),
        fix=f"Give {limit}.",
        field=name,
    )


@cache
def _hints(cls: Any) -> dict[str, Any]:
    names = {item.name for item in dataclasses.fields(cls)}
    return {name: hint for name, hint in get_type_hints(cls).items() if name in names}


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
        rest = tuple(part for part in get_args(hint) if part is not type(None))
        return rest[0] if len(rest) == 1 else hint
    return hint


_A_VALUE = {bool: tr("true or false"), int: tr("a whole number"), float: "a number", str: "a text"}
