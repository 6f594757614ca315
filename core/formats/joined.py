"""Several folders as one dataset: a folder of links to them, so that no picture is copied.

The first part of a picture's path says where it is from: the name of its folder. Each folder is read by itself, as
whatever it is; classes of one name are one class. Folders that say no classes are a class each where none says any.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import DatasetError, Offer
from core.formats.opened_source import OpenedSource
from core.formats.records import Example, Listing, Problem, ReadOptions, Severity
from core.formats.unlabelled import NAME as UNLABELLED
from core.formats.walk import Walk
from core.translation import plural, tr
from training_scripts.durable import write_text
from training_scripts.outside import UNUSABLE, read_json

NAME = "joined"
FILE = ".sagehound-folders.json"
"""Names the folders; a walk passes it over."""

_LONGEST = 60
ReadOne = Callable[[Walk, ReadOptions], Listing]


@dataclass(frozen=True, slots=True)
class JoinedFolder:
    """One of the folders: its name in the paths of pictures, where it is, and the file of labels in it, if chosen."""

    name: str
    folder: Path
    labels: str = ""


def folders_of(root: Path) -> tuple[JoinedFolder, ...]:
    """Return the folders that a dataset is joined of; none where it is an ordinary folder."""
    with suppress(*UNUSABLE):
        said = read_json(root / FILE)["folders"]
        found = (JoinedFolder(str(one["name"]), Path(one["folder"]), str(one["labels"])) for one in said)
        return tuple(one for one in found if one.name == os.path.basename(one.name))
    return ()


def words_for(root: Path) -> str:
    """Return where a dataset is, for a person: its folder, or those that it is joined of."""
    return " + ".join(str(one.folder) for one in folders_of(root)) or str(root)


def join(sources: Sequence[OpenedSource], place: Path) -> Path:
    """Return a folder under `place` that is these folders as one dataset; the same for the same folders in any order.

    One folder alone is returned as it is. A folder that is joined already counts as those it is joined of.

    Raises:
        DatasetError: one of them is not there or is inside another, or links to them cannot be made.
    """
    chosen = _each_once(sources)
    if len(chosen) == 1 and not chosen[0].labels:
        return chosen[0].folder
    key = hashlib.sha256("\0".join(f"{one.folder}\0{one.labels}" for one in chosen).encode()).hexdigest()[:12]
    root = place / key / _title([one.name for one in chosen])
    if folders_of(root) != chosen:
        try:
            root.mkdir(parents=True, exist_ok=True)
            for one in chosen:
                _link(root / one.name, one.folder)
            said = [{"name": one.name, "folder": str(one.folder), "labels": one.labels} for one in chosen]
            write_text(root / FILE, json.dumps({"format": 1, "folders": said}, ensure_ascii=False))
        except OSError as error:
            raise DatasetError(
                tr("The folders cannot be opened as one dataset."),
                tr("Links to them cannot be made in {root} ({reason}).").format(root=root, reason=error.strerror),
                tr("Put them into one folder, and open that."),
            ) from error
    return root


def _each_once(sources: Iterable[OpenedSource]) -> tuple[JoinedFolder, ...]:
    """Return the folders by path, each under a name of its own."""
    found: dict[Path, JoinedFolder] = {}
    for source in sources:
        folder = Path(os.path.abspath(source.folder))
        for one in folders_of(folder) or (JoinedFolder("", folder, source.options.labels),):
            if not one.folder.is_dir():
                raise _gone(one.folder)
            place = Path(os.path.realpath(one.folder))
            known = found.get(place)
            if known is None or not known.labels:
                found[place] = one
            elif one.labels not in ("", known.labels):
                raise DatasetError(
                    tr("{first} and {second} are labels of one folder.").format(first=known.labels, second=one.labels),
                    fix=tr("Open one of them, or write both into one file."),
                )
    for inner in found:
        for outer in found.keys() & set(inner.parents):
            raise DatasetError(
                tr("{inner} is inside {outer}.").format(inner=inner, outer=outer),
                tr("Its pictures would be in the dataset twice."),
                tr("Open the outer one alone, or folders that are beside each other."),
            )
    ordered = sorted(found.values(), key=lambda one: str(one.folder))
    taken: set[str] = set()
    return tuple(replace(one, name=_name_for(one.folder, taken)) for one in ordered)


def _name_for(folder: Path, taken: set[str]) -> str:
    """Return the folder's name, with its parent's where another one is called so."""
    plain = folder.name or "folder"
    within = f"{plain} ({folder.parent.name})"
    for name in (plain, within, *(f"{within} {number}" for number in range(2, 1000))):
        if name.casefold() not in taken:
            taken.add(name.casefold())
            return name
    raise AssertionError("a thousand folders of one name")


def _title(names: Sequence[str]) -> str:
    """Return a name for the whole."""
    shown = list(names)
    while len(" + ".join(shown).encode()) > _LONGEST and len(shown) > 1:
        shown.pop()
    more = len(names) - len(shown)
    return " + ".join([*shown, *([tr("{count} more").format(count=more)] if more else [])])


def _link(link: Path, folder: Path) -> None:
    if link.is_symlink() and os.readlink(link) == str(folder):
        return
    with suppress(FileNotFoundError):
        link.unlink()
    if sys.platform == "win32":  # a junction needs no rights of its own, as a symbolic link does there
        import _winapi

        _winapi.CreateJunction(str(folder), str(link))
    else:
        link.symlink_to(folder, target_is_directory=True)


def read_joined(walk: Walk, folders: Sequence[JoinedFolder], options: ReadOptions, read_one: ReadOne) -> Listing:
    """Return one listing of all folders, each read by `read_one` as what its content says that it is.

    Raises:
        DatasetError: one of them is not there any more, or what it lists is not in it.
    """
    there = {folder.name for folder in walk.top.folders}
    for one in folders:
        if one.name not in there:
            raise _gone(one.folder)
    read: dict[str, Listing] = {}
    refused: dict[str, DatasetError] = {}
    for one in folders:
        try:
            read[one.name] = read_one(walk.inside(one.name), replace(options, labels=one.labels or options.labels))
        except DatasetError as error:
            refused[one.name] = error
    joined = Listing(walk.root, format=NAME, folders=all(listing.folders for listing in read.values()))
    joined.layout = "splits" if any(listing.layout == "splits" for listing in read.values()) else "classes"
    for one in folders:
        if one.name in read:
            _add(joined, read[one.name], one)
        else:
            _add_without_labels(joined, walk.inside(one.name), one, is_class=not read)
    if not read:
        joined.problems.append(_folders_are_classes(folders))
    elif refused:
        joined.problems.append(_without_labels(refused))
    if joined.layout == "splits" and (plain := [name for name, part in read.items() if part.layout != "splits"]):
        joined.problems.append(_without_splits(plain))
    return joined


def _add(joined: Listing, part: Listing, one: JoinedFolder) -> None:
    inside = os.path.relpath(part.root, joined.root).replace(os.sep, "/")
    if inside.split("/")[0] != one.name:
        raise DatasetError(
            tr("{folder} lists pictures that are outside of it.").format(folder=one.folder),
            fix=tr("Open the folder that holds both by itself."),
        )

    def within(paths: Iterable[str]) -> list[str]:
        return [f"{inside}/{path}" for path in paths]

    joined.examples += [
        replace(example, path=f"{inside}/{example.path}", group=example.group and f"{one.name}/{example.group}")
        for example in part.examples
    ]
    for key, path in part.classes.items():
        joined.classes.setdefault(key, f"{inside}/{path}")
    for problem in part.problems:
        offers = tuple(offer for offer in problem.offers if _is_for_all(offer))
        message = tr("In {name}: {message}").format(name=one.name, message=problem.message)
        joined.problems.append(replace(problem, message=message, paths=tuple(within(problem.paths)), offers=offers))
    joined.missing += within(part.missing)
    joined.loose += within(part.loose)
    joined.nested += within(part.nested)
    joined.beside += within(part.beside)
    joined.files += [f"{one.name}/{path}" for path in part.files]
    joined.hint = joined.hint or part.hint
    joined.seen.append(tr("{name} ({folder}): {seen}").format(name=one.name, folder=one.folder, seen=part.seen[0]))


def _is_for_all(offer: Offer) -> bool:
    """Whether a way out of a problem in one folder can be asked of all of them."""
    return bool(offer.options == ReadOptions(class_folders=offer.options.class_folders))


def _add_without_labels(joined: Listing, walk: Walk, one: JoinedFolder, *, is_class: bool) -> None:
    labels = frozenset((one.folder.name,)) if is_class else frozenset[str]()
    if is_class:
        joined.classes.setdefault((None, one.folder.name), one.name)
    for folder in walk.top.walk():
        prefix = "/".join(filter(None, (one.name, folder.path)))
        joined.examples += [Example(f"{prefix}/{file.name}", labels) for file in folder.pictures]
    said = (
        tr("{name} ({folder}): {count:,} pictures of one class.")
        if is_class
        else (tr("{name} ({folder}): {count:,} pictures without labels."))
    )
    joined.seen.append(said.format(name=one.name, folder=one.folder, count=walk.top.total))


def _gone(folder: Path) -> DatasetError:
    return DatasetError(
        tr("The folder {folder} is not there.").format(folder=folder),
        tr("It is one of those that make up this dataset."),
        tr("Bring it back or connect its disk, or open the others without it."),
    )


def _folders_are_classes(folders: Sequence[JoinedFolder]) -> Problem:
    return Problem(
        "folders-are-classes",
        Severity.INFO,
        tr("None of the folders says classes, so each of them is taken as one."),
        tuple(f"{one.name}/" for one in folders),
        tr("If they are no classes, open them without labels (--format unlabelled)."),
        (Offer(tr("Open without labels"), ReadOptions(format=UNLABELLED)),),
    )


def _without_labels(refused: dict[str, DatasetError]) -> Problem:
    names, first = ", ".join(refused), next(iter(refused.values()))
    return Problem(
        "folder-without-labels",
        Severity.WARNING,
        plural(
            "{names} says no classes; its pictures have no label.",
            "{names} say no classes; their pictures have no label.",
            len(refused),
            names=names,
        ),
        tuple(f"{name}/" for name in refused),
        tr("Label them, or leave the folder out. The reason: {reason}").format(reason=first.why or first.what),
    )


def _without_splits(names: Sequence[str]) -> Problem:
    return Problem(
        "folder-without-splits",
        Severity.INFO,
        plural(
            "{names} has no splits, as other folders have; its pictures are in train.",
            "{names} have no splits, as other folders have; their pictures are in train.",
            len(names),
            names=", ".join(names),
        ),
        tuple(f"{name}/" for name in names),
    )
