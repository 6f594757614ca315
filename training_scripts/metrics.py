"""The lines that train.py prints and the metric definitions that read them back. No torch here."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Match(Protocol):
    """What a search of `re` or of the `regex` package finds."""

    def span(self, group: int, /) -> tuple[int, int]:
        """Return where a group is; (-1, -1) where it took no part."""


_NUMBER = r"([-+0-9.e]+|nan|inf)"
BATCH_LOSS = "train:batch_loss"


@dataclass(frozen=True)
class Metric:
    """What train.py prints of a metric: the first group of `regex` is its value in a line of the log.

    Attributes:
        maximize: whether more is better.
        per_step: whether it comes once in some steps, not once an epoch.
    """

    name: str
    regex: str
    maximize: bool = False
    per_step: bool = False


METRICS = (
    Metric("Average loss", r"Average loss: ([0-9\.]+)"),
    Metric("train:loss", rf"train_loss={_NUMBER}"),
    Metric("train:accuracy", rf"train_accuracy={_NUMBER}", maximize=True),
    Metric("valid:loss", rf"valid_loss={_NUMBER}"),
    Metric("valid:accuracy", rf"valid_accuracy={_NUMBER}", maximize=True),
    Metric(BATCH_LOSS, rf"batch_loss={_NUMBER}", per_step=True),
    Metric("cv:loss", rf"cv_loss={_NUMBER}"),
    Metric("cv:loss_error", rf"cv_loss_error={_NUMBER}"),
    Metric("cv:accuracy", rf"cv_accuracy={_NUMBER}", maximize=True),
    Metric("cv:accuracy_error", rf"cv_accuracy_error={_NUMBER}"),
    Metric("test:loss", rf"test_loss={_NUMBER}"),
    Metric("test:accuracy", rf"test_accuracy={_NUMBER}", maximize=True),
)
METRIC_DEFINITIONS: dict[str, str] = {metric.name: metric.regex for metric in METRICS}
"""Metric name -> regular expression."""

STEP_METRICS = frozenset(metric.name for metric in METRICS if metric.per_step)

COUNT_METRICS = frozenset(("valid:count", "valid:right", "test:count"))
"""How many pictures an accuracy is of, and of valid how many the model that is kept has right: what `counts_in` finds.

Kept as metrics are, but they measure nothing, so none that is searched or shown can have such a name.
"""

_COUNT = re.compile(r"(?<![\w.])(valid_count|valid_right|test_count)=(\d{1,9})(?![\w.])")
_WEAKEST = re.compile(r'(?<![\w.])weakest=("(?:[^"\\]|\\.)*")\s*$')
_SIGNS = str.maketrans({"=": "\\u003d", ":": "\\u003a"})


EPOCH = re.compile(r"(?<![\w.])epoch=(\d{1,9})(?:/(\d{1,9}))?(?![\w.])")
"""Where a line says which epoch it is of, and of how many."""

_BEGINS = re.compile(r"(?:^|\s)(?:Going on after epoch (\d{1,9}), from the checkpoint|Beginning with epoch 1)\.\s*$")

_NOT_FINITE = re.compile(r"(?<![\w.])[-+]?(?:nan|inf(?:inity)?)(?![\w.])", re.IGNORECASE)
Found = tuple[float | None, str, tuple[int, int]]
"""A value (None: no number), its text and its span in the line."""


def find_value(search: Callable[[str], Match | None], line: str) -> Found | None:
    """Return what an expression finds in a line; `search` looks for it. A nan or inf counts where it takes numbers.

    `Average loss: ([0-9\\.]+)` cannot match "Average loss: nan", yet a diverged loss must not look like a missing one:
    such words are searched as digits of the same length.
    """
    found = _first_group(search, line, line)
    if (found is None or found[0] is None) and _NOT_FINITE.search(line):
        digits = _NOT_FINITE.sub(lambda word: "0" * len(word[0]), line)
        found = _first_group(search, digits, line) or found
    return found


def value_in(search: Callable[[str], Match | None], line: str) -> float | None:
    """Return the value alone; None where there is none, or no number."""
    found = find_value(search, line)
    return None if found is None else found[0]


def _first_group(search: Callable[[str], Match | None], searched: str, line: str) -> Found | None:
    """Return what the first group finds in `searched`, read from `line`."""
    match = search(searched)
    if match is None or match.span(1) == (-1, -1):
        return None
    start, end = match.span(1)
    text = line[start:end]
    try:
        return float(text), text, (start, end)
    except ValueError:
        return None, text, (start, end)


def counts_in(line: str) -> dict[str, float]:
    """Return the `COUNT_METRICS` that a line says."""
    return {name.replace("_", ":"): float(count) for name, count in _COUNT.findall(line)}


def weakest_in(line: str) -> str | None:
    """Return which class a line says is recognised least often, "" where all always are; None where it says nothing."""
    found = _WEAKEST.search(line)
    try:
        return None if found is None else str(json.loads(found[1]))
    except ValueError:
        return None


def write_whole_lines() -> None:
    """Make this process write each line of its output at once.

    A job and its watcher write to one log. With PYTHONUNBUFFERED, which SageMaker's containers set, Python writes a
    line and its end apart, and the other's line may come between: then neither can be read.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, write_through=False)


