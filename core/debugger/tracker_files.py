"""Reads the files that experiment trackers keep runs in: JSON lines, MLflow's database, W&B's of runs without network.

Each reader returns {run: {metric: {step: value}}}.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from core.translation import tr
from training_scripts.debugger.tfevents import message_fields
from training_scripts.outside import UNUSABLE, parse_json, read_json
from training_scripts.regular_files import open_regular, read_regular

Runs = dict[str, dict[str, dict[int, float]]]
STEPS = ("step", "global_step", "_step", "trainer/global_step", "epoch", "iteration", "iter")
"""What a column of steps is called, the surest first."""
_FURTHEST = 2**63
"""Above every step."""
_DATABASE = b"SQLite format 3\0"
_BLOCK = 32768
"""W&B's files are LevelDB's logs: blocks of this size, after a header of their own."""


def json_lines(file: Path) -> Runs:
    """Read a row for each line, as W&B's exports and many scripts write them; lines of other kinds are skipped."""
    rows = []
    for line in read_regular(file).splitlines():
        try:
            row = parse_json(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return {file.stem: _curves(rows)}


def trainer_state(file: Path) -> Runs:
    """Read the `log_history` of Hugging Face's Trainer, nothing in JSON of another kind."""
    content = read_json(file)
    history = content.get("log_history") if isinstance(content, dict) else None
    rows = [row for row in history if isinstance(row, dict)] if isinstance(history, list) else []
    return {file.parent.name or file.stem: _curves(rows)} if rows else {}


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
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"runs", "metrics"} <= tables:
                return {}
            names = {str(run): name for run, name in database.execute("SELECT run_uuid, name FROM runs")}
            rows = database.execute("SELECT run_uuid, key, step, value, is_nan FROM metrics ORDER BY timestamp")
            for run, key, step, value, is_nan in rows:
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
            keys = [text.decode() for at, text in parts if at in (1, 2)]
            value = next((text for at, text in parts if at == 16), b"null")
            row[".".join(keys)] = parse_json(value)
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


def _curves(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, float]]:
    rows = list(rows)
    at = next((name for name in STEPS if any(name in row for row in rows)), None)
    curves: dict[str, dict[int, float]] = {}
    for number, row in enumerate(rows):
        step = step_of(row.get(at, number) if at is not None else number)
        if step is None:
            continue
        for name, value in row.items():
            number_in = _as_number(value)
            if name != at and number_in is not None:
                curves.setdefault(name, {})[step] = number_in
    return curves


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
