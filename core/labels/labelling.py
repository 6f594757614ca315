"""The labels of one open dataset: reads its history, and adds to it what a person decides."""

from __future__ import annotations

import threading
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from core.dataset.records import SPLITS, Picture, Scan
from core.errors import DatasetError
from core.labels.class_names import check_class_name
from core.labels.events import PERSON, Kind, LabelEvent
from core.labels.history import HistoryEntry, history, summary
from core.labels.label_state import Fold, LabelState, by_content
from core.labels.session import LabelSession
from core.translation import plural, tr

if TYPE_CHECKING:
    from core.store import Store

Make = Callable[[str, float], list[LabelEvent]]
"""From an action's name and the time to its events."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an action did.

    `paths` are all pictures that it touched, copies included; none where nothing changed. `others` are those that
    others have touched since the last look. `action` names it for `undo`.
    """

    summary: str
    paths: tuple[str, ...]
    state: LabelState
    others: tuple[str, ...] = ()
    action: str = ""


class Labelling:
    """Changes the labels of a scanned dataset. Every change is on the disk when its method returns. Thread-safe.

    Labels and splits belong to a picture's content: its copies in the dataset have the same. What is left out is one
    file. Other processes may change the same dataset's labels: each change begins from what is kept by then, and undo
    passes over what others do meanwhile (`session`).

    Raises:
        StoreError: by any method, when the change could not be kept; then nothing has changed.
    """

    def __init__(
        self,
        store: Store,
        scan: Scan,
        clock: Callable[[], float] = time.time,
        session: LabelSession | None = None,
    ) -> None:
        self._store, self._clock = store, clock
        self._session = session = session or LabelSession()
        self.scan = scan
        self._dataset = dataset = str(scan.root)
        self._by_path = {picture.path: picture for picture in scan.pictures}
        self._by_content = by_content(scan)
        self._lock = threading.RLock()
        self._fold = Fold(lambda event: session.is_others(dataset, event))
        self._catch_up()
        session.opened(dataset, self._fold.cursor)
        self._state = self._fold.state()

    @property
    def state(self) -> LabelState:
        """Return the labels as they are."""
        with self._lock:
            return self._state

    def refresh(self) -> Change:
        """Return what other processes have changed since the last look, as `others`; "" sums up that nothing was."""
        with self._lock:
            before, events = self._state, self._catch_up()
            if not events:
                return Change("", (), before)
            self._state = self._fold.state()
            last = [event for event in events if event.action == events[-1].action]
            count = len({event.action for event in events})
            what = tr("Changed elsewhere: {what}").format(what=self._told(last))
            if count > 1:
                what = plural("{count:,} change elsewhere", "{count:,} changes elsewhere", count)
            return Change(what, (), self._state, self._touched(events, before))

    def labelled_scan(self) -> Scan:
        """Return the scan as if its folders said what the labels say: what is split and trained on."""
        return self.state.apply(self.scan)

    def classes(self) -> tuple[str, ...]:
        """Return all classes, sorted."""
        return self.state.classes(self.scan)

    def known_labels(self) -> tuple[dict[str, str], frozenset[str]]:
        """Return the class of every picture that has one, by path, and the paths that are left out: for suggestions."""
        state = self.state
        left_out = frozenset(picture.path for picture in self.scan.pictures if state.is_excluded(picture))
        found = {p.path: label for p in self.scan.pictures if p.path not in left_out and (label := state.label_of(p))}
        return found, left_out

    def history(self) -> list[HistoryEntry]:
        """Return what was done, oldest first, also what was undone."""
        return history(self._store.label_events(self._dataset))

    def events(self) -> list[LabelEvent]:
        """Return every event, oldest first."""
        return self._store.label_events(self._dataset)

    @property
    def can_undo(self) -> str:
        """Return what undo would take back; "" where there is nothing."""
        with self._lock:
            return self._summary_of(self._fold.done[-1]) if self._fold.done else ""

    @property
    def can_redo(self) -> str:
        """Return what redo would do; "" where there is nothing."""
        with self._lock:
            return self._summary_of(self._fold.undone[-1]) if self._fold.undone else ""

    # What a person does

    def label(self, paths: Iterable[str], name: str | None, source: str = PERSON) -> Change:
        """Put pictures into a class, which is made where there is none of that name; None takes their label away."""
        return self.label_each(dict.fromkeys(paths, name), source)

    def label_each(self, names: Mapping[str, str | None], source: str = PERSON) -> Change:
        """Label pictures, each with its own class, as one action."""
        known = self.classes()
        classes = {name: frozenset((self._class_name(name, known),)) for name in set(names.values()) if name}
        wanted = {path: classes[name] if name else frozenset[str]() for path, name in names.items()}
        targets = {picture.sha256: (picture, wanted[picture.path]) for picture in self._pictures(names)}

        def make(action: str, now: float) -> list[LabelEvent]:
            return [
                self._event(action, now, Kind.LABEL, picture, before, after, source)
                for picture, after in targets.values()
                if (before := self._state.labels_of(picture)) != after
            ]

        return self._act(make)

    def exclude(self, paths: Iterable[str], source: str = PERSON) -> Change:
        """Leave pictures out of everything that is trained or measured."""
        return self._exclude(self._pictures(paths), Kind.EXCLUDE, source)

    def restore(self, paths: Iterable[str], source: str = PERSON) -> Change:
        """Put pictures back that were left out."""
        return self._exclude(self._pictures(paths), Kind.RESTORE, source)

    def move_to_split(self, paths: Iterable[str], split: str | None, source: str = PERSON) -> Change:
        """Move pictures, with their copies, to train, valid or test; None leaves it to the shares again."""
        if split is not None and split not in SPLITS:
            raise DatasetError(
                tr("There is no split {split}.").format(split=split),
                fix=tr("Choose one of {splits}.").format(splits=", ".join(SPLITS)),
            )
        targets = {picture.sha256: picture for picture in self._pictures(paths)}

        def make(action: str, now: float) -> list[LabelEvent]:
            splits = self._state.splits
            return [
                self._event(action, now, Kind.SPLIT, picture, _set(splits.get(sha256)), _set(split), source)
                for sha256, picture in targets.items()
                if splits.get(sha256) != split
            ]

        return self._act(make)

    def add_class(self, name: str) -> Change:
        """Make a class that has no pictures yet."""

        def make(action: str, now: float) -> list[LabelEvent]:
            known = self._state.classes(self.scan)
            return (
                []
                if (cleaned := self._class_name(name, known)) in known
                else [LabelEvent(action, Kind.ADD_CLASS, (), (cleaned,), time=now)]
            )

        return self._act(make)

    def rename_class(self, old: str, new: str) -> Change:
        """Give a class another name; where there is one of that name, the two are merged."""

        def make(action: str, now: float) -> list[LabelEvent]:
            known = self._state.classes(self.scan)
            if old not in known:
                raise DatasetError(
                    tr("There is no class {old}.").format(old=old), fix=tr("Choose one of the classes of the dataset.")
                )
            name = new if new in known else check_class_name(new)
            return [] if name == old else [LabelEvent(action, Kind.RENAME_CLASS, (old,), (name,), time=now)]

        return self._act(make)

    def undo(self, action: str | None = None) -> Change:
        """Take back an action, else the last of ours that is not undone; also one of an earlier session.

        What others did since stays.
        """
        return self._turn(Kind.UNDO, action)

    def redo(self) -> Change:
        """Do again what was undone last."""
        return self._turn(Kind.REDO)

    # What files say

    def import_labels(
        self,
        labels: Mapping[str, Iterable[str]],
        source: str,
        splits: Mapping[str, str] | None = None,
    ) -> int:
        """Take over what a file beside the pictures says of them, by path; returns how many of them changed.

        It stands as if folders said it: what a person said counts more, whether before or after, and undo passes it
        over. Saying the same again changes nothing, so a reader may call this at every opening.
        """
        given = {
            self._by_path[path].sha256: (path, frozenset(names))
            for path, names in labels.items()
            if path in self._by_path
        }
        moved = {
            self._by_path[path].sha256: (path, split) for path, split in (splits or {}).items() if path in self._by_path
        }

        def make(action: str, now: float) -> list[LabelEvent]:
            state, found = self._state, []
            for sha256, (path, names) in given.items():
                before = state.imported.get(sha256, frozenset())
                if before != names:
                    found.append(self._event(action, now, Kind.IMPORT, self._by_path[path], before, names, source))
            for sha256, (path, split) in moved.items():
                if (old := state.imported_splits.get(sha256)) != split:
                    picture = self._by_path[path]
                    found.append(self._event(action, now, Kind.IMPORT_SPLIT, picture, _set(old), _set(split), source))
            return found

        return len(self._act(make).paths)

    # Behind them

    def _exclude(self, pictures: Sequence[Picture], kind: Kind, source: str) -> Change:
        def make(action: str, now: float) -> list[LabelEvent]:
            wanted = kind is Kind.EXCLUDE
            return [
                self._event(action, now, kind, picture, (), (), source)
                for picture in pictures
                if self._state.is_excluded(picture) is not wanted
            ]

        return self._act(make)

    def _turn(self, kind: Kind, wanted: str | None = None) -> Change:
        def make(action: str, now: float) -> list[LabelEvent]:
            actions = self._fold.done if kind is Kind.UNDO else self._fold.undone
            if wanted is not None:
                actions = [wanted] if self._fold.stands(wanted) else []
            if not actions:
                return []
            before, after = ((actions[-1],), ()) if kind is Kind.UNDO else ((), (actions[-1],))
            return [LabelEvent(action, kind, before, after, time=now)]

        return self._act(make)

    def _act(self, make: Make) -> Change:
        action = uuid.uuid4().hex
        with self._lock:
            with self._store.changing_labels(self._dataset):
                earlier = self._state
                of_others = self._catch_up()
                before = self._state = self._fold.state() if of_others else earlier
                others = self._touched(of_others, earlier)
                events = make(action, self._clock())
                if events:
                    self._session.add(action)
                    self._store.add_label_events(self._dataset, events)
            if not events:
                return Change(tr("Nothing to change"), (), before, others)
            late = [event for event in self._catch_up() if event.action != action]
            self._state = self._fold.state()
            others = (*others, *self._touched(late, before))
            return Change(self._told(events), self._touched(events, before), self._state, others, action)

    def _catch_up(self) -> list[LabelEvent]:
        """Fold what was kept since, and return it."""
        events = self._store.label_events(self._dataset, self._fold.cursor)
        self._fold.add(events)
        return events

    def _told(self, events: Sequence[LabelEvent]) -> str:
        first = events[0]
        if first.kind is Kind.UNDO:
            return tr("Undone: {what}").format(what=self._summary_of(first.before[0]))
        if first.kind is Kind.REDO:
            return tr("Redone: {what}").format(what=self._summary_of(first.after[0]))
        return summary(events)

    def _summary_of(self, action: str) -> str:
        """Return what an action did, and when, where it was not done here: someone else may have done it."""
        events = self._fold.events_of(action)
        if self._session.is_own(action):
            return summary(events)
        when = f"{datetime.fromtimestamp(events[0].time):%Y-%m-%d %H:%M}"
        return tr("{what} ({when})").format(what=summary(events), when=when)

    def _touched(self, events: Sequence[LabelEvent], before: LabelState) -> tuple[str, ...]:
        """Return the pictures that look different now."""
        done = [
            event
            for of in events
            for event in (
                self._fold.events_of((*of.before, *of.after)[0]) if of.kind in (Kind.UNDO, Kind.REDO) else (of,)
            )
        ]
        found = [picture.path for event in done for picture in self._by_content.get(event.sha256, ())]
        if any(event.kind is Kind.RENAME_CLASS for event in done):  # which names no pictures
            after = self._state
            found += [p.path for p in self.scan.pictures if before.labels_of(p) != after.labels_of(p)]
            found = list(dict.fromkeys(found))
        return tuple(found)

    def _event(
        self,
        action: str,
        now: float,
        kind: Kind,
        picture: Picture,
        before: Iterable[str],
        after: Iterable[str],
        source: str,
    ) -> LabelEvent:
        names = tuple(sorted(before)), tuple(sorted(after))
        return LabelEvent(action, kind, *names, picture.sha256, picture.path, source, now)

    def _class_name(self, name: str, known: Sequence[str]) -> str:
        """Return the class that a name means: one of those known, whatever its case, or else a new one."""
        if name in known:
            return name
        plain = unicodedata.normalize("NFC", name).strip().casefold()
        return next((other for other in known if other.casefold() == plain), "") or check_class_name(name)

    def _pictures(self, paths: Iterable[str]) -> list[Picture]:
        """Return the pictures at these paths, relative to the dataset or absolute.

        Raises:
            DatasetError: one of them is not in the dataset.
        """
        found = []
        for path in paths:
            picture = self._by_path.get(path)
            if picture is None:
                what = tr("{path} is not in the dataset {root}.").format(path=path, root=self.scan.root)
                raise DatasetError(
                    what, tr("It is not a readable picture below that folder."), tr("Scan the folder again.")
                )
            found.append(picture)
        return found


def _set(name: str | None) -> tuple[str, ...]:
    return (name,) if name else ()
