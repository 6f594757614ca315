"""A history of label events in words: one entry an action."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.labels.events import Kind, LabelEvent
from core.translation import plural, tr


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
    standing: set[str] = set()
    for event in events:
        if event.kind is Kind.UNDO:
            standing.discard(event.before[0])
        elif event.kind is Kind.REDO:
            standing.update({event.after[0]} & actions.keys())
        else:
            if event.action not in actions:
                standing.add(event.action)
            actions.setdefault(event.action, []).append(event)
    return [
        HistoryEntry(
            action,
            of[0].kind,
            summary(of),
            of[0].source,
            of[0].time,
            sum(bool(event.sha256) for event in of),
            action not in standing,
        )
        for action, of in actions.items()
    ]


def summary(events: Sequence[LabelEvent]) -> str:
    """Return what one action did, such as "Labelled 3 pictures cat"."""
    first = events[0]
    count = sum(bool(event.sha256) for event in events)
    named = sorted({" + ".join(event.after) or "unlabelled" for event in events})
    to = named[0] if len(named) == 1 else plural("{count} class", "{count} classes", len(named))
    match first.kind:
        case Kind.LABEL if named == ["unlabelled"]:
            return plural("Took the label off {count:,} picture", "Took the label off {count:,} pictures", count)
        case Kind.LABEL:
            return plural("Labelled {count:,} picture {to}", "Labelled {count:,} pictures {to}", count, to=to)
        case Kind.EXCLUDE:
            return plural("Left out {count:,} picture", "Left out {count:,} pictures", count)
        case Kind.RESTORE:
            return plural("Put back {count:,} picture", "Put back {count:,} pictures", count)
        case Kind.SPLIT:
            to = tr("the split of their share") if named == ["unlabelled"] else to
            return plural("Moved {count:,} picture to {to}", "Moved {count:,} pictures to {to}", count, to=to)
        case Kind.RENAME_CLASS:
            return tr("Renamed {before} to {after}").format(before=first.before[0], after=first.after[0])
        case Kind.ADD_CLASS:
            return tr("Made the class {after}").format(after=first.after[0])
        case _:
            return plural(
                "Read the labels of {count:,} picture from {source}",
                "Read the labels of {count:,} pictures from {source}",
                count,
                source=first.source,
            )
