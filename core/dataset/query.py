"""What can be asked of a dataset's pictures: which to show, by what they are, and in which order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.translation import tr


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be chosen for the grid: a word for programs, one for people, and what it means."""

    key: str
    title: str
    help: str


TRAITS = (
    Choice("unlabelled", tr("Unlabelled"), tr("Pictures without a class")),
    Choice("suspect", tr("Suspects"), tr("Pictures that look like another class than their own")),
    Choice("duplicate", tr("Duplicates"), tr("Pictures that show the same as another one")),
    Choice("odd", tr("Odd"), tr("Pictures that look like none of the others")),
    Choice("quality", tr("Quality"), tr("Blurred, dark, blank, tiny or very long pictures")),
    Choice("group", tr("Groups"), tr("Pictures taken together, which one split should hold together")),
    Choice("left_out", tr("Left out"), tr("Pictures that no training sees; they show only here")),
)
"""What a picture can be, which filters by it."""

UNLABELLED, LEFT_OUT = "unlabelled", "left_out"
FOUND_BY_CHECK = ("suspect", "duplicate", "odd", "quality")

ORDERS = (
    Choice("class", tr("Class"), tr("A section for each class, its look-alikes side by side")),
    Choice("similarity", tr("Similarity"), tr("Pictures that look alike side by side, whatever their class")),
    Choice("suggestion", tr("Suggestion"), tr("By the class that the labels so far suggest, the surest first")),
    Choice("time", tr("Time"), tr("By the day on which the file was last changed, the latest first")),
    Choice("name", tr("Name"), tr("By path")),
)
"""The ways to sort the pictures, in sections."""


@dataclass(frozen=True, slots=True)
class Pick:
    """Certain pictures and why these; `ranked` keeps them in the order given."""

    title: str
    paths: tuple[str, ...]
    ranked: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What to show; None and empty let everything through. A `label` of "" stands for no class."""

    label: str | None = None
    split: str | None = None
    traits: frozenset[str] = frozenset()
    text: str = ""
    pick: Pick | None = None
    order: str = "class"


@dataclass(frozen=True, slots=True)
class Section:
    """A run of rows under one header: `first` to `first + count - 1`. `label` is the class that it stands for."""

    title: str
    first: int
    count: int
    label: str | None = None


def in_order(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Return the key by which people sort names: "class 9" before "class 10", whatever the case."""
    parts = [part for part in re.split(r"(\d+)", name.casefold()) if part]
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts], name
