"""The files of a dataset with their classes, as its reader found them, and what is odd about those that count."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import DatasetError, Offer
from core.formats.hints import listed
from core.formats.layout import which_folders
from core.formats.records import Example, Layout, Listing, Problem, ReadOptions, Severity
from core.formats.registry import read_listing
from core.formats.unlabelled import FOLDERS as UNLABELLED_FOLDERS
from core.formats.unlabelled import NAME as UNLABELLED
from core.formats.walk import Walk
from core.progress import CancelToken
from core.translation import plural, tr
from training_scripts.pictures.formats import FOREIGN


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that says by its name that it is a picture, and has one class or, with the label "", none yet.

    `full` is its path on this machine.
    """

    path: str
    full: str
    label: str
    split: str | None
    size: int
    mtime_ns: int
    group: str | None = None


@dataclass(slots=True)
class Tree:
    """What a reader found. `labels` has where each class is said, also of empty ones: (split, label) -> path.

    `hint` is a sentence on where labels may be written that no folder shows; "" where there is none.
    """

    root: Path
    layout: Layout
    files: list[Candidate] = field(default_factory=list)
    labels: dict[tuple[str | None, str], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    options: ReadOptions = ReadOptions()  # noqa: RUF009 - frozen
    format: str = "folders"
    seen: tuple[str, ...] = ()
    hint: str = ""


def read_tree(
    folder: Path, cancel: CancelToken | None = None, options: ReadOptions | None = None, *, unlabelled: bool = False
) -> Tree:
    """Read `folder` as what its content says that it is, or as `options` ask.

    With `unlabelled` pictures without a class are read too, and a folder that says no classes at all can be opened.

    Raises:
        DatasetError: it is not a folder, cannot be listed, or cannot be read as a dataset.
        Cancelled: through `cancel`.
    """
    walk = Walk(folder, cancel or CancelToken())
    return tree_of(listing_of(walk, options or ReadOptions(), unlabelled=unlabelled), walk, unlabelled=unlabelled)


def listing_of(walk: Walk, options: ReadOptions, *, unlabelled: bool = False) -> Listing:
    """Return what a walked folder says of its pictures.

    Raises:
        DatasetError: as `read_tree`.
    """
    how = replace(options, frames=ReadOptions().frames)  # which is seen to before, in `core.dataset.frames`
    try:
        listing = read_listing(walk, options)
    except DatasetError as error:
        without = replace(options, format=UNLABELLED)
        if not unlabelled or not walk.top.total or how != ReadOptions():
            raise
        if error.offers:
            offers = (*error.offers, Offer(tr("Open without labels"), without))
            raise DatasetError(error.what, error.why, error.fix, offers=offers) from None
        listing = read_listing(walk, without)
    if unlabelled:
        _take_unlabelled(listing)
    return listing


def _take_unlabelled(listing: Listing) -> None:
    """Make what is in no class folder, or in one called so, pictures without a label; beside splits, of train."""
    folders = {label for _, label in listing.classes if label.casefold() in UNLABELLED_FOLDERS}
    listing.classes = {key: path for key, path in listing.classes.items() if key[1] not in folders}
    listing.examples = [
        replace(example, labels=example.labels - folders) if example.labels & folders else example
        for example in listing.examples
    ]
    split = "train" if listing.layout == "splits" else None
    listing.examples += [Example(path, frozenset(), split) for path in listing.loose]
    listing.loose = []


def tree_of(listing: Listing, walk: Walk, *, unlabelled: bool) -> Tree:
    """Return the files of a listing that have one class, and what is odd, each kind of it once.

    With `unlabelled` those without one too.
    """
    tree = Tree(
        listing.root,
        listing.layout,
        labels=listing.classes,
        options=listing.options,
        format=listing.format,
        seen=tuple(listing.seen),
        hint=listing.hint,
    )
    found = {file.full: file for folder in walk.top.walk() for file in folder.pictures}
    root, gone = f"{listing.root}{os.sep}", []
    for example in listing.examples:
        if len(example.labels) > 1 or not (example.labels or unlabelled):
            continue
        full = root + example.path
        file = found.get(full)
        size, mtime_ns = (file.size, file.mtime_ns) if file else _stat(full)
        if mtime_ns < 0:
            gone.append(example.path)
            continue
        label = next(iter(example.labels), "")
        tree.files.append(Candidate(example.path, full, label, example.split, size, mtime_ns, example.group))
    listing.missing += gone
    _say_odd(tree, listing, walk, unlabelled=unlabelled)
    return tree


def _stat(full: str) -> tuple[int, int]:
    """Return the size and the time of a file outside the folder that was walked; a negative time where it is gone."""
    try:
        status = os.stat(full)
    except OSError:
        return 0, -1
    return status.st_size, status.st_mtime_ns


def _say_odd(tree: Tree, listing: Listing, walk: Walk, *, unlabelled: bool) -> None:
    inside = listing.root.is_relative_to(walk.root)
    wrapping = listing.root.relative_to(walk.root).as_posix() if inside else "."
    prefix = "" if wrapping == "." else f"{wrapping}/"
    beside = tuple(f"{prefix}{path}/" for path in listing.beside)
    oddities = {
        kind: [path[len(prefix) :] for path in paths if path.startswith(prefix) and not path.startswith(beside)]
        for kind, paths in walk.odd.items()
    }
    foreign = Counter(walk.foreign[prefix + path] for path in oddities.get("unsupported-format", ()))
    oddities["non-image"] = sorted(set(oddities.get("non-image", ())) - set(listing.files))
    oddities["no-class"] = listing.loose
    oddities["missing-picture"] = listing.missing
    oddities["several-labels"] = [example.path for example in listing.examples if len(example.labels) > 1]
    if not unlabelled:
        oddities["unlabelled"] = [example.path for example in listing.examples if not example.labels]
    if not unlabelled and not listing.folders:
        named = {example.path for example in listing.examples}
        oddities["unlabelled"] += [path for path in _pictures_of(walk, listing.root) if path not in named]
    if not any(problem.kind == "which-classes" for problem in listing.problems):
        oddities["nested"] = listing.nested
    tree.ignored = sorted(set(oddities.get("non-image", ())))
    tree.problems = [*listing.problems, *_odd_problems(oddities, foreign)]


def _pictures_of(walk: Walk, root: Path) -> Iterator[str]:
    start = f"{root}{os.sep}"
    for folder in walk.top.walk():
        for file in folder.pictures:
            if file.full.startswith(start):
                yield file.full[len(start) :].replace(os.sep, "/")


def _odd_problems(odd: dict[str, list[str]], foreign: Counter[str]) -> Iterator[Problem]:
    for kind, paths in odd.items():
        if not paths:
            continue
        severity, sentence, fix = _ODDITIES[kind]
        unique = sorted({path.encode("utf-8", "backslashreplace").decode() for path in paths})
        message = sentence(len(unique))
        if kind == "unsupported-format":
            named = ", ".join(f"{count:,} {name}" for name, count in foreign.most_common())
            message = f"{message.removesuffix('.')} ({named})."
            fix = _how_to_read(foreign, fix)
        yield Problem(kind, severity, message, tuple(unique), fix, which_folders() if kind == "nested" else ())


def _how_to_read(foreign: Collection[str], otherwise: str) -> str:
    """Return what makes pictures of these formats readable: the packages for those that have one."""
    known = [found for found in FOREIGN if found.name in foreign and found.package]
    if not known:
        return otherwise
    packages = " ".join(sorted({found.package for found in known}))
    install = tr("To read {names}: pip install {packages}")
    names = listed([found.name for found in known])
    said = install.format(names=names, packages=packages)
    return said if len(known) == len(foreign) else f"{said}. {otherwise}"


_ODDITIES: dict[str, tuple[Severity, Callable[[int], str], str]] = {
    "no-access": (
        Severity.ERROR,
        lambda count: plural(
            "{count:,} file or folder cannot be read.", "{count:,} files or folders cannot be read.", count
        ),
        tr("Check that you may read them, and that the disk is connected."),
    ),
    "bad-name": (
        Severity.WARNING,
        lambda count: plural(
            "{count:,} name cannot be read as text; what it names is left out.",
            "{count:,} names cannot be read as text; what they name is left out.",
            count,
        ),
        tr("Rename them with letters that this system can show."),
    ),
    "unsupported-format": (
        Severity.WARNING,
        lambda count: plural(
            "{count:,} picture has a format that is not read.",
            "{count:,} pictures have a format that is not read.",
            count,
        ),
        tr("Convert them to JPEG or PNG."),
    ),
    "no-class": (
        Severity.WARNING,
        lambda count: plural(
            "{count:,} picture lies in no class folder and is left out.",
            "{count:,} pictures lie in no class folder and are left out.",
            count,
        ),
        tr("Move them into the folder of their class."),
    ),
    "missing-picture": (
        Severity.WARNING,
        lambda count: plural(
            "{count:,} picture that has a label is not there.",
            "{count:,} pictures that have a label are not there.",
            count,
        ),
        tr("Bring them back, or take them out of the file of labels."),
    ),
    "several-labels": (
        Severity.WARNING,
        lambda count: plural(
            "{count:,} picture has more than one label and is left out: one class for each picture is learned.",
            "{count:,} pictures have more than one label and are left out: one class for each picture is learned.",
            count,
        ),
        tr("Give each picture one class; `sagehound convert` keeps them all."),
    ),
    "unlabelled": (
        Severity.INFO,
        lambda count: plural(
            "{count:,} picture has no label and is left out.",
            "{count:,} pictures have no label and are left out.",
            count,
        ),
        "",
    ),
    "symlink-loop": (
        Severity.WARNING,
        lambda count: plural(
            "{count:,} link leads back into a folder that holds it; it is not followed.",
            "{count:,} links lead back into folders that hold them; they are not followed.",
            count,
        ),
        tr("Remove the links."),
    ),
    "broken-link": (
        Severity.WARNING,
        lambda count: plural(
            "{count:,} link leads nowhere.",
            "{count:,} links lead nowhere.",
            count,
        ),
        tr("Remove them, or bring back what they point to."),
    ),
    "nested": (
        Severity.INFO,
        lambda count: plural(
            "{count:,} picture lies in a folder inside its class folder; it counts for the class.",
            "{count:,} pictures lie in folders inside their class folders; they count for the class.",
            count,
        ),
        tr("If the inner folders are classes of their own, choose them (--class-folders inner)."),
    ),
    "non-image": (
        Severity.INFO,
        lambda count: plural(
            "{count:,} file is not a picture and is ignored.",
            "{count:,} files are not pictures and are ignored.",
            count,
        ),
        "",
    ),
}
