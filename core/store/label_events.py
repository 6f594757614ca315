"""The table of label events: append-only, one transaction an action."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence, Set

from core.labels.events import Kind, LabelEvent, names_from_column, names_to_column
from core.store.database import Database

_COLUMNS = "number, action, kind, before, after, sha256, path, source, time"


def read_events(database: Database, dataset: str, since: int = 0) -> list[LabelEvent]:
    """Return the events of a dataset after a number, oldest first."""
    rows = database.read(
        f"SELECT {_COLUMNS} FROM label_events WHERE dataset = ? AND number > ? ORDER BY number", (dataset, since)
    )
    return [_event(row) for row in rows]


def append_events(database: Database, dataset: str, events: Sequence[LabelEvent]) -> None:
    """Keep events of one action, all or none, on the disk when this returns; events that are kept already stay once.

    Raises:
        NoRoom: the disk is full; nothing of them is kept.
    """
    rows = [
        (
            dataset,
            event.action,
            position,
            str(event.kind),
            names_to_column(event.before),
            names_to_column(event.after),
            event.sha256,
            event.path,
            event.source,
            event.time,
        )
        for position, event in enumerate(events)
    ]
    with database.write(flushed=True) as connection:
        connection.executemany(
            "INSERT INTO label_events (dataset, action, position, kind, before, after, sha256, path, source,"
            " time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (action, position) DO NOTHING",
            rows,
        )


def datasets_with(database: Database, sha256s: Set[str]) -> Mapping[str, tuple[int, int]]:
    """Return, by dataset with events of these pictures, of how many of them and of how many pictures it has any."""
    total, found = Counter[str](), Counter[str]()
    for row in database.read("SELECT DISTINCT dataset, sha256 FROM label_events WHERE sha256 != ''"):
        total[row["dataset"]] += 1
        found[row["dataset"]] += row["sha256"] in sha256s
    return {dataset: (count, total[dataset]) for dataset, count in found.items() if count}


def _event(row: sqlite3.Row) -> LabelEvent:
    return LabelEvent(
        row["action"],
        Kind(row["kind"]),
        names_from_column(row["before"]),
        names_from_column(row["after"]),
        row["sha256"],
        row["path"],
        row["source"],
        row["time"],
        row["number"],
    )
