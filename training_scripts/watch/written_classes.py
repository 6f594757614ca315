"""Lists of classes that are written in a script itself, and turn the numbers of answers into names."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import NamedTuple

_OF_ANSWERS = re.compile(r"pred|label|target|argmax|class|^idx$|^index$|^top|answer|guess|^y$|winner", re.IGNORECASE)
"""Names of what holds the number of a class. One that only counts places in a list has another: i, at, row."""
_OF_CLASSES = re.compile(f"{_OF_ANSWERS.pattern}|prob|score|logit|softmax|output", re.IGNORECASE)
"""Names of what has a number for each class, so that its places are numbers of classes."""
_COUNTS = frozenset({"enumerate", "range"})
_MOST_BYTES = 1 << 20


class Written(NamedTuple):
    """A list or dictionary in a script: its name, its classes in the order of their numbers, and the line."""

    name: str
    classes: list[str]
    line: int


def written_classes(file: str, classes: Collection[str]) -> list[Written]:
    """Return the lists of these classes in a script that are asked for the name of an answer."""
    return [item for item in _written(file) if set(item.classes) == set(classes)]


@lru_cache(maxsize=4)
def _written(file: str) -> tuple[Written, ...]:
    try:
        with open(file, "rb") as opened:
            tree = ast.parse(opened.read(_MOST_BYTES))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ()
    asked = set(_asked(tree))
    return tuple(item for item in _lists(tree) if item.name in asked)


def _lists(tree: ast.AST) -> Iterator[Written]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            classes = _classes(node.value)
            for target in targets if classes else ():
                if isinstance(target, ast.Name | ast.Attribute):
                    yield Written(_name(target), classes, node.lineno)


def _classes(value: ast.expr) -> list[str]:
    """Return the names in a literal list, or in a dictionary of numbers from 0 on; else nothing."""
    try:
        found = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return []
    if isinstance(found, dict):
        names = [found[number] for number in range(len(found)) if number in found]
        found = names if len(names) == len(found) else []
    if not isinstance(found, list | tuple) or len(found) < 2 or not all(isinstance(name, str) for name in found):
        return []
    return list(found)


def _asked(tree: ast.AST) -> Iterator[str]:
    """Yield the names of what is asked by the number of an answer."""
    numbers, places = set(_loop_names(tree)), set(_places(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name | ast.Attribute):
            names = {_name(item) for item in _named(node.slice) if item not in places}
            if names & numbers or any(_OF_ANSWERS.search(name) for name in names):
                yield _name(node.value)


def _loop_names(tree: ast.AST) -> Iterator[str]:
    """Yield what goes through answers: `for i in predictions.tolist()`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.For | ast.comprehension) or not isinstance(node.target, ast.Name):
            continue
        if any(_OF_ANSWERS.search(name) for name in _names(node.iter)):
            yield node.target.id


def _places(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield where a loop asks for the number of its round, whatever that is called, but for one over answers."""
    for node in ast.walk(tree):
        loops = [node] if isinstance(node, ast.For) else getattr(node, "generators", ())
        for loop in loops:
            target, over = loop.target, loop.iter
            counts = isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id in _COUNTS
            if not counts or any(_OF_CLASSES.search(name) for name in _names(over)):
                continue
            first = target.elts[0] if isinstance(target, ast.Tuple) else target
            yield from (item for item in _named(node) if isinstance(first, ast.Name) and _name(item) == first.id)


def _names(tree: ast.AST) -> Iterator[str]:
    return (_name(node) for node in _named(tree))


def _named(tree: ast.AST) -> Iterator[ast.Name | ast.Attribute]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute))


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr
