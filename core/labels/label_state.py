"""What the labels of a dataset are: a scan with its events folded over it, a pure function."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

from core.dataset.records import Picture, Scan
from core.formats.records import Listing
from core.labels.events import IMPORTS, Kind, LabelEvent

Labels = frozenset[str]
UNLABELLED: Labels = frozenset()


@dataclass(frozen=True, slots=True)
class LabelState:
    """What events say otherwise than the scan; immutable.

    Attributes:
        labels: by SHA-256, the classes of pictures that someone labelled; an empty set is unlabelled again.
        imported: by SHA-256, what files beside the pictures say; `labels` count more, folders less.
        splits: by SHA-256, the split that pictures were moved to.
        excluded: (SHA-256, path) of the pictures that are left out.
        renamed: new names of the classes of folders and files.
        added: classes that were made by name, whether or not a picture has them.
        done, undone: the actions that undo and redo would take, the next one last.
        cursor: the number of the last event that is in it.
    """

    labels: Mapping[str, Labels] = field(default_factory=dict)
    imported: Mapping[str, Labels] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    imported_splits: Mapping[str, str] = field(default_factory=dict)
    excluded: frozenset[tuple[str, str]] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    done: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    cursor: int = 0

    def labels_of(self, picture: Picture) -> Labels:
        """Return the classes of a picture; an empty set where it is unlabelled."""
        found = self.labels.get(picture.sha256)
        if found is not None:
            return found
        given = self.imported.get(picture.sha256) or (frozenset((picture.label,)) if picture.label else UNLABELLED)
        return frozenset(self.renamed.get(name, name) for name in given) if self.renamed else given

    def label_of(self, picture: Picture) -> str:
        """Return the class of a picture with exactly one; "" where it has none or several."""
        found = self.labels_of(picture)
        return next(iter(found)) if len(found) == 1 else ""

    def split_of(self, picture: Picture) -> str | None:
        """Return the split that a picture was moved to, else the one its folder or a file names, else None."""
        return self.splits.get(picture.sha256) or self.imported_splits.get(picture.sha256) or picture.split

    def is_excluded(self, picture: Picture) -> bool:
        """Whether a picture is left out."""
        return (picture.sha256, picture.path) in self.excluded

    def touches(self, picture: Picture) -> bool:
        """Whether the picture is not as its folder says."""
        given = frozenset((picture.label,)) if picture.label else UNLABELLED
        moved = self.split_of(picture) != picture.split
        return self.labels_of(picture) != given or moved or self.is_excluded(picture)

    def classes(self, scan: Scan) -> tuple[str, ...]:
        """Return all classes, sorted: those that pictures have, and those that were made by name."""
        found = {name for picture in scan.pictures for name in self.labels_of(picture)}
        return tuple(sorted(found | self.added))

    def apply(self, scan: Scan) -> Scan:
        """Return the scan as if its folders said what the labels say; `splits` are left to `core.dataset.split`.

        Pictures that are left out, and those without exactly one class, are not in it.
        """
        kept = []
        for picture in scan.pictures:
            label, split = self.label_of(picture), self.imported_splits.get(picture.sha256, picture.split)
            if not label or self.is_excluded(picture):
                continue
            if (label, split) != (picture.label, picture.split):
                picture = replace(picture, label=label, split=split)
            kept.append(picture)
        layout = "splits" if self.imported_splits else scan.layout
        classes = tuple(sorted({picture.label for picture in kept}))
        return replace(scan, pictures=tuple(kept), classes=classes, layout=layout)

    def apply_to(self, listing: Listing, scan: Scan) -> None:
        """Let a listing say what the labels say, of the pictures that the scan could read; all others stay in it."""
        by_path = {picture.path: picture for picture in scan.pictures}
        kept = []
        for example in listing.examples:
            if (picture := by_path.get(example.path)) is None:
                kept.append(example)
            elif not self.is_excluded(picture):
                labels, split = self.labels_of(picture), example.split and self.split_of(picture)
                kept.append(replace(example, labels=labels, split=split))
        listing.examples = kept

    def version(self, scan: Scan) -> str:
        """Return 16 hex digits over every picture's content, classes, split and whether it is left out."""
        lines = sorted(
            "\0".join(
                (
                    picture.sha256,
                    *sorted(self.labels_of(picture)),
                    f"split {self.split_of(picture) or ''}",
                    "excluded" if self.is_excluded(picture) else "",
                )
            )
            for picture in scan.pictures
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


_Map = dict[Any, Any]


class Fold:
    """Folds events one by one.

    What stands is what the actions that are not undone lead to, in their order: undoing one that others follow takes
    these back, leaves it out, and does them again. Undo and redo offer no action of others (`is_others`).
    """

    def __init__(self, is_others: Callable[[LabelEvent], bool] = lambda _event: False) -> None:
        self._is_others = is_others
        self._others: set[str] = set()
        self._labels: _Map = {}
        self._imported: _Map = {}
        self._splits: _Map = {}
        self._imported_splits: _Map = {}
        self._excluded: _Map = {}
        self._renamed: _Map = {}
        self._added: _Map = {}
        self._actions: dict[str, list[LabelEvent]] = {}
        self._deltas: dict[str, list[tuple[_Map, Any, Any]]] = {}
        self._done: dict[str, None] = {}  # in their order, and found without a search
        self._undone: dict[str, None] = {}
        self._cursor = 0

    @property
    def done(self) -> Sequence[str]:
        """Return the actions that can be undone, the next one last."""
        return [action for action in self._done if action not in self._others]

    @property
    def undone(self) -> Sequence[str]:
        """Return the actions that can be redone, the next one last."""
        return list(self._undone)

    @property
    def cursor(self) -> int:
        """Return the number of the last event."""
        return self._cursor

    def stands(self, action: str) -> bool:
        """Whether an action, of whomever, is done and not undone."""
        return action in self._done

    def events_of(self, action: str) -> Sequence[LabelEvent]:
        """Return the events of an action."""
        return self._actions.get(action, ())

    def add(self, events: Iterable[LabelEvent]) -> None:
        """Fold more events, in the order of their numbers."""
        for event in events:
            self._cursor = max(self._cursor, event.number)
            if event.kind is Kind.UNDO:
                self._undo(event.before[0])
            elif event.kind is Kind.REDO:
                self._redo(event.after[0])
            elif event.kind in IMPORTS:
                self._apply(event, [])
            else:
                if event.action not in self._actions:
                    if self._is_others(event):
                        self._others.add(event.action)
                    else:
                        self._undone.clear()
                    self._done[event.action] = None
                    self._actions[event.action], self._deltas[event.action] = [], []
                self._actions[event.action].append(event)
                self._apply(event, self._deltas[event.action])

    def state(self) -> LabelState:
        """Return the state so far."""
        return LabelState(
            dict(self._labels),
            dict(self._imported),
            dict(self._splits),
            dict(self._imported_splits),
            frozenset(self._excluded),
            dict(self._renamed),
            frozenset(self._added),
            tuple(self.done),
            tuple(self._undone),
            self._cursor,
        )

    def _undo(self, action: str) -> None:
        if action not in self._done:
            return
        later = list(takewhile(lambda one: one != action, reversed(self._done)))[::-1]
        for one in (*reversed(later), action):
            for mapping, key, before in reversed(self._deltas[one]):
                _put(mapping, key, before)
            self._deltas[one] = []
        del self._done[action]
        if action not in self._others:
            self._undone[action] = None
        for one in later:
            self._do(one)

    def _redo(self, action: str) -> None:
        if action in self._done or action not in self._actions:
            return
        self._undone.pop(action, None)
        self._done[action] = None
        self._do(action)

    def _do(self, action: str) -> None:
        for event in self._actions[action]:
            self._apply(event, self._deltas[action])

    def _apply(self, event: LabelEvent, delta: list[tuple[_Map, Any, Any]]) -> None:
        def put(mapping: _Map, key: Any, value: Any) -> None:
            delta.append((mapping, key, mapping.get(key)))
            _put(mapping, key, value)

        match event.kind:
            case Kind.LABEL:
                put(self._labels, event.sha256, frozenset(event.after))
            case Kind.IMPORT:
                put(self._imported, event.sha256, frozenset(event.after) or None)
            case Kind.SPLIT:
                put(self._splits, event.sha256, event.after[0] if event.after else None)
            case Kind.IMPORT_SPLIT:
                put(self._imported_splits, event.sha256, event.after[0] if event.after else None)
            case Kind.EXCLUDE | Kind.RESTORE:
                put(self._excluded, (event.sha256, event.path), True if event.kind is Kind.EXCLUDE else None)
            case Kind.ADD_CLASS:
                put(self._added, event.after[0], True)
            case Kind.RENAME_CLASS:
                self._rename(event.before[0], event.after[0], put)

    def _rename(self, old: str, new: str, put: Callable[[_Map, Any, Any], None]) -> None:
        for key, names in list(self._labels.items()):
            if old in names:
                put(self._labels, key, (names - {old}) | {new})
        is_known = old in self._renamed  # then folders of that name were renamed before, and are meant by another name
        for name, current in list(self._renamed.items()):
            if current == old:
                put(self._renamed, name, new)
        if not is_known:
            put(self._renamed, old, new)
        if old in self._added:
            put(self._added, old, None)
            put(self._added, new, True)


def _put(mapping: _Map, key: Any, value: Any) -> None:
    """Set a key; None takes it away."""
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value


def fold(events: Iterable[LabelEvent]) -> LabelState:
    """Return the state that a history leads to."""
    folded = Fold()
    folded.add(events)
    return folded.state()


def by_content(scan: Scan) -> Mapping[str, list[Picture]]:
    """Return the pictures of a scan by SHA-256; copies are together."""
    found: dict[str, list[Picture]] = defaultdict(list)
    for picture in scan.pictures:
        found[picture.sha256].append(picture)
    return found
