"""Labels in file names (cat.0.jpg), by a pattern that is proposed with what it gives, and never taken unasked."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from core.errors import DatasetError, Offer
from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.hints import listed
from core.formats.records import Listing, ReadOptions, split_of
from core.formats.source import Collector, Source
from core.translation import tr

_PARTS = {"{label}": "(?P<label>.+?)", "{number}": r"\d+", "{group}": "(?P<group>.+?)", "{split}": "(?P<split>.+?)"}
_TOKENS = re.compile(r"\{[a-z]+\}|\*")

PROPOSED = (
    *("{label}.{number}", "{label}_{number}", "{label}-{number}", "{label} ({number})", "{label} {number}"),
    *("{label}{number}", "*_{label}", "{number}-{label}", "{label}_*", "{label}-*", "{label}.*"),
)
"""Patterns that are tried on file names, the more usual first."""

_MARKS = " ._-()"
_MATCHED, _EACH, _SHOWN = 0.95, 3, 4
"""A pattern is proposed where it fits so many of the names, with so many pictures of each class on average."""


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression for names without their ending; one with a / is for paths.

    Raises:
        DatasetError: it has no {label}, or a placeholder that is not known.
    """
    expression, at = "", 0
    for token in _TOKENS.finditer(pattern):
        expression += re.escape(pattern[at : token.start()])
        if token[0] == "*":
            expression += ".*"
        elif token[0] in _PARTS and f"{_PARTS[token[0]]}" not in expression.replace(r"\d+", ""):
            expression += _PARTS[token[0]]
        else:
            expression = ""
            break
        at = token.end()
    else:
        expression += re.escape(pattern[at:])
    if "(?P<label>" not in expression:
        raise DatasetError(
            tr("{pattern!r} is not a pattern of file names.").format(pattern=pattern),
            tr("It takes {label} once, and may have {number}, {group}, {split} and *."),
            tr("Write for instance {label}.{number} for cat.0.jpg."),
        )
    return re.compile(expression)


def _most_first(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def propose(paths: Iterable[str]) -> list[Offer]:
    """Return the patterns that find classes in file names, each with the classes that it finds; the best first."""
    stems = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    offers: list[Offer] = []
    given: set[frozenset[tuple[str, int]]] = set()
    for pattern in PROPOSED:
        expression = compile_pattern(pattern)
        counts = Counter(found["label"] for stem in stems if (found := expression.fullmatch(stem)))
        total = sum(counts.values())
        if len(counts) < 2 or total < _MATCHED * len(stems) or total < _EACH * len(counts):
            continue
        classes = frozenset((label.strip(_MARKS), count) for label, count in counts.items())
        if all(label.strip(_MARKS).isdigit() for label in counts) or classes in given:
            continue
        given.add(classes)
        shown = listed([f"{label} ({count:,})" for label, count in sorted(counts.items(), key=_most_first)], _SHOWN)
        offers.append(
            Offer(
                tr("Take the class from the file names: {shown}").format(shown=shown), ReadOptions(name_pattern=pattern)
            )
        )
    return offers[:2]


def _sees(source: Source) -> Sequence[str]:
    return [source.options.name_pattern] if source.options.name_pattern else []


def _read(source: Source, _files: Sequence[str]) -> Listing:
    pattern = source.options.name_pattern
    expression, found = compile_pattern(pattern), Collector(source)
    for path in source.index.paths:
        stem = os.path.splitext(path)[0]
        match = expression.fullmatch(stem if "/" in pattern else os.path.basename(stem))
        groups = match.groupdict() if match else {}
        labels = [groups["label"]] if match else []
        found.add(path, labels, split_of(groups.get("split") or ""), groups.get("group"))
    listing = found.listing([], tr("File names: the class is {{label}} in {pattern}.").format(pattern=pattern))
    if not any(example.labels for example in listing.examples):
        some = listed(sorted(os.path.basename(path) for path in source.index.paths), 3)
        raise DatasetError(
            tr("No file name fits the pattern {pattern}.").format(pattern=pattern),
            tr("The names are like {some}.").format(some=some),
            tr("Change it."),
        )
    return listing


FORMAT = DatasetFormat(
    "names",
    tr("Labels in file names"),
    tr(
        "`cat.0.jpg`: a pattern such as `{label}.{number}` says where the class is. One that fits is "
        "proposed with the classes that it finds, and taken when you choose it."
    ),
    tr("Kaggle's Dogs vs. Cats, Oxford-IIIT Pets"),
    Reader(_sees, _read),
)
