"""Labels once more, outside of the database: an append-only file for each dataset, from which a lost one is filled.

The database is what counts; the file follows it. A line is one action: `{"action", "events"}`, the first line of a file
names the dataset. What is in the file and not in the database is brought back when the dataset's labels are first read,
each action once, whatever ended in between.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from core.labels.events import Kind, LabelEvent
from core.locks import lock_of
from core.store.database import Database
from core.store.label_events import append_events, read_events
from core.translation import tr
from training_scripts.durable import flush

_logger = logging.getLogger(__name__)
_WAIT_S = 60.0


class LabelJournal:
    """The files of one home. Thread-safe as far as the database is; processes take turns."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder, self._database = folder, database
        self._seen: dict[str, tuple[int, int]] = {}
        """By dataset: how long its file was when we last wrote or read it, and the last event that is in it."""

    @contextmanager
    def following(self, dataset: str) -> Iterator[None]:
        """Let labels be changed in the block, and write to the file what the database has of them after it.

        A file that cannot be written is not a failure: the database has them, and the next change tries again.
        """
        self.restore(dataset)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock_of(self._file(dataset), _WAIT_S, tr("The labels cannot be changed")):
            yield
            self._follow(dataset)

    def restore(self, dataset: str) -> int:
        """Bring back what the database does not know of a dataset's labels; returns how many actions that were."""
        if dataset in self._seen:
            return 0
        actions, size = _read(self._file(dataset))
        last = 0
        known = set()
        for event in read_events(self._database, dataset):
            known.add(event.action)
            last = event.number if event.action in actions else last
        missing = [events for action, events in actions.items() if action not in known]
        if missing:
            with self._database.write(flushed=True):
                for events in missing:
                    append_events(self._database, dataset, events)
            last = max(last, *(event.number for event in read_events(self._database, dataset)))
            _logger.warning("Labels of %s were brought back: %d actions.", dataset, len(missing))
        self._seen[dataset] = (size, last)
        return len(missing)

    def restore_all(self) -> None:
        """Bring back the labels of every dataset that the database does not know."""
        for file in sorted(self._folder.glob("*.jsonl")):
            if (dataset := _dataset_of(file)) is not None:
                self.restore(dataset)

    def _file(self, dataset: str) -> Path:
        return self._folder / f"{hashlib.sha256(dataset.encode()).hexdigest()[:24]}.jsonl"

    def _follow(self, dataset: str) -> None:
        file = self._file(dataset)
        try:
            size, last = self._seen.get(dataset, (0, 0))
            if (file.stat().st_size if file.exists() else 0) != size:  # another process has written
                actions, size = _read(file)
                numbers = [e.number for e in read_events(self._database, dataset) if e.action in actions]
                last = max(numbers, default=0)
            events = read_events(self._database, dataset, last)
            with file.open("ab") as opened:
                if not opened.tell():
                    opened.write(_line({"format": 1, "dataset": dataset}))
                elif not _ends_well(file):  # the power went while a line was written
                    opened.write(b"\n")
                for action, of in groupby(events, key=lambda event: event.action):
                    opened.write(_line({"action": action, "events": [_plain(event) for event in of]}))
            flush([file])
            self._seen[dataset] = (file.stat().st_size, events[-1].number if events else last)
        except OSError as error:
            _logger.warning("Labels of %s are in the database alone: %s", dataset, error)
            self._seen.pop(dataset, None)


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(event: LabelEvent) -> dict[str, Any]:
    return {name: value for name, value in asdict(event).items() if name not in ("action", "number") and value}


def _event(action: str, data: dict[str, Any]) -> LabelEvent:
    before, after = (tuple(map(str, data.get(name, ()))) for name in ("before", "after"))
    sha256, path, source = (str(data.get(name, "")) for name in ("sha256", "path", "source"))
    return LabelEvent(action, Kind(data["kind"]), before, after, sha256, path, source, float(data.get("time", 0)))


def _read(file: Path) -> tuple[dict[str, list[LabelEvent]], int]:
    """Return the actions of a file in their order, and its length; a line that is not whole is passed over."""
    try:
        content = file.read_bytes()
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            _logger.warning("The labels in %s cannot be read: %s", file, error)
        return {}, 0
    found: dict[str, list[LabelEvent]] = {}
    for line in content.split(b"\n"):
        try:
            data = json.loads(line)
            found.setdefault(str(data["action"]), [_event(str(data["action"]), one) for one in data["events"]])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return found, len(content)


def _dataset_of(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            return str(json.loads(opened.readline())["dataset"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ends_well(file: Path) -> bool:
    with file.open("rb") as opened:
        opened.seek(-1, os.SEEK_END)
        return opened.read(1) == b"\n"
