"""Reads the files that experiment trackers keep runs in: JSON lines, MLflow's database, W&B's of runs without network.

Each reader returns {run: {metric: {step: value}}}.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import closing
from pathlib import Path
from typing import Any

from core.debugger.curve_names import STEPS, meaning_of
from core.translation import tr
from training_scripts.debugger.tfevents import message_fields
from training_scripts.outside import UNUSABLE, parse_json, read_json
from training_scripts.regular_files import open_regular, read_regular

Curves = dict[str, dict[int, float]]
"""By metric and step."""
Runs = dict[str, Curves]
"""By run."""
TRAINER = "trainer_state.json"
_FURTHEST = 2**63
"""Above every step."""
_DATABASE = b"SQLite format 3\0"
_COLUMNS: Mapping[str, Set[str]] = {
    "runs": {"run_uuid", "name"},
    "metrics": {"run_uuid", "key", "step", "value", "is_nan", "timestamp"},
}
"""What is read of MLflow's tables; others' have the same names."""
_BLOCK = 32768
"""W&B's files are LevelDB's logs: blocks of this size, after a header of their own."""


def json_lines(file: Path) -> Runs:
    """Read a row for each line, as W&B's exports and many scripts write them; lines of other kinds are skipped."""
    with open_regular(file) as lines:
        return {file.stem: _curves(_rows(lines))}


def latest_state(folder: Path) -> Path | None:
    """Return the Trainer's state that knows most of a training: a checkpoint's has all that was logged before it."""
    states = [folder / TRAINER, *sorted(folder.glob(f"checkpoint-*/{TRAINER}"))]
    return max((state for state in states if state.is_file()), key=_reached, default=None)


def _reached(state: Path) -> int:
    try:
        return step_of(read_json(state)["global_step"]) or 0
    except UNUSABLE:
        return -1


def trainer_state(name: str, file: Path) -> Runs:
    """Read the `log_history` of Hugging Face's Trainer, nothing in JSON of another kind."""
    content = read_json(file)
    history = content.get("log_history") if isinstance(content, dict) else None
    rows = [row for row in history if isinstance(row, dict)] if isinstance(history, list) else []
    return {name: _curves(rows)} if rows else {}


def mlflow_database(file: Path) -> Runs:
    """Read the runs of MLflow's SQLite file, nothing in a database of another kind.

    Raises:
        ValueError: it is damaged.
    """
    with open_regular(file) as opened:
        if opened.read(len(_DATABASE)) != _DATABASE:
            return {}
    found: Runs = {}
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            for table, columns in _COLUMNS.items():
                if not columns <= {row[1] for row in database.execute(f"PRAGMA table_info({table})")}:
                    return {}
            names = {str(run): name for run, name in database.execute("SELECT run_uuid, name FROM runs")}
            rows = database.execute("SELECT run_uuid, key, step, value, is_nan FROM metrics ORDER BY timestamp")
            for run, key, step, value, is_nan in rows:
                if not meaning_of(str(key)):
                    continue
                number, at = float("nan") if is_nan else _as_number(value), step_of(step)
                if number is not None and at is not None:
                    found.setdefault(str(run), {}).setdefault(str(key), {})[at] = number
    except sqlite3.Error as error:
        raise ValueError(tr("the database cannot be read: {error}").format(error=error)) from error
    shown = {run: str(names.get(run) or run) for run in found}
    twice = len(set(shown.values())) < len(shown)
    return {f"{shown[run]} {run[:8]}" if twice else shown[run]: curves for run, curves in found.items()}


def wandb_run(file: Path) -> Runs:
    """Read the history of a run that W&B keeps in a run-….wandb file.

    Raises:
        ValueError: it is another file, or damaged.
    """
    data = read_regular(file)
    if not data.startswith(b":W&B"):
        raise ValueError(tr("it is no run of W&B's"))
    rows = []
    for record in _log_records(data):
        try:
            rows += [_history(content) for number, content in message_fields(record) if number == 2]
        except UNUSABLE as error:
            raise ValueError(tr("a record cannot be read: {error}").format(error=error)) from error
    return {file.stem: _curves(rows)}


def _history(message: bytes) -> dict[str, Any]:
    """Return what one row of the history holds, by metric."""
    row: dict[str, Any] = {}
    for number, content in message_fields(message):
        if number == 1:
            parts = list(message_fields(content))
            name = ".".join(text.decode() for at, text in parts if at in (1, 2))
            if name not in STEPS and not meaning_of(name):
                continue
            value = next((text for at, text in parts if at == 16), b"null")
            row[name] = parse_json(value)
        elif number == 2:
            row.setdefault("_step", dict(message_fields(content)).get(1, 0))
    return row


def _log_records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a LevelDB log; one that is cut short ends it, as in a file that is still written."""
    position, parts = 7, []
    while position + 7 <= len(data):
        left = _BLOCK - position % _BLOCK
        if left < 7:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", data, position + 4)
        content = data[position + 7 : position + 7 + length]
        if len(content) < length or kind == 0:
            return
        position += 7 + length
        parts.append(content)
        if kind in (1, 4):  # whole, or the last part of one
            yield b"".join(parts)
            parts = []


def _rows(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            row = parse_json(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _curves(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    """Return the curves in rows, of which no more is kept than the numbers: there may be gigabytes of other things."""
    kept = [(number, numbers) for number, row in enumerate(rows) if (numbers := _numbers(row))]
    at = next((name for name in STEPS if any(name in numbers for _, numbers in kept)), None)
    curves: dict[str, dict[int, float]] = {}
    for row_number, numbers in kept:
        step = step_of(row_number if at is None else numbers.get(at, row_number))
        for name, value in numbers.items():
            if step is not None and value is not None and meaning_of(name):
                curves.setdefault(name, {})[step] = value
    return curves


def _numbers(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the steps and the numbers with a meaning of a row; {} where there are steps alone."""
    found = {name: _as_number(value) for name, value in row.items() if meaning_of(name)}
    return found and found | {name: _as_number(row[name]) for name in STEPS if name in row}


def step_of(value: Any) -> int | None:
    """Return the step that a cell names; None where that is no number, or one that no training reaches."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if known and abs(value) < _FURTHEST else None


def _as_number(value: Any) -> float | None:
    """Return a number, also one that JSON has no sign for and that is written as a word."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return float("inf")
    return float(value) if value in ("NaN", "Infinity", "-Infinity") else None