def begin_line(after: int) -> str:
    """Return the line that says where a training begins, or begins again: after which epoch, 0 for none."""
    return f"Going on after epoch {after}, from the checkpoint." if after else "Beginning with epoch 1."


def begins_with(line: str) -> int | None:
    """Return with which epoch a training begins, or begins again, by the line that says so; None for any other.

    What it has said before of that epoch and of those after it comes once more.
    """
    found = _BEGINS.search(line)
    return None if found is None else int(found[1] or 0) + 1


def epoch_line(
    epoch: int,
    epochs: int,
    train: tuple[float, float],
    valid: tuple[float, float] | None,
    learning_rate: float | None,
    seconds: float,
) -> str:
    """Return the line of one epoch; `train` and `valid` are (loss, accuracy), `learning_rate` None where there is none.

    "Average loss" is the valid loss, or the train loss where there are no valid pictures.
    """
    parts = [
        f"epoch={epoch}/{epochs}",
        f"Average loss: {(valid or train)[0]:.6f}",
        f"train_loss={train[0]:.6f} train_accuracy={train[1]:.6f}",
    ]
    if valid is not None:
        parts.append(f"valid_loss={valid[0]:.6f} valid_accuracy={valid[1]:.6f}")
    if learning_rate is not None:
        parts.append(f"learning_rate={learning_rate:.8f}")
    parts.append(f"seconds={seconds:.2f}")
    return " ".join(parts)


def step_line(step: int, epoch: int, loss: float) -> str:
    """Return the line of one training step; steps count from 1 through the whole job."""
    return f"step={step} epoch={epoch} batch_loss={loss:.6f}"


def cv_line(folds: int, loss: tuple[float, float], accuracy: tuple[float, float]) -> str:
    """Return the line of a cross-validation; `loss` and `accuracy` are each a mean and its standard error."""
    return (
        f"epoch=1/1 folds={folds} cv_loss={loss[0]:.6f} cv_loss_error={loss[1]:.6f} "
        f"cv_accuracy={accuracy[0]:.6f} cv_accuracy_error={accuracy[1]:.6f}"
    )


def valid_line(count: int, right: int, weakest: str) -> str:
    """Return the line that says of how many valid pictures the epochs' figures are.

    `right` are those of the model that is kept, which need not be the last epoch's; `weakest` is the class that it
    recognises least often.
    """
    return f"valid_count={count} valid_right={right} {_weakest(weakest)}"


def test_line(loss: float, accuracy: float, count: int, weakest: str) -> str:
    """Return the last line: the saved model on the test pictures."""
    return f"test_loss={loss:.6f} test_accuracy={accuracy:.6f} test_count={count} {_weakest(weakest)}"


def _weakest(label: str) -> str:
    """Return a class's name at the end of a line, in which no expression finds a metric's value."""
    return f"weakest={json.dumps(label).translate(_SIGNS)}"
