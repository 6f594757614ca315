"""The pictures of a dataset as a place to look: filters that add up, orders, and how many pictures each filter leaves.

Everything is an array over the pictures' numbers, so that 100,000 pictures are arranged between two frames.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.dataset.query import FOUND_BY_CHECK, LEFT_OUT, TRAITS, UNLABELLED, Choice, Pick, Query, Section, in_order
from core.dataset.records import SPLITS, Picture
from core.translation import tr

if TYPE_CHECKING:
    from core.labels.label_state import LabelState

Numbers = NDArray[np.int64]
_Bools = NDArray[np.bool_]


_BIT = {trait.key: 1 << at for at, trait in enumerate(TRAITS)}
_MARKED = sum(_BIT[key] for key in FOUND_BY_CHECK)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The pictures to show, by number in their order, in sections; and how many pictures each filter would leave.

    `labels[label][split]` and `traits[key]` count what passes all other filters.
    """

    rows: Numbers
    sections: tuple[Section, ...]
    labels: Mapping[str, Mapping[str, int]]
    traits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The class that a picture probably has."""

    label: str
    probability: float


@dataclass(slots=True)
class Gallery:
    """Pictures by number (the order in which they were added), and what is known of each."""

    pictures: list[Picture] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _paths: list[str] = field(default_factory=list)
    _names: list[str] = field(default_factory=lambda: [""])
    _codes: dict[str, int] = field(default_factory=lambda: {"": 0})
    _label: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _split: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    _traits: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _suggested: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    _probability: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    _rank: Numbers | None = None
    _position: Numbers | None = None
    _cohort: Numbers | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    # What is known

    def add(self, pictures: Sequence[Picture]) -> None:
        """Add pictures, with the class and the split of their folders."""
        for number, picture in enumerate(pictures, len(self.pictures)):
            self._numbers[picture.path] = number
        self.pictures.extend(pictures)
        self._paths.extend(picture.path.casefold() for picture in pictures)
        labels = np.array([self._code(picture.label) for picture in pictures], np.int32)
        splits = np.array([_split_code(picture.split) for picture in pictures], np.int8)
        self._label = np.concatenate([self._label, labels])
        self._split = np.concatenate([self._split, splits])
        self._traits = np.concatenate([self._traits, np.zeros(len(pictures), np.int32)])
        self._suggested = np.concatenate([self._suggested, np.zeros(len(pictures), np.int32)])
        self._probability = np.concatenate([self._probability, np.zeros(len(pictures), np.float32)])
        self._rank = self._position = self._cohort = None

    def number(self, path: str) -> int | None:
        """Return the number of a picture; None for a path that is none of them."""
        return self._numbers.get(path)

    def numbers(self, paths: Iterable[str]) -> Numbers:
        """Return the numbers of the pictures at these paths and inside these folders, in their order."""
        found: list[int] = []
        folders: list[str] = []
        for path in paths:
            number = self._numbers.get(path)
            if number is not None:
                found.append(number)
            else:
                folders.append(f"{path.rstrip('/')}/")
        if folders:
            starts = tuple(folders)
            found += [number for number, picture in enumerate(self.pictures) if picture.path.startswith(starts)]
        return np.array(found, np.int64)

    @property
    def classes(self) -> list[str]:
        """Return the classes that pictures have, sorted."""
        used = np.bincount(self._label, minlength=len(self._names)) > 0
        return sorted((name for code, name in enumerate(self._names) if name and used[code]), key=in_order)

    @property
    def unlabelled(self) -> int:
        """Return how many pictures have no class and are not left out."""
        return int(np.count_nonzero((self._label == 0) & ((self._traits & _BIT[LEFT_OUT]) == 0)))

    def label_of(self, number: int) -> str:
        """Return the class of a picture; "" while it has none."""
        return self._names[int(self._label[number])]

    def split_of(self, number: int) -> str:
        """Return the split of a picture; "" while it has none."""
        code = int(self._split[number])
        return SPLITS[code - 1] if code else ""

    def known_labels(self) -> tuple[dict[str, str], frozenset[str]]:
        """Return the class of every picture that has one, by path, and the paths that are left out."""
        out = self.having(LEFT_OUT)
        known = np.flatnonzero((self._label > 0) & ~out).tolist()
        left_out = frozenset(self.pictures[number].path for number in np.flatnonzero(out).tolist())
        return {self.pictures[number].path: self._names[self._label[number]] for number in known}, left_out

    def having(self, trait: str) -> NDArray[np.bool_]:
        """Return which pictures have a trait."""
        return np.asarray(self._label == 0 if trait == UNLABELLED else (self._traits & _BIT[trait]) != 0)

    def is_open(self, number: int) -> bool:
        """Whether a picture waits for a label: it has none, and is not left out."""
        return self.has(number, UNLABELLED) and not self.has(number, LEFT_OUT)

    def has(self, number: int, trait: str) -> bool:
        """Whether a picture has a trait."""
        if trait == UNLABELLED:
            return not self._label[number]
        return bool(self._traits[number] & _BIT[trait])

    def is_marked(self, number: int) -> bool:
        """Whether a check found something about a picture."""
        return bool(self._traits[number] & _MARKED)

    def traits_of(self, number: int) -> list[Choice]:
        """Return all traits of a picture."""
        return [trait for trait in TRAITS if self.has(number, trait.key)]

    def set_labels(self, labels: Mapping[str, str]) -> None:
        """Give pictures their classes, by path; others keep theirs."""
        for path, label in labels.items():
            if (number := self._numbers.get(path)) is not None:
                self._label[number] = self._code(label)

    def set_splits(self, splits: Mapping[str, str]) -> None:
        """Say which split every picture belongs to, by path; one that is missing is where its folder says."""
        get = splits.get
        self._split = np.array([_split_code(get(p.path) or p.split) for p in self.pictures], np.int8)

    def set_state(self, state: LabelState, paths: Iterable[str]) -> bool:
        """Show pictures as their labels say; returns whether any was shown otherwise."""
        changed = False
        for path in paths:
            if (number := self._numbers.get(path)) is None:
                continue
            picture = self.pictures[number]
            code, left_out = self._code(state.label_of(picture)), state.is_excluded(picture)
            if code != self._label[number] or left_out != self.has(number, LEFT_OUT):
                self._label[number] = code
                self.mark(LEFT_OUT, (path,), left_out)
                changed = True
        return changed

    def mark(self, key: str, paths: Iterable[str], on: bool) -> None:
        """Give pictures a trait, or take it away; others keep theirs."""
        numbers = [number for path in paths if (number := self._numbers.get(path)) is not None]
        if on:
            self._traits[numbers] |= _BIT[key]
        else:
            self._traits[numbers] &= ~_BIT[key]

    def set_trait(self, key: str, paths: Iterable[str]) -> None:
        """Say which pictures have a trait; all others have it no longer."""
        self._traits &= ~_BIT[key]
        self.mark(key, paths, True)

    def set_suggestions(self, suggestions: Mapping[str, tuple[str, float]]) -> None:
        """Keep the probable class of pictures, by path, in place of all before."""
        self._suggested[:], self._probability[:] = 0, 0
        for path, (label, probability) in suggestions.items():
            if (number := self._numbers.get(path)) is not None:
                self._suggested[number], self._probability[number] = self._code(label), probability

    def suggestion(self, number: int) -> Suggestion | None:
        """Return the class that a picture without this class probably has; None where there is no suggestion."""
        code = int(self._suggested[number])
        if not code or code == self._label[number]:
            return None
        return Suggestion(self._names[code], float(self._probability[number]))

    def set_similarity(self, order: Sequence[int] | Numbers, cohorts: Sequence[int] | Numbers) -> None:
        """Put look-alikes side by side: all numbers in that order, and each number's cohort (-1: not known)."""
        position = np.empty(len(self), np.int64)
        position[np.asarray(order, np.int64)] = np.arange(len(self))
        self._position, self._cohort = position, np.asarray(cohorts, np.int64)

    def colour_codes(self, by: str) -> NDArray[np.int32]:
        """Return a small number for each picture's "class", "split", "suggestion" or "suspect"; 0 for none."""
        match by:
            case "split":
                return np.asarray(self._split, np.int32)
            case "suspect":
                return np.asarray((self._traits & _BIT["suspect"]) != 0, np.int32)
            case "suggestion":
                return self._by_size(np.where(self._suggested > 0, self._suggested, self._label))
        return self._by_size(self._label)

    def _by_size(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the place of each class among all, the largest is 1, so that large ones have colours of their own."""
        counts = np.bincount(codes, minlength=len(self._names))
        counts[0] = counts.max(initial=0) + 1
        place = np.empty(len(counts), np.int32)
        place[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        found: NDArray[np.int32] = place[codes]
        return found

    @property
    def knows_similarity(self) -> bool:
        """Whether look-alikes are known."""
        return self._position is not None

    # What is shown

    def arrange(self, query: Query) -> Arrangement:
        """Return what passes all filters, sorted and in sections."""
        by_label = np.ones(len(self), bool) if query.label is None else self._label == self._codes.get(query.label, -1)
        by_split = np.ones(len(self), bool) if query.split is None else self._split == _split_code(query.split)
        by_trait, counts = self._by_traits(query.traits)
        rest = self._by_text(query.text) & self._by_pick(query.pick)
        rows = np.flatnonzero(rest & by_label & by_split & by_trait)
        rows, sections = self._sorted(rows, query)
        around = rest & by_label & by_split
        traits = {key: int(np.count_nonzero(around & passing)) for key, passing in counts.items()}
        return Arrangement(rows, sections, self._by_class(rest & by_trait), traits)

    def _by_traits(self, wanted: Collection[str]) -> tuple[_Bools, dict[str, _Bools]]:
        """Return which pictures have all wanted traits, and which would with one more; the left out are not shown."""
        has = {key: (self._traits & bit) != 0 for key, bit in _BIT.items()}
        has[UNLABELLED] = self._label == 0
        passing = np.ones(len(self), bool) if LEFT_OUT in wanted else ~has[LEFT_OUT]
        for key in wanted:
            passing = passing & has[key]
        more = {key: passing & own for key, own in has.items()}
        if LEFT_OUT not in wanted:
            more[LEFT_OUT] = has[LEFT_OUT]
            for key in wanted:
                more[LEFT_OUT] = more[LEFT_OUT] & has[key]
        return passing, more

    def _by_text(self, text: str) -> _Bools:
        words = text.casefold().split()
        if not words:
            return np.ones(len(self), bool)
        if len(words) == 1:
            word = words[0]
            return np.fromiter((word in path for path in self._paths), bool, len(self))
        return np.fromiter((all(word in path for word in words) for path in self._paths), bool, len(self))

    def _by_pick(self, pick: Pick | None) -> _Bools:
        if pick is None:
            return np.ones(len(self), bool)
        passing = np.zeros(len(self), bool)
        passing[self.numbers(pick.paths)] = True
        return passing

    def _by_class(self, passing: _Bools) -> dict[str, dict[str, int]]:
        width = len(SPLITS) + 1
        cells = np.bincount(self._label[passing] * width + self._split[passing], minlength=len(self._names) * width)
        used = np.bincount(self._label, minlength=len(self._names)) > 0
        splits = ("", *SPLITS)
        return {
            self._names[code]: {split: count for split, count in zip(splits, row, strict=True) if count}
            for code, row in enumerate(cells.reshape(-1, width).tolist())
            if used[code]
        }

    def _sorted(self, rows: Numbers, query: Query) -> tuple[Numbers, tuple[Section, ...]]:
        pick = query.pick
        if pick is not None and pick.ranked:
            place = {int(number): at for at, number in enumerate(self.numbers(pick.paths))}
            rows = np.array(sorted(rows.tolist(), key=place.__getitem__), np.int64)
            return rows, _one_section(pick.title, rows)
        by_name = self._ranks()[rows]
        alike = by_name if self._position is None else self._position[rows]
        match query.order:
            case "name":
                return rows[np.argsort(by_name)], _one_section(tr("By name"), rows)
            case "time":
                times = np.array([self.pictures[number].mtime_ns for number in rows.tolist()], np.int64)
                order = np.lexsort([by_name, -times])
                days = _days(times[order])
                return rows[order], tuple(Section(days[first], first, count) for first, count in _runs(days))
            case "similarity" if self._cohort is not None:
                rows = rows[np.argsort(alike)]
                return rows, self._cohort_sections(rows)
            case "suggestion":
                by_class = self._name_ranks(last="")[self._suggested[rows]]
                keys: list[NDArray[Any]] = [by_name, -self._probability[rows], by_class]
                rows = rows[np.lexsort(keys)]
                return rows, self._class_sections(self._suggested[rows], "Without a suggestion")
        rows = rows[np.lexsort([alike, self._name_ranks()[self._label[rows]]])]
        return rows, self._class_sections(self._label[rows], "Unlabelled")

    def _name_ranks(self, last: str | None = None) -> Numbers:
        """Return the place of every class, by code, among all sorted by name; one of them may come last."""
        order = sorted(
            range(len(self._names)), key=lambda code: (self._names[code] == last, in_order(self._names[code]))
        )
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return ranks

    def _class_sections(self, codes: NDArray[np.int32], nothing: str) -> tuple[Section, ...]:
        names = [(self._names[codes[first]], first, count) for first, count in _runs(codes)]
        return tuple(Section(name or nothing, first, count, name) for name, first, count in names)

    def _cohort_sections(self, rows: Numbers) -> tuple[Section, ...]:
        """Return a section for each cohort, named after the class that most of it has."""
        assert self._cohort is not None
        cohorts = self._cohort[rows]
        sections = []
        for at, (first, count) in enumerate(_runs(cohorts)):
            most = int(np.bincount(self._label[rows[first : first + count]]).argmax())
            title = f"Look-alikes {at + 1:,}" + (f": mostly {self._names[most]}" if most else "")
            sections.append(Section(title if cohorts[first] >= 0 else tr("Not looked at yet"), first, count))
        return tuple(sections)

    def _ranks(self) -> Numbers:
        if self._rank is None or len(self._rank) != len(self):
            order = sorted(range(len(self)), key=self._paths.__getitem__)
            self._rank = np.empty(len(self), np.int64)
            self._rank[order] = np.arange(len(self))
        return self._rank

    def _code(self, label: str) -> int:
        code = self._codes.get(label)
        if code is None:
            code = self._codes[label] = len(self._names)
            self._names.append(label)
        return code


def _split_code(split: str | None) -> int:
    return SPLITS.index(split) + 1 if split else 0


def _days(times: Numbers) -> NDArray[np.str_]:
    """Return the local days of moments, in nanoseconds since 1970; asked for once an hour that there is."""
    hours, which = np.unique(times // (3600 * 10**9), return_inverse=True)
    return np.array([time.strftime("%Y-%m-%d", time.localtime(hour * 3600)) for hour in hours.tolist()])[which]


def _one_section(title: str, rows: Numbers) -> tuple[Section, ...]:
    return (Section(title, 0, len(rows)),) if len(rows) else ()


def _runs(values: NDArray[Any]) -> list[tuple[int, int]]:
    """Return the first index and the length of each run of equal values."""
    if not len(values):
        return []
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return list(zip(starts.tolist(), np.diff(np.r_[starts, len(values)]).tolist(), strict=True))
