"""Class folders: the class is the name of the folder, with or without folders for splits around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.formats.dataset_format import DatasetFormat, Reader, Writer, Written
from core.formats.layout import read_layout
from core.formats.records import Example, Listing
from core.formats.source import Source
from core.translation import tr


def _sees(source: Source) -> Sequence[str]:
    return [folder.path for folder in source.top.filled]


def read(source: Source, _files: Sequence[str] = ()) -> Listing:
    """Read folders as classes.

    Raises:
        DatasetError: the layout is not understood, or there are no class folders.
    """
    reading = read_layout(source.top, source.root, source.options.class_folders)
    listing = Listing(reading.root, layout=reading.layout, problems=reading.problems, hint=reading.hint, folders=True)
    for place in reading.labelled:
        listing.classes.setdefault((place.split, place.label), place.folder.path)
        labels = frozenset((place.label,))
        for folder in place.folder.walk() if place.deep else (place.folder,):
            paths = [f"{folder.path}/{found.name}" for found in folder.pictures]
            listing.examples += [Example(path, labels, place.split, place.group) for path in paths]
            listing.nested += paths if folder is not place.folder else []
    listing.loose = [f"{folder.path}/{found.name}".lstrip("/") for folder in reading.loose for found in folder.pictures]
    listing.beside = [folder.path for folder in reading.beside]
    splits = sorted({place.split for place in reading.labelled if place.split})
    folds = {place.group for place in reading.labelled if place.group}
    if folds:
        said = tr("Class folders in {folds:,} folds, none of which a split will tear apart: {count:,} classes.")
    elif splits:
        said = tr("Class folders in {splits}: {count:,} classes.")
    else:
        said = tr("Class folders: {count:,} classes.")
    count = len({place.label for place in reading.labelled})
    listing.seen.append(said.format(folds=len(folds), splits=", ".join(splits), count=count))
    return listing


def place_in_class_folders(example: Example, name: str) -> str:
    """Return split/class/name, or class/name without a split."""
    (label,) = example.labels
    parts = [example.split] if example.split else []
    return "/".join([*parts, label, name])


def _nothing(_pictures: Sequence[Written]) -> Iterator[tuple[str, str]]:
    yield from ()


FORMAT = DatasetFormat(
    "folders",
    tr("Class folders"),
    tr(
        "One folder per class, by itself, inside `train`, `valid` and `test` by any usual name, with "
        "them inside, or in folds (`fold1/cat`)."
    ),
    tr("torchvision ImageFolder, Keras, fastai, Ultralytics, Teachable Machine's and Lobe's drag and drop"),
    Reader(_sees, read),
    Writer(place_in_class_folders, _nothing, one_label=True, folders=True),
)
