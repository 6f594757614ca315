"""The health of a dataset: what is wrong with its pictures, classes and splits, gravest first."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from core.dataset.probe import Probe
from core.dataset.records import SPLITS, Picture, Problem, Severity, gravest_first
from core.dataset.several import say_several
from core.dataset.tree import Candidate, Tree
from core.formats.hints import listed
from core.translation import plural, tr
from training_scripts.pictures.formats import FORMATS, SUFFIXES

FEW = 20
"""Fewer training pictures of a class than this make its result a matter of luck."""

WIDE, WIDE_SHARE = 2, 0.1
"""Pictures of this length to their breadth lose over half of it to a central square; worth a word from this share."""

IMBALANCE = 5
"""The largest class may have this many times the pictures of the smallest before it is worth a word."""

_SUFFIXES = {format_.name: format_.suffixes for format_ in FORMATS}

_FIXES = {
    "no-access": tr("Check that you may read them, and that the disk is connected."),
    "too-large": tr("Make them smaller, or remove them."),
}


def find_problems(
    tree: Tree, pictures: Sequence[Picture], bad: Iterable[tuple[Candidate, Probe]]
) -> tuple[Problem, ...]:
    """Return all problems of a scanned folder; a few files that may hold several pictures are looked into."""
    labelled = [picture for picture in pictures if picture.label]
    return gravest_first(
        [
            *_bad_files(bad),
            *tree.problems,
            *_classes(tree, labelled),
            *_sizes(tree, labelled),
            *_duplicates(pictures),
            *_wrong_suffixes(pictures),
            *_wide(pictures),
            *say_several(tree.root, pictures, tree.options),
        ]
    )


def _bad_files(bad: Iterable[tuple[Candidate, Probe]]) -> Iterator[Problem]:
    """Return one problem per kind of damage; what differs from file to file (after the colon) only if it does not."""
    groups: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for file, found in bad:
        groups[found.fault, found.reason.partition(":")[0].rstrip(".")].append((file.path, found.reason))
    for (fault, short), files in sorted(groups.items()):
        reasons = {reason for _, reason in files}
        reason = reasons.pop().rstrip(".") if len(reasons) == 1 else short
        for beginning in ("The picture ", "The file ", "is "):
            reason = reason.removeprefix(beginning)
        fix = _FIXES.get(fault, tr("Replace or remove the files."))
        paths = tuple(sorted(path for path, _ in files))
        yield Problem(
            fault,
            Severity.ERROR,
            plural(
                "{count:,} picture is left out ({reason}).",
                "{count:,} pictures are left out ({reason}).",
                len(files),
                reason=reason,
            ),
            paths,
            fix,
        )


def _classes(tree: Tree, pictures: Sequence[Picture]) -> Iterator[Problem]:
    counts = Counter((picture.split, picture.label) for picture in pictures)
    labels = sorted({label for _, label in tree.labels})
    filled = {label for _, label in counts}
    for label in labels:
        folders = tuple(sorted(path for (_, name), path in tree.labels.items() if name == label))
        if label not in filled:
            fix = tr("Add pictures, or remove the folder.")
            yield Problem(
                "empty-class",
                Severity.ERROR,
                tr("The class {label} has no pictures.").format(label=label),
                folders,
                fix,
            )
        elif tree.layout == "splits":
            yield from _missing(label, folders, counts)
    yield from _clashes(tree, labels)


def _missing(label: str, folders: tuple[str, ...], counts: Counter[tuple[str | None, str]]) -> Iterator[Problem]:
    for split in SPLITS:
        if counts[split, label] or not any(of == split for of, _ in counts):
            continue  # a split that is missing as a whole is carved out of train (see splitter)
        severity = Severity.ERROR if split == "train" else Severity.WARNING
        message = (
            tr("The class {label} has no pictures in {split}: it cannot be learned.")
            if split == "train"
            else tr("The class {label} has no pictures in {split}: nothing is known of how well it does there.")
        ).format(label=label, split=split)
        yield Problem(
            "class-missing",
            severity,
            message,
            folders,
            tr("Put some of its pictures into {split}.").format(split=split),
        )


def _clashes(tree: Tree, labels: list[str]) -> Iterator[Problem]:
    """Yield names that are one folder on Windows and macOS: equal but for case or for how an accent is encoded."""
    same: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        same[unicodedata.normalize("NFC", label).casefold()].append(label)
    for names in same.values():
        if len(names) > 1:
            folders = tuple(sorted(path for (_, name), path in tree.labels.items() if name in names))
            message = tr("The classes {names} differ only in case or accents, but count as {number}.").format(
                names=" and ".join(names), number=len(names)
            )
            yield Problem("name-clash", Severity.ERROR, message, folders, tr("Put their pictures into one folder."))


def _sizes(tree: Tree, pictures: Sequence[Picture]) -> Iterator[Problem]:
    counts = Counter(picture.label for picture in pictures if picture.split in ("train", None))
    if not counts:
        return
    folder = {label: path for (split, label), path in tree.labels.items() if split in ("train", None)}
    few = sorted(label for label, count in counts.items() if count < FEW)
    if few:
        named = listed([f"{label} ({counts[label]})" for label in few], most=8)
        message = plural(
            "{count} class has fewer than {few} pictures to learn from: {named}.",
            "{count} classes have fewer than {few} pictures to learn from: {named}.",
            len(few),
            few=FEW,
            named=named,
        )
        where = tuple(dict.fromkeys(folder[label] for label in few))  # a table holds them all
        yield Problem("too-few", Severity.WARNING, message, where, tr("Add pictures."))
    by_size = counts.most_common()
    (most, largest), (least, smallest) = by_size[0], by_size[-1]
    if largest >= IMBALANCE * smallest:
        message = tr("The classes are uneven: {most} has {n}, {least} has {smallest:,}.").format(
            most=most, n=_n(largest, "picture"), least=least, smallest=smallest
        )
        fix = tr(
            "Add pictures of {least}, and judge by the accuracy of each class rather than by the overall one."
        ).format(least=least)
        yield Problem("imbalance", Severity.WARNING, message, (folder[most], folder[least]), fix)


def _duplicates(pictures: Sequence[Picture]) -> Iterator[Problem]:
    by_content: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        by_content[picture.sha256].append(picture)
    leaks: list[str] = []
    contradictions: list[str] = []
    copies: list[str] = []
    for same in by_content.values():
        if len(same) == 1:
            continue
        paths = [picture.path for picture in same]
        if len({picture.split for picture in same}) > 1:
            leaks += paths
        if len({picture.label for picture in same if picture.label}) > 1:
            contradictions += paths
        if len({(picture.split, picture.label) for picture in same}) < len(same):
            copies += paths
    if leaks:
        message = tr("{n} are the same pictures in more than one split, so the test is not honest.").format(
            n=_n(len(leaks), "file")
        )
        fix = tr("Remove the copies from train; until then they are left out of it.")
        yield Problem("leak", Severity.ERROR, message, tuple(leaks), fix)
    if contradictions:
        message = tr("{n} are the same pictures in more than one class.").format(n=_n(len(contradictions), "file"))
        fix = tr("Keep each in its right class; until then none of them is used.")
        yield Problem("contradiction", Severity.ERROR, message, tuple(contradictions), fix)
    if copies:
        message = tr("{n} are copies of each other within a class; they stay in one split.").format(
            n=_n(len(copies), "file")
        )
        yield Problem("duplicate", Severity.INFO, message, tuple(copies), tr("Remove the copies."))


def _wrong_suffixes(pictures: Sequence[Picture]) -> Iterator[Problem]:
    wrong: dict[str, list[str]] = defaultdict(list)
    without: list[str] = []
    for picture in pictures:
        suffix = os.path.splitext(picture.path)[1].lower()
        if suffix in _SUFFIXES.get(picture.format, ()):
            continue
        if suffix in SUFFIXES:
            wrong[picture.format].append(picture.path)
        else:
            without.append(picture.path)
    if without:
        message = plural(
            "{count:,} picture has no ending of a picture format, so its content was looked at.",
            "{count:,} pictures have no ending of a picture format, so their content was looked at.",
            len(without),
        )
        yield Problem("no-extension", Severity.INFO, message, tuple(without))
    for format_, paths in sorted(wrong.items()):
        message = plural(
            "{count:,} {format} picture has the ending of another format; it is read all the same.",
            "{count:,} {format} pictures have the ending of another format; they are read all the same.",
            len(paths),
            format=format_,
        )
        fix = tr("Rename to {suffix}.").format(suffix=_SUFFIXES.get(format_, (tr("its own ending"),))[0])
        yield Problem("wrong-extension", Severity.WARNING, message, tuple(paths), fix)


def _wide(pictures: Sequence[Picture]) -> Iterator[Problem]:
    """Return the problem of many pictures of which a central square shows less than half of their length."""
    wide = [p.path for p in pictures if max(p.width, p.height) >= WIDE * min(p.width, p.height)]
    if len(wide) >= WIDE_SHARE * len(pictures):
        message = tr(
            "{n} of {pictures:,} are at least {wide} times as long as they are broad, so the "
            "network, which sees the square in the middle, does not see their ends."
        ).format(n=_n(len(wide), "picture"), pictures=len(pictures), wide=WIDE)
        fix = tr("Choose the preprocessing squash or pad if what tells the classes apart may lie there.")
        yield Problem("wide", Severity.WARNING, message, tuple(wide), fix)


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
