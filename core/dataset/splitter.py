"""Divide the pictures of a scan among train, valid and test."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

from core.dataset.manifest import Entry, Manifest
from core.dataset.records import SPLITS, Picture, Scan
from core.errors import DatasetError, SpecError
from core.translation import plural, tr
from training_scripts.pictures.levels import Levels, common

DEFAULT_FRACTIONS = (0.7, 0.15, 0.15)

Fractions = tuple[float, float, float]
_ByPath = dict[str, str]


def split(
    scan: Scan,
    fractions: Fractions = DEFAULT_FRACTIONS,
    seed: int = 0,
    moves: Mapping[str, str] = MappingProxyType({}),
) -> Manifest:
    """Split a scan into a manifest.

    Without split folders every class is divided by `fractions` (train, valid, test). With them the folders are kept;
    a valid or test that is missing is carved out of train, where pictures that are in no split folder belong. The
    choice depends on the seed and on the pictures' content alone, not on names or order. `moves` has the last word: by
    SHA-256, the split of pictures that someone moved; the others stay where they are without it. Identical pictures
    never end up in two splits: where split folders hold copies, test keeps them before valid, and valid before train.
    Pictures that are in two classes are in no split. `Manifest.notices` says what was decided.

    Raises:
        SpecError: the fractions are not shares of a whole with something for train.
        DatasetError: the train folder has nothing to learn from.
    """
    check_fractions(fractions)
    notices: list[str] = []
    pictures = _without_contradictions(scan.pictures, notices)
    if scan.layout == "classes":
        chosen = _divide(pictures, fractions, seed)
    else:
        kept = _without_leaks(pictures, notices)
        chosen = {picture.path: picture.split or "train" for picture in kept}
        chosen |= _carve(kept, scan.splits, fractions, seed, notices)
    chosen |= {picture.path: moves[picture.sha256] for picture in pictures if picture.sha256 in moves}
    if "train" not in chosen.values():
        what = tr("There is nothing to train on in {root}.").format(root=scan.root)
        if not pictures:
            fix = tr("Keep each picture in its right class.")
            raise DatasetError(what, tr("Every picture of it is in more than one class."), fix)
        why = tr("Its train folder holds no readable pictures of its own.")
        raise DatasetError(what, why, tr("Put pictures of every class into train."))
    index = {label: number for number, label in enumerate(scan.classes)}
    entries = [
        Entry(picture.path, index[picture.label], chosen[picture.path], picture.sha256)
        for picture in scan.pictures
        if picture.path in chosen
    ]
    wanted = [name for name, share in zip(SPLITS, fractions, strict=True) if share > 0 or name in scan.splits]
    notices += _absences(entries, scan.classes, wanted)
    deep = [picture.levels for picture in scan.pictures if chosen.get(picture.path) == "train" and picture.levels]
    levels = common(deep) if deep else None
    if levels is not None:
        notices.append(_scale_words(len(deep), levels))
    return Manifest.build(scan.root, scan.classes, entries, seed, fractions, notices, scan.options, levels)


def _scale_words(count: int, levels: Levels) -> str:
    black, white = levels
    return plural(
        "{count:,} train picture holds more than 8 bits a channel: {black:g} is black and {white:g} "
        "white, for all pictures alike.",
        "{count:,} train pictures hold more than 8 bits a channel: {black:g} is black and {white:g} "
        "white, for all pictures alike.",
        count,
        black=black,
        white=white,
    )


def check_fractions(fractions: Sequence[float]) -> None:
    """Check the shares of train, valid and test.

    Raises:
        SpecError: they are not three shares of a whole with something for train.
    """
    if len(fractions) != 3 or not all(math.isfinite(share) and 0 <= share <= 1 for share in fractions):
        raise SpecError(tr("The shares of train, valid and test must be three numbers from 0 to 1."), field="fractions")
    if fractions[0] == 0:
        raise SpecError(
            tr("The share of train is 0."), tr("Nothing could be learned."), tr("Raise it."), field="fractions"
        )
    if abs(sum(fractions) - 1) > 1e-6:
        raise SpecError(
            tr("The shares of train, valid and test do not make a whole."),
            tr("They add up to {fractions:g}.").format(fractions=sum(fractions)),
            tr("Change them so that they add up to 1."),
            field="fractions",
        )


def _divide(pictures: Iterable[Picture], fractions: Sequence[float], seed: int) -> _ByPath:
    """Return the split of every picture, by path. Copies are one unit, and so are the pictures of a group."""
    strata: dict[str, list[list[Picture]]] = defaultdict(list)
    for unit in _units(sorted(pictures, key=lambda picture: picture.path)):
        strata[unit[0].label].append(unit)
    chosen: _ByPath = {}
    shares = _shares({label: sum(map(len, units)) for label, units in strata.items()}, fractions, seed)
    for label, of_label in strata.items():
        # Ranking by a keyed hash, not by a shuffle: adding a picture moves hardly any of the others.
        ranked = sorted(of_label, key=lambda unit: _rank(seed, label, unit[0].sha256))
        room = dict(zip(SPLITS, shares[label], strict=True))
        for unit in ranked:
            name = next((name for name in ("test", "valid") if len(unit) <= room[name]), "train")
            room[name] -= len(unit)
            chosen.update((picture.path, name) for picture in unit)
    units = [unit for of_label in strata.values() for unit in of_label]
    chosen.update(_groups_for_empty_splits(units, chosen, fractions, seed))
    return chosen


def _groups_for_empty_splits(
    units: Sequence[list[Picture]], chosen: Mapping[str, str], fractions: Sequence[float], seed: int
) -> _ByPath:
    """Return a group for each split that has nothing because every group is larger than its share, as few folds are.

    Train keeps more than half of the pictures.
    """
    found: _ByPath = {}
    filled, total = set(chosen.values()), len(chosen)
    left = sum(name == "train" for name in chosen.values())
    for name, share in zip(SPLITS, fractions, strict=True):
        if name in filled or not share:
            continue
        groups = [unit for unit in units if len(unit) > 1 and found.get(unit[0].path, chosen[unit[0].path]) == "train"]
        if not groups:
            continue
        best = min(groups, key=lambda unit: (abs(len(unit) - share * total), _rank(seed, "", unit[0].sha256)))
        if 2 * (left - len(best)) > total:
            left -= len(best)
            found.update((picture.path, name) for picture in best)
    return found


def _units(pictures: Sequence[Picture]) -> Iterable[list[Picture]]:
    """Return the pictures that must stay together: those of one content, and those of one group."""
    chief: dict[str, str] = {}

    def chief_of(key: str) -> str:
        while chief.setdefault(key, key) != key:
            chief[key] = chief[chief[key]]
            key = chief[key]
        return key

    for picture in pictures:
        if picture.group is not None:
            chief[chief_of(f"group {picture.group}")] = chief_of(picture.sha256)
    units: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        units[chief_of(picture.sha256)].append(picture)
    return units.values()


def _shares(totals: Mapping[str, int], fractions: Sequence[float], seed: int) -> dict[str, list[int]]:
    """Return the pictures of each class by `fractions`, each less than one picture off, train never left empty.

    What rounding takes from a split is given back to it by the next of the classes that are too small to have a
    picture in every split, so that many small classes together have the shares that were asked for.
    """
    exact = {
        label: [Fraction(share).limit_denominator(10**6) * total for share in fractions]
        for label, total in totals.items()
    }
    debt = [Fraction(0)] * 3
    shares: dict[str, list[int]] = {}
    for label in sorted(totals, key=lambda label: _rank(seed, label, "")):
        small = any(0 < share < 1 for share in exact[label])
        due = [owed + share for owed, share in zip(debt, exact[label], strict=True)] if small else exact[label]
        shares[label] = _whole(totals[label], exact[label], due)
        if small:
            debt = [owed - given for owed, given in zip(due, shares[label], strict=True)]
    return shares


def _whole(total: int, exact: Sequence[Fraction], due: Sequence[Fraction]) -> list[int]:
    """Return `total` in whole pictures: `exact` rounded down, and what is left to the splits that are due most."""
    whole = [int(share) for share in exact]
    by_remainder = sorted((at for at in range(3) if exact[at]), key=lambda at: (whole[at] - due[at], at))
    for at in by_remainder[: total - sum(whole)]:
        whole[at] += 1
    if total and not whole[0]:
        whole[max((1, 2), key=lambda at: whole[at] - exact[at])] -= 1
        whole[0] = 1
    return whole


def _absences(entries: Sequence[Entry], classes: Sequence[str], wanted: Sequence[str]) -> Iterator[str]:
    """Return one sentence per split that lacks classes: with few pictures of a class, its share may be none."""
    present = {(entry.split, entry.label) for entry in entries}
    for name in wanted:
        absent = [label for number, label in enumerate(classes) if (name, number) not in present]
        if absent:
            yield tr("There are no pictures of {absent} in {name}: too few of them for its share.").format(
                absent=", ".join(absent), name=name
            )


def _rank(seed: int, label: str, sha256: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{label}\0{sha256}".encode()).digest()


def _without_contradictions(pictures: Sequence[Picture], notices: list[str]) -> Sequence[Picture]:
    """Return the pictures without those that are in two classes, for nothing says which of the two is right."""
    labels: dict[str, set[str]] = defaultdict(set)
    for picture in pictures:
        labels[picture.sha256].add(picture.label)
    kept = [picture for picture in pictures if len(labels[picture.sha256]) == 1]
    if dropped := len(pictures) - len(kept):
        notices.append(
            tr("{dropped:,} files are left out, because the same pictures are in more than one class.").format(
                dropped=dropped
            )
        )
    return kept


def _without_leaks(pictures: Sequence[Picture], notices: list[str]) -> list[Picture]:
    """Return the pictures of given splits without copies in a split that yields to another."""
    best: dict[str, int] = {}
    for picture in pictures:
        best[picture.sha256] = max(best.get(picture.sha256, 0), SPLITS.index(picture.split or "train"))
    kept, dropped = [], Counter[str]()
    for picture in pictures:
        if SPLITS.index(picture.split or "train") == best[picture.sha256]:
            kept.append(picture)
        else:
            dropped[picture.split or "train"] += 1
    for name, count in sorted(dropped.items()):
        others = "test" if name == "valid" else tr("valid or test")
        notices.append(
            plural(
                "{count:,} picture is left out of {name}, because the same content is in {others}.",
                "{count:,} pictures are left out of {name}, because the same content is in {others}.",
                count,
                name=name,
                others=others,
            )
        )
    return kept


def _carve(
    pictures: Sequence[Picture], present: Sequence[str], fractions: Fractions, seed: int, notices: list[str]
) -> _ByPath:
    """Take a valid or test that is missing out of train; nothing if none is missing or its share is 0."""
    share = {name: of for name, of in zip(SPLITS, fractions, strict=True) if name == "train" or name not in present}
    missing = [name for name in share if name != "train" and share[name] > 0]
    if not missing:
        return {}
    whole = sum(share.values())
    chosen = _divide(
        (picture for picture in pictures if picture.split in ("train", None)),
        [share.get(name, 0.0) / whole for name in SPLITS],
        seed,
    )
    counts = Counter(chosen.values())
    for name in missing:
        notices.append(
            tr("The folder has no {name} pictures, so {counts:,} were taken out of train for it.").format(
                name=name, counts=counts[name]
            )
        )
    return chosen
