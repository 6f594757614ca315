"""Which folders of a dataset are splits and which are classes, read off names and counts alone.

What looks like splits is never taken for classes: a layout that cannot be read is refused with what was seen and the
ways out of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import DatasetError, Offer
from core.formats.folder_names import annotations_among, named_splits, names_a_split
from core.formats.folders import Folder
from core.formats.hints import label_files, labels_elsewhere, listed, words_in_names
from core.formats.records import SPLITS, ClassFolders, Layout, Problem, ReadOptions, Severity, split_of
from core.translation import plural, tr

_FOLD = re.compile(r"(?:k?fold|cv)[\s_-]*\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LabelledFolder:
    """A folder whose pictures are of one class; with `deep` those in the folders inside it too.

    `group` is what they are never torn from: the fold that they are in.
    """

    folder: Folder
    split: str | None
    label: str
    deep: bool = True
    group: str | None = None


@dataclass(slots=True)
class Reading:
    """A layout as it was understood; all paths are relative to `root`.

    `loose` are folders whose own pictures are in no class folder, `beside` those that are left out as a whole.
    """

    root: Path
    layout: Layout
    labelled: list[LabelledFolder] = field(default_factory=list)
    loose: list[Folder] = field(default_factory=list)
    beside: list[Folder] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    hint: str = ""


def read_layout(top: Folder, base: Path, class_folders: ClassFolders = ClassFolders.AUTO) -> Reading:
    """Understand the folders of a dataset.

    Args:
        top: the folder that was chosen, as walked.
        base: where it is, for the sentences.
        class_folders: which folders are classes where class folders hold folders of their own.

    Raises:
        DatasetError: the layout is not understood, or there are no class folders.
    """
    where, root = _unwrapped(base, top)
    splits = _split_folders(root, where)
    if splits:
        reading = _read_splits(root, where, splits)
    elif folds := _folds(root):
        reading = Reading(where, "classes", folds, [root, *root.filled])
    elif by_class := _divided_classes(root):
        reading = Reading(where, "splits", by_class, [root])
    else:
        reading = Reading(
            where, "classes", [LabelledFolder(folder, None, folder.name) for folder in root.folders], [root]
        )
        reading.problems += _named_like_splits(root)
    if not reading.labelled:
        raise _no_classes(root, where)
    if annotations := annotations_among({place.label for place in reading.labelled}):
        raise _beside_annotations(reading, where, annotations)
    _choose_class_folders(reading, class_folders)
    _join_spellings(reading)
    tables, words = label_files([root, *(place.folder for place in reading.labelled)]), ""
    if len({place.label for place in reading.labelled}) == 1:
        words = words_in_names([found.name for place in reading.labelled for found in place.folder.pictures])
    reading.hint = labels_elsewhere(tables) or words
    return reading


def _unwrapped(base: Path, folder: Folder) -> tuple[Path, Folder]:
    """Return where the dataset is, and its folder: archives like to unpack into a folder of their own name."""
    while len(folder.folders) == 1 and not folder.pictures:
        (inner,) = folder.folders
        if split_of(inner.name) or not inner.folders:
            break
        folder = inner
    return base / folder.path, folder.as_top() if folder.path else folder


def _split_folders(root: Folder, where: Path) -> dict[str, list[Folder]]:
    """Return the folders of each split; none where the top folders are classes.

    Raises:
        DatasetError: there are splits, but they hold no class folders.
    """
    names = named_splits([folder.name for folder in root.folders])
    splits: dict[str, list[Folder]] = defaultdict(list)
    for folder in root.folders:
        if folder.name in names:
            splits[names[folder.name]].append(_single(folder, names[folder.name]))
    others = [folder for folder in root.filled if folder.name not in names]
    alone = len(names) == len(root.folders)
    if len(splits) < 2 and not (splits and alone):
        return {}
    if any(folder.filled or (folder.folders and not folder.pictures) for folder in splits.get("train", ())):
        return _single_folder_each(splits)
    tables = label_files([root, *(folder for folders in splits.values() for folder in folders)])
    filled = any(folder.total for folders in splits.values() for folder in folders)
    if filled and (len(others) < 2 or tables):
        raise _flat_splits(splits, where, tables)
    return {}


def _single(folder: Folder, split: str) -> Folder:
    """Return the folder of a split itself: seg_train/seg_train and train/train are one."""
    while len(folder.folders) == 1 and not folder.pictures:
        (inner,) = folder.folders
        if inner.name != folder.name and split_of(inner.name) != split:
            break
        folder = inner
    return folder


def _single_folder_each(splits: Mapping[str, list[Folder]]) -> dict[str, list[Folder]]:
    """Return the splits without a folder that each of them holds as its only one: train/images/cat, test/images/cat."""
    folders = [folder for of_split in splits.values() for folder in of_split if folder.total]
    names = {inner.name for folder in folders for inner in folder.folders}
    if len(names) != 1 or any(folder.pictures or not folder.folders[0].filled for folder in folders):
        return dict(splits)
    return {split: [folder.folders[0] for folder in of_split if folder.total] for split, of_split in splits.items()}


def _read_splits(root: Folder, where: Path, splits: Mapping[str, list[Folder]]) -> Reading:
    reading = Reading(where, "splits", [], [root])
    inside: set[str] = set()
    for split in SPLITS:
        for folder in splits.get(split, ()):
            reading.loose.append(folder)
            reading.labelled += [LabelledFolder(inner, split, inner.name) for inner in folder.folders]
            inside.add(folder.path)
    for folder in root.folders:
        if not any(path == folder.path or path.startswith(f"{folder.path}/") for path in inside):
            reading.beside.append(folder)
    copies = [
        folder.path for folder in reading.beside if len(set(named_splits([inner.name for inner in folder.folders]))) > 1
    ]
    if copies:
        message = plural(
            "{copies} holds splits too, like a second copy of the dataset, and is left out.",
            "{copies} hold splits too, like a second copy of the dataset, and are left out.",
            len(copies),
            copies=listed(copies),
        )
        fix = tr("Remove the copy, or open it by itself.")
        reading.problems.append(Problem("second-copy", Severity.WARNING, message, tuple(copies), fix))
    others = tuple(folder.path for folder in reading.beside if folder.path not in copies)
    if others:
        message = plural(
            "{count:,} folder lies beside the splits and is left out.",
            "{count:,} folders lie beside the splits and are left out.",
            len(others),
        )
        fix = tr("Name a split train, valid or test, or move the folder away.")
        reading.problems.append(Problem("beside-splits", Severity.WARNING, message, others, fix))
    return reading


def _divided_classes(root: Folder) -> list[LabelledFolder]:
    """Return the folders of cat/train, cat/test, dog/train, dog/test; none where classes are not divided like this."""
    places: list[LabelledFolder] = []
    for folder in root.filled:
        names = named_splits([inner.name for inner in folder.folders])
        if folder.pictures or any(inner.name not in names for inner in folder.filled):
            return []
        places += [LabelledFolder(inner, names[inner.name], folder.name) for inner in folder.filled]
    splits = {place.split for place in places}
    return places if "train" in splits and len(splits) > 1 else []


def _folds(root: Folder) -> list[LabelledFolder]:
    """Return the folders of fold1/cat, fold1/dog, fold2/cat …; none where not every folder is a fold with classes."""
    folds = root.filled
    if len(folds) < 2 or not all(_FOLD.fullmatch(folder.name) and folder.filled for folder in folds):
        return []
    return [LabelledFolder(inner, None, inner.name, group=fold.name) for fold in folds for inner in fold.filled]


def _named_like_splits(root: Folder) -> Iterator[Problem]:
    names = named_splits([folder.name for folder in root.filled])
    if names:
        paths = tuple(folder.path for folder in root.filled if folder.name in names)
        others = [folder.name for folder in root.filled if folder.name not in names]
        message = plural(
            "{names} is taken for a class because of {others}, although named as splits are.",
            "{names} are taken for classes because of {others}, although named as splits are.",
            len(paths),
            names=listed(list(names)),
            others=listed(others),
        )
        fix = tr("For splits, put a folder per class into each of them and move the others away.")
        yield Problem("split-named-class", Severity.WARNING, message, paths, fix)


def _beside_annotations(reading: Reading, where: Path, annotations: Sequence[str]) -> DatasetError:
    images = sorted({place.label for place in reading.labelled} - set(annotations))
    return DatasetError(
        tr("The layout of {where} is not understood.").format(where=where),
        plural(
            "{annotations} beside {images} looks like masks or labels of its pictures, one file for each, not like a "
            "class: nothing says which class a picture is of.",
            "{annotations} beside {images} look like masks or labels of its pictures, one file for each, not like "
            "classes: nothing says which class a picture is of.",
            len(annotations),
            annotations=listed(annotations),
            images=listed(images),
        ),
        tr(
            "Put the pictures of each class into a folder named after it; where these folders are classes after all, "
            "give them other names."
        ),
    )


def _choose_class_folders(reading: Reading, choice: ClassFolders) -> None:
    """Take the chosen ones where class folders hold folders of their own, or say that there is a choice."""
    nested = [place for place in reading.labelled if place.folder.filled]
    if choice is ClassFolders.INNER:
        reading.labelled = [
            LabelledFolder(folder, place.split, folder.name if folder.pictures else place.label, False, place.group)
            for place in reading.labelled
            for folder in place.folder.walk()
            if folder.pictures or not place.folder.total
        ]
    if not nested:
        return
    if choice is not ClassFolders.INNER:
        reading.problems += _splits_inside(nested)
    paths = tuple(place.folder.path for place in nested)
    if choice is not ClassFolders.AUTO:
        message = tr("The {choice} folders are the classes, as chosen.").format(choice=choice)
        reading.problems.append(Problem("which-classes", Severity.INFO, message, paths, offers=which_folders()))
    elif not any(place.folder.pictures for place in reading.labelled):
        reading.problems += _inner_classes(nested, paths)


def _splits_inside(nested: Sequence[LabelledFolder]) -> Iterator[Problem]:
    paths = [inner.path for place in nested for inner in place.folder.filled if names_a_split(inner.name)]
    if paths:
        message = plural(
            "{count:,} folder inside a class folder is named like a split ({first}), but its pictures are mixed with "
            "the others of the class.",
            "{count:,} folders inside class folders are named like a split ({first}), but their pictures are mixed "
            "with the others of the class.",
            len(paths),
            first=paths[0],
        )
        fix = tr("Make it a split of the whole dataset, such as test/cat, or give it another name.")
        yield Problem("split-in-class", Severity.ERROR, message, tuple(paths), fix)


def _inner_classes(nested: Sequence[LabelledFolder], paths: tuple[str, ...]) -> Iterator[Problem]:
    """Say that the inner folders may be the classes; an error where every class folder has the same ones in it."""
    inner = [{folder.name for folder in place.folder.filled} for place in nested]
    shared = sorted(set.intersection(*inner))
    names = sorted(set.union(*inner))
    if len(names) < 2 or any(split_of(name) for name in names):
        return
    outer = sorted({place.label for place in nested})
    fix = tr("Choose the inner folders as classes (--class-folders inner), or the outer ones (--class-folders outer).")
    if len(shared) > 1 and len(nested) > 1:
        message = tr("Each of {outer} holds the same folders ({shared}): either may be the classes.").format(
            outer=listed(outer), shared=listed(shared)
        )
        yield Problem("which-classes", Severity.ERROR, message, paths, fix, which_folders())
    else:
        message = tr("The classes are {outer}; the folders inside them ({names}) are not distinguished.").format(
            outer=listed(outer), names=listed(names)
        )
        yield Problem("which-classes", Severity.WARNING, message, paths, fix, which_folders())


def which_folders() -> tuple[Offer, ...]:
    """Return the ways to choose between the folders that hold folders, and those inside them."""
    return tuple(
        Offer(tr("Take the {choice} folders").format(choice=choice), ReadOptions(class_folders=choice))
        for choice in (ClassFolders.OUTER, ClassFolders.INNER)
    )


def _join_spellings(reading: Reading) -> None:
    """Let a class that splits write differently (train/Cat, test/cat) be one, as the first split writes it.

    Two spellings in one split are two classes; the clash is reported with the other problems.
    """
    spellings: dict[str, dict[str, set[str | None]]] = defaultdict(lambda: defaultdict(set))
    for place in reading.labelled:
        spellings[_folded(place.label)][place.label].add(place.split)
    canonical: dict[str, str] = {}
    for by_label in spellings.values():
        splits = Counter(split for of_label in by_label.values() for split in of_label)
        if len(by_label) > 1 and max(splits.values()) == 1:
            first = min(by_label, key=lambda label: min(SPLITS.index(split) for split in by_label[label] if split))
            canonical |= dict.fromkeys(by_label.keys() - {first}, first)
    if not canonical:
        return
    paths = tuple(place.folder.path for place in reading.labelled if place.label in canonical)
    label, first = next(iter(sorted(canonical.items())))
    message = plural(
        "{count:,} class is written differently from split to split ({label}, {first}), and each counts as one.",
        "{count:,} classes are written differently from split to split ({label}, {first}), and each counts as one.",
        len(canonical),
        label=label,
        first=first,
    )
    fix = tr("Give the folder of a class the same name in every split.")
    reading.problems.append(Problem("class-spelling", Severity.WARNING, message, paths, fix))
    reading.labelled = [replace(place, label=canonical.get(place.label, place.label)) for place in reading.labelled]


def _folded(name: str) -> str:
    """Return a name as Windows and macOS see it: without case, accents encoded in one way."""
    return unicodedata.normalize("NFC", name).casefold()


def _flat_splits(splits: Mapping[str, list[Folder]], where: Path, tables: Sequence[str]) -> DatasetError:
    what = tr("The layout of {where} is not understood.").format(where=where)
    seen = [folder for split in SPLITS for folder in splits.get(split, ()) if folder.total]
    if not any(folder.total for folder in splits.get("train", ())):
        return DatasetError(
            what,
            plural(
                "{seen} looks like a split, but there is no train to learn from.",
                "{seen} look like splits, but there is no train to learn from.",
                len(seen),
                seen=listed([folder.path for folder in seen]),
            ),
            tr("Add a folder train with one folder of pictures per class, or open a folder that holds class folders."),
        )
    counts = ", ".join(f"{folder.path}: {len(folder.pictures):,}" for folder in seen)
    why = tr("Its folders are named like splits, but hold pictures and no class folders ({counts}).").format(
        counts=counts
    )
    train = splits["train"][0]
    hint = labels_elsewhere(tables) or words_in_names([found.name for found in train.pictures])
    return DatasetError(
        what,
        f"{why} {hint}".rstrip(),
        tr(
            "Put the pictures of each class into a folder named after it, such as {path}/cat and "
            "{path}/dog; where these folders are classes after all, give them other names."
        ).format(path=train.path),
    )


def _no_classes(root: Folder, where: Path) -> DatasetError:
    count = len(root.pictures)
    why = (
        tr("It holds {count:,} pictures, but no folder per class.").format(count=count)
        if count
        else tr("It has no class folders.")
    )
    hint = labels_elsewhere(label_files([root])) or words_in_names([found.name for found in root.pictures])
    return DatasetError(
        tr("There is nothing to train on in {where}.").format(where=where),
        f"{why} {hint}".rstrip(),
        tr("Put the pictures of each class into a folder named after it."),
    )
