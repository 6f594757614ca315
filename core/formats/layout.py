"""Which folders of a dataset are splits and which are classes, read off names and counts alone.

What looks like splits is never taken for classes: a layout that cannot be read is refused with what was seen and the
ways out of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import DatasetError, Offer
from core.formats.folders import Folder
from core.formats.hints import label_files, labels_elsewhere, listed, words_in_names
from core.formats.records import SPLITS, ClassFolders, Layout, Problem, ReadOptions, Severity, split_of

_SEPARATORS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])")
_OF_ANY_SPLIT = frozenset(("data", "dataset", "set", "split", "images", "image", "imgs", "img", "pictures", "photos"))
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
    _choose_class_folders(reading, class_folders)
    _join_spellings(reading)
    tables, words = label_files([root, *(place.folder for place in reading.labelled)]), ""
    if len({place.label for place in reading.labelled}) == 1:
        words = words_in_names([found.name for place in reading.labelled for found in place.folder.pictures])
    reading.hint = labels_elsewhere(tables) or words
    return reading


def named_splits(names: Collection[str]) -> dict[str, str]:
    """Return which of these folders, side by side, stand for splits, and for which.

    Besides the usual names, names of one kind count where they tell train from another split: seg_train and seg_test,
    train_images and testimages, 01_train and 02_test, trainA and testA; but not steam_train and crash_test.
    """
    found = {name: split for name in names if (split := split_of(name))}
    kinds: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        for split, kind in _readings(name):
            kinds[kind].setdefault(name, split)
    for named in kinds.values():
        if "train" in named.values() and len(set(named.values())) > 1:
            found |= named
    return found


def _readings(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return which splits a name may stand for, each with the other words of it, which splits side by side share."""
    words = [word for part in _SEPARATORS.split(name) if (word := part.lower().strip("0123456789"))]
    for at, word in enumerate(words):
        ends = (ending for ending in _OF_ANY_SPLIT if word.endswith(ending))
        if split := split_of(word) or next(filter(None, (split_of(word.removesuffix(end)) for end in ends)), None):
            yield split, tuple(other for other in (*words[:at], *words[at + 1 :]) if other not in _OF_ANY_SPLIT)


def _names_a_split(name: str) -> bool:
    """Whether a folder by itself is named like a split: test, Test Set, 02_test; not crash_test."""
    return any(not kind for _, kind in _readings(name))


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
        is_one = len(copies) == 1
        message = (
            f"{listed(copies)} {'holds' if is_one else 'hold'} splits too, like a second copy of the dataset, "
            f"and {'is' if is_one else 'are'} left out."
        )
        fix = "Remove the copy, or open it by itself."
        reading.problems.append(Problem("second-copy", Severity.WARNING, message, tuple(copies), fix))
    others = tuple(folder.path for folder in reading.beside if folder.path not in copies)
    if others:
        subject = "1 folder lies" if len(others) == 1 else f"{len(others):,} folders lie"
        message = f"{subject} beside the splits and {'is' if len(others) == 1 else 'are'} left out."
        fix = "Name a split train, valid or test, or move the folder away."
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
        subject = "is taken for a class" if len(paths) == 1 else "are taken for classes"
        message = f"{listed(list(names))} {subject} because of {listed(others)}, although named as splits are."
        fix = "For splits, put a folder per class into each of them and move the others away."
        yield Problem("split-named-class", Severity.WARNING, message, paths, fix)


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
        message = f"The {choice} folders are the classes, as chosen."
        reading.problems.append(Problem("which-classes", Severity.INFO, message, paths, offers=which_folders()))
    elif not any(place.folder.pictures for place in reading.labelled):
        reading.problems += _inner_classes(nested, paths)


