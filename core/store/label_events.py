"""The table of label events: append-only, one transaction an action."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

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
