"""Write a listing as another format: pictures are copied, nothing of the source is touched, all of it comes at once."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import DatasetError
from core.formats.dataset_format import DatasetFormat, Writer, Written
from core.formats.hints import listed
from core.formats.records import Example, Listing
from core.paths import give_away
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import plural, tr
from training_scripts.durable import flush
from training_scripts.pictures.reading import size_of
from training_scripts.pictures.structure import PictureUnreadable

_THREADS = 8
_REPORT_EVERY = 100


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """What was written: pictures, classes, and the pictures that were left out because they have no label.

    `ungrouped` counts the pictures whose group the format cannot say: a new split may tear them apart.
    """

    path: Path
    format: str
    pictures: int
    classes: int
    unlabelled: int
    ungrouped: int


def write_dataset(
    listing: Listing,
    format_: DatasetFormat,
    target: Path,
    splits: Mapping[str, str] | None = None,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> WrittenDataset:
    """Write the pictures of a listing, with their labels, splits and groups, into a new folder.

    Args:
        listing: what is written.
        format_: as what.
        target: a folder that is not there yet, or is empty.
        splits: the split of each picture by its path, instead of the listing's own.

    Raises:
        DatasetError: the format cannot hold it, is not written, or the folder cannot be made.
        Cancelled: through `cancel`; nothing stays.
    """
    writer = format_.writer
    if writer is None:
        raise DatasetError(
            tr("{title} is read, but not written.").format(title=format_.title), fix=tr("Choose another format.")
        )
    _check_target(target)
    examples = _examples(listing, splits)
    unlabelled = sum(not example.labels for example in examples) if writer.one_label else 0
    examples = [example for example in examples if example.labels or not writer.one_label]
    _check_labels(examples, writer, format_)
    partial = target.with_name(f".{os.getpid()}-{target.name}")
    cancel = cancel or CancelToken()
    try:
        pictures = list(_placed(listing.root, examples, writer))
        _copy(listing.root, partial, pictures, on_progress, cancel)
        for name, text in writer.describe(pictures):
            file = partial / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
        flush([partial, *partial.rglob("*")])
        give_away(partial)
        os.replace(partial, target)
    except OSError as error:
        why = tr("The system says: {strerror}.").format(strerror=error.strerror or error)
        raise DatasetError(
            tr("{target} cannot be written.").format(target=target), why, tr("Choose another folder, or make room.")
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    classes = {label for example in examples for label in example.labels}
    ungrouped = 0 if writer.groups else sum(bool(example.group) for example in examples)
    return WrittenDataset(target, format_.name, len(pictures), len(classes), unlabelled, ungrouped)


def _check_target(target: Path) -> None:
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise DatasetError(
            tr("{target} is there already.").format(target=target), fix=tr("Name a folder that is not there yet.")
        )


def _examples(listing: Listing, splits: Mapping[str, str] | None) -> list[Example]:
    if splits is None:
        return listing.examples
    return [replace(example, split=splits.get(example.path)) for example in listing.examples if example.path in splits]


def _check_labels(examples: Iterable[Example], writer: Writer, format_: DatasetFormat) -> None:
    if not writer.one_label:
        return
    several = [example.path for example in examples if len(example.labels) > 1]
    if several:
        raise DatasetError(
            tr("{title} cannot hold this dataset.").format(title=format_.title),
            plural(
                "{count:,} picture has more than one label ({several}).",
                "{count:,} pictures have more than one label ({several}).",
                len(several),
                several=several[0],
            ),
            tr("Choose csv, jsonl, coco, label-studio or huggingface."),
        )
    names = {label for example in examples for label in example.labels}
    bad = sorted(name for name in names if "/" in name or "\\" in name or name.startswith(".") or name != name.strip())
    if bad and writer.folders:
        why = tr("The class {bad} cannot be the name of a folder.").format(bad=listed(bad))
        raise DatasetError(
            tr("{title} cannot hold this dataset.").format(title=format_.title),
            why,
            tr("Rename it, or choose csv or jsonl."),
        )


def _placed(root: Path, examples: Iterable[Example], writer: Writer) -> Iterator[Written]:
    """Yield where each picture goes; names that clash get their folder, and then a number, before them."""
    taken: Counter[str] = Counter()

    def free(path: str) -> bool:
        return not taken[os.path.splitext(path)[0].lower()]

    with ThreadPoolExecutor(_THREADS, "sizes") as pool:
        ordered = sorted(examples, key=lambda example: example.path)
        sizes = pool.map(lambda example: _size(root / example.path), ordered) if writer.sizes else None
        for example in ordered:
            parts = example.path.split("/")
            path = writer.place(example, parts[-1])
            if not free(path):
                path = writer.place(example, "-".join(parts[-2:]))
            number = 1
            while not free(path):
                number += 1
                path = writer.place(example, f"{number}-{parts[-1]}")
            taken[os.path.splitext(path)[0].lower()] += 1
            yield Written(path, example, next(sizes) if sizes else (0, 0))


def _size(file: Path) -> tuple[int, int]:
    try:
        return size_of(file)
    except PictureUnreadable as error:
        raise DatasetError(
            tr("The size of {name} is not known.").format(name=file.name),
            str(error),
            tr("Remove the file, or choose a format without sizes: csv."),
        ) from error


def _copy(root: Path, target: Path, pictures: list[Written], on_progress: OnProgress, cancel: CancelToken) -> None:
    for folder in {os.path.dirname(picture.path) for picture in pictures}:
        (target / folder).mkdir(parents=True, exist_ok=True)

    def copy(picture: Written) -> None:
        if not cancel.cancelled:
            shutil.copyfile(root / picture.example.path, target / picture.path)

    with ThreadPoolExecutor(_THREADS, "copy") as pool:
        for done, _ in enumerate(pool.map(copy, pictures), 1):
            cancel.raise_if_cancelled()
            if done % _REPORT_EVERY == 0:
                on_progress(Progress(done, len(pictures), tr("Copying pictures"), "pictures"))