def _splits_inside(nested: Sequence[LabelledFolder]) -> Iterator[Problem]:
    paths = [inner.path for place in nested for inner in place.folder.filled if _names_a_split(inner.name)]
    if paths:
        one = len(paths) == 1
        subject = "1 folder inside a class folder is" if one else f"{len(paths):,} folders inside class folders are"
        whose = f"{'its' if one else 'their'} pictures are mixed with the others of the class"
        message = f"{subject} named like a split ({paths[0]}), but {whose}."
        fix = "Make it a split of the whole dataset, such as test/cat, or give it another name."
        yield Problem("split-in-class", Severity.ERROR, message, tuple(paths), fix)


def _inner_classes(nested: Sequence[LabelledFolder], paths: tuple[str, ...]) -> Iterator[Problem]:
    """Say that the inner folders may be the classes; an error where every class folder has the same ones in it."""
    inner = [{folder.name for folder in place.folder.filled} for place in nested]
    shared = sorted(set.intersection(*inner))
    names = sorted(set.union(*inner))
    if len(names) < 2 or any(split_of(name) for name in names):
        return
    outer = sorted({place.label for place in nested})
    fix = "Choose the inner folders as classes (--class-folders inner), or the outer ones (--class-folders outer)."
    if len(shared) > 1 and len(nested) > 1:
        message = f"Each of {listed(outer)} holds the same folders ({listed(shared)}): either may be the classes."
        yield Problem("which-classes", Severity.ERROR, message, paths, fix, which_folders())
    else:
        message = f"The classes are {listed(outer)}; the folders inside them ({listed(names)}) are not told apart."
        yield Problem("which-classes", Severity.WARNING, message, paths, fix, which_folders())


def which_folders() -> tuple[Offer, ...]:
    """Return the ways to choose between the folders that hold folders, and those inside them."""
    return tuple(
        Offer(f"Take the {choice} folders", ReadOptions(class_folders=choice))
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
    subject = "1 class is" if len(canonical) == 1 else f"{len(canonical):,} classes are"
    message = f"{subject} written differently from split to split ({label}, {first}), and each counts as one."
    fix = "Give the folder of a class the same name in every split."
    reading.problems.append(Problem("class-spelling", Severity.WARNING, message, paths, fix))
    reading.labelled = [replace(place, label=canonical.get(place.label, place.label)) for place in reading.labelled]


def _folded(name: str) -> str:
    """Return a name as Windows and macOS see it: without case, accents encoded in one way."""
    return unicodedata.normalize("NFC", name).casefold()


def _flat_splits(splits: Mapping[str, list[Folder]], where: Path, tables: Sequence[str]) -> DatasetError:
    what = f"The layout of {where} is not understood."
    seen = [folder for split in SPLITS for folder in splits.get(split, ()) if folder.total]
    if not any(folder.total for folder in splits.get("train", ())):
        looks = "looks like a split" if len(seen) == 1 else "look like splits"
        return DatasetError(
            what,
            f"{listed([folder.path for folder in seen])} {looks}, but there is no train to learn from.",
            "Add a folder train with one folder of pictures per class, or open a folder that holds class folders.",
        )
    counts = ", ".join(f"{folder.path}: {len(folder.pictures):,}" for folder in seen)
    why = f"Its folders are named like splits, but hold pictures and no class folders ({counts})."
    train = splits["train"][0]
    hint = labels_elsewhere(tables) or words_in_names([found.name for found in train.pictures])
    return DatasetError(
        what,
        f"{why} {hint}".rstrip(),
        f"Put the pictures of each class into a folder named after it, such as {train.path}/cat and {train.path}/dog; "
        "where these folders are classes after all, give them other names.",
    )


def _no_classes(root: Folder, where: Path) -> DatasetError:
    count = len(root.pictures)
    why = f"It holds {count:,} pictures, but no folder per class." if count else "It has no class folders."
    hint = labels_elsewhere(label_files([root])) or words_in_names([found.name for found in root.pictures])
    return DatasetError(
        f"There is nothing to train on in {where}.",
        f"{why} {hint}".rstrip(),
        "Put the pictures of each class into a folder named after it.",
    )
