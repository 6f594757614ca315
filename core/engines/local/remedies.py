"""Applies the remedy of a finding to a watched script where that needs no user: in a copy of it, or by an option.

A remedy here is a change of one line that the finding names, or of the learning rate where the command gives it. What
has no such change is left to the user, and said so.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.jobs.records import RuleOutcome
from core.translation import tr

RATE_OPTIONS = ("--lr", "--learning-rate", "--learning_rate")
_SUGGESTED = re.compile(r"\bto ([\d.]+(?:e[-+]?\d+)?) or so")
_STEP = re.compile(r"([\w.\[\]]*optim[\w.\[\]]*)\.step\(")
_WITHIN = 20
"""Lines behind a backward within which the step of its optimizer stands."""


@dataclass(frozen=True)
class Trial:
    """A command with a remedy in it, and what was changed, for people. `folder` is what Python must find first."""

    command: tuple[str, ...]
    change: str
    folder: str = ""


def trial_of(outcome: RuleOutcome, command: Sequence[str], scratch: Path) -> Trial | str:
    """Return the same command with the remedy of a finding, or the reason why it can't be applied here."""
    if outcome.rule in ("UpdateOutOfProportion", "LearningRateTooHigh"):
        return _with_rate(outcome, command)
    change = _CHANGES.get(outcome.rule)
    if change is None:
        return tr("it needs you: there is no change of one line for it")
    file = Path(outcome.file)
    at = next((at for at, word in enumerate(command) if word.endswith(".py") and _same(Path(word), file)), None)
    if at is None or outcome.line is None:
        return tr("the line to change is not in the script that the command starts")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return tr("the script could not be read ({error})").format(error=error)
    if "__file__" in text:
        return tr("the script looks for files beside itself, where a copy is not")
    before = text.splitlines(keepends=True)
    after = change(list(before), outcome.line - 1)
    if after is None:
        return tr("line {line} is not written in a way that can be changed safely").format(line=outcome.line)
    copy = scratch / file.name
    copy.write_text("".join(after), encoding="utf-8")
    shown = "".join(difflib.unified_diff(before, after, str(file), tr("with the remedy"), n=1))
    return Trial((*command[:at], str(copy), *command[at + 1 :]), shown, str(file.resolve().parent))


def _with_rate(outcome: RuleOutcome, command: Sequence[str]) -> Trial | str:
    """Give another learning rate where the command has one: the one that the finding names, else a tenth."""
    for at, word in enumerate(command):
        name, joined, value = word.partition("=")
        if name not in RATE_OPTIONS:
            continue
        value = value if joined else next(iter(command[at + 1 : at + 2]), "")
        try:
            rate = float(value)
        except ValueError:
            continue
        named = _SUGGESTED.search(outcome.advice)
        new = f"{float(named[1]) if named else rate / 10:g}"
        given = (f"{name}={new}",) if joined else (name, new)
        return Trial(
            (*command[:at], *given, *command[at + (1 if joined else 2) :]), f"{name} {new} instead of {value}\n"
        )
    return tr("the command has none of {rate_options}; give your script such an option to try it").format(
        rate_options=", ".join(RATE_OPTIONS)
    )


def _clear(lines: list[str], at: int) -> list[str] | None:
    """Put zero_grad() of the optimizer that steps next before the backward."""
    if ".backward(" not in lines[at]:
        return None
    for line in lines[at : at + _WITHIN]:
        if found := _STEP.search(line):
            indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            return [*lines[:at], f"{indent}{found[1]}.zero_grad()\n", *lines[at:]]
    return None


def _shuffle(lines: list[str], at: int) -> list[str] | None:
    """Ask a DataLoader that is made in one line for another order in every epoch."""
    if "shuffle=False" in lines[at]:
        return [*lines[:at], lines[at].replace("shuffle=False", "shuffle=True"), *lines[at + 1 :]]
    found = re.fullmatch(r"(\s*[\w., ]+ = (?:[\w.]+\.)?DataLoader\()([^()]*)(\)\s*)", lines[at], re.DOTALL)
    if found is None or "sampler" in found[2]:
        return None
    return [*lines[:at], f"{found[1]}{found[2]}, shuffle=True{found[3]}", *lines[at + 1 :]]


def _minimise(lines: list[str], at: int) -> list[str] | None:
    """Take the minus from what goes backward."""
    changed = re.sub(r"\(-(\w+)\)\.backward\(", r"\1.backward(", lines[at])
    return None if changed == lines[at] else [*lines[:at], changed, *lines[at + 1 :]]


_CHANGES: dict[str, Callable[[list[str], int], list[str] | None]] = {
    "GradientsNotCleared": _clear,
    "ShuffleOff": _shuffle,
    "LossMaximised": _minimise,
}


def _same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve()
    except OSError:
        return False
