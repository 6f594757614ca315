"""The options that the declared fields of a spec have, what was given with them, and the words that give it again."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, get_origin

from core.errors import UsageError
from core.jobs.declared import Declared, declarations, default_of, kind_of
from core.translation import tr

_ESCAPED = re.compile(r"\\([\\=])")
_PARTED = re.compile(r"((?:\\[\\=]|[^=])*)=(.*)", re.DOTALL)


def add_options(group: Any, cls: type) -> None:
    """Add an option for every declared field that has one; without it the namespace holds None."""
    for name, how in declarations(cls).items():
        if not how.option:
            continue
        default = default_of(cls, name)
        kind = kind_of(cls, name)
        if kind is bool:
            group.add_argument(how.option, dest=name, action="store_const", const=not default, help=how.help)
        elif isinstance(kind, type) and not get_origin(kind):
            read = _choice(kind) if issubclass(kind, StrEnum) else kind
            text = _help(how, default)
            group.add_argument(how.option, dest=name, type=read, metavar=how.metavar, help=text)
        else:
            group.add_argument(how.option, dest=name, action="append", metavar=how.metavar, help=how.help)


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a dataset is, and how it is read."""
    from core.formats.records import ReadOptions

    text = tr("more folders, files of labels or archives, which are one dataset with it; nothing is copied")
    parser.add_argument("--also", action="extend", nargs="+", metavar="FOLDER", help=text)
    add_options(parser, ReadOptions)


def given(options: argparse.Namespace, cls: type) -> dict[str, Any]:
    """Return the fields of a spec's class that were given, by name.

    Raises:
        UsageError: one cannot be read.
    """
    found: dict[str, Any] = {}
    for name, how in declarations(cls).items():
        value = getattr(options, name, None) if how.option else None
        if value is None:
            continue
        if isinstance(value, list):
            pairs = get_origin(kind_of(cls, name)) is not tuple
            value = dict(split_pair(text, f"{how.option} {how.metavar}") for text in value) if pairs else tuple(value)
        found[name] = value
    return found


def words(instance: Any, always: Iterable[str] = ()) -> list[str]:
    """Return the options that give an object's fields: those that are not at their default, and the ones `always`."""
    found: list[str] = []
    cls: Any = type(instance)
    for name, how in declarations(cls).items():
        value, default = getattr(instance, name), default_of(cls, name)
        if not how.option or (value == default and name not in always):
            continue
        if isinstance(value, bool):
            found.append(how.option)
        elif isinstance(value, Mapping):
            found += [word for pair in value.items() for word in option_words(how.option, join_pair(*pair))]
        elif isinstance(value, tuple):
            found += [word for item in value for word in option_words(how.option, item)]
        else:
            found += option_words(how.option, repr(value) if isinstance(value, float) else str(value))
    return found


def option_words(option: str, value: str) -> list[str]:
    """Return an option with its value; one that begins like an option is tied to it."""
    return [f"{option}={value}"] if value.startswith("-") else [option, value]


def split_pair(text: str, usage: str) -> tuple[str, str]:
    r"""Read NAME=VALUE; a name that holds = or \ has a \ before them.

    Raises:
        UsageError: there is no name, or no value.
    """
    found = _PARTED.fullmatch(text)
    if found is None or not found[1]:
        raise UsageError(tr("{text!r} cannot be read.").format(text=text), fix=f"Write {usage}.")
    return _ESCAPED.sub(r"\1", found[1]), found[2]


def join_pair(name: str, value: str) -> str:
    """Return the NAME=VALUE that `split_pair` reads."""
    escaped = re.sub(r"\\(?=[\\=]|\Z)|=", lambda found: f"\\{found[0]}", name)
    return f"{escaped}={value}"


def _help(how: Declared, default: Any) -> str:
    return how.help if default in (None, "") or "default" in how.help else f"{how.help} (default {default})"


def _choice(kind: type[StrEnum]) -> Any:
    def read(text: str) -> StrEnum:
        for value in kind:
            if value.lower() == text.lower():
                return value
        raise argparse.ArgumentTypeError(tr("{text!r} is none of {kind}").format(text=text, kind=", ".join(kind)))

    return read
