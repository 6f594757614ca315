"""A history of label events in words: one entry an action."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.labels.events import IMPORTS, Kind, LabelEvent


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One action: `summary` is a sentence without its full stop, `undone` says that it does not count now."""

    action: str
    kind: Kind
    summary: str
    source: str
    time: float
    pictures: int
    undone: bool


def history(events: Iterable[LabelEvent]) -> list[HistoryEntry]:
    """Return the actions of a history, oldest first; undo and redo are not entries but change what they name."""
    actions: dict[str, list[LabelEvent]] = {}
    done: list[str] = []
    undone: list[str] = []
    for event in events:
        if event.kind is Kind.UNDO:
            if done and done[-1] == event.before[0]:
                undone.append(done.pop())
        elif event.kind is Kind.REDO:
            if undone and undone[-1] == event.after[0]:
                done.append(undone.pop())
        else:
            if event.action not in actions and event.kind not in IMPORTS:
                # What was undone before this cannot come back, but it stays in the history as undone.
                undone.clear()
                done.append(event.action)
            actions.setdefault(event.action, []).append(event)
    standing = set(done)
    return [
        HistoryEntry(
            action,
            of[0].kind,
            summary(of),
            of[0].source,
            of[0].time,
            sum(bool(event.sha256) for event in of),
            action not in standing and of[0].kind not in IMPORTS,
        )
        for action, of in actions.items()
    ]


def summary(events: Sequence[LabelEvent]) -> str:
    """Return what one action did, such as "Labelled 3 pictures cat"."""
    first = events[0]
    count = sum(bool(event.sha256) for event in events)
    pictures = "1 picture" if count == 1 else f"{count:,} pictures"
    named = sorted({" + ".join(event.after) or "unlabelled" for event in events})
    to = named[0] if len(named) == 1 else f"{len(named)} classes"
    match first.kind:
        case Kind.LABEL:
            return f"Labelled {pictures} {to}" if named != ["unlabelled"] else f"Took the label off {pictures}"
        case Kind.EXCLUDE:
            return f"Left out {pictures}"
        case Kind.RESTORE:
            return f"Put back {pictures}"
        case Kind.SPLIT:
            return f"Moved {pictures} to {to if named != ['unlabelled'] else 'the split of their share'}"
        case Kind.RENAME_CLASS:
            return f"Renamed {first.before[0]} to {first.after[0]}"
        case Kind.ADD_CLASS:
            return f"Made the class {first.after[0]}"
        case _:
            return f"Read the labels of {pictures} from {first.source}"
