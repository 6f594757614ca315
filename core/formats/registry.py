"""The registry of dataset formats, and how a folder finds its reader: by what its files say.

A file of a format that nothing else looks like is read where it has labels for most of the pictures. Class folders go
before tables and lists that are beside them; where these say other labels, that is an error until one is chosen.
Without class folders the first format that recognises a file reads it.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from core.errors import DatasetError, Offer
from core.formats import (
    camera_traps,
    class_folders,
    coco,
    cvat,
    fiftyone,
    file_name_labels,
    huggingface,
    joined,
    jsonl,
    label_studio,
    lobe,
    path_list,
    table,
    teachable_machine,
    ultralytics,
    unlabelled,
)
from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.hints import listed
from core.formats.records import Listing, Problem, ReadOptions, Severity
from core.formats.source import Source
from core.formats.walk import Walk
from core.translation import plural, tr

FORMATS: tuple[DatasetFormat, ...] = (
    class_folders.FORMAT,
    ultralytics.FORMAT,
    huggingface.FORMAT,
    coco.FORMAT,
    cvat.FORMAT,
    label_studio.FORMAT,
    fiftyone.FORMAT,
    teachable_machine.FORMAT,
    lobe.FORMAT,
    camera_traps.MEGADETECTOR,
    camera_traps.TIMELAPSE,
    jsonl.FORMAT,
    table.FORMAT,
    path_list.FORMAT,
    file_name_labels.FORMAT,
    unlabelled.FORMAT,
)
"""Every format; those whose files say most of themselves come first."""

WRITTEN = tuple(found.name for found in FORMATS if found.writer is not None)
"""The names of the formats that are written."""

_FOLDERS = class_folders.FORMAT
_TOLERATED = 0.05
"""Two sets of labels of the same pictures may differ in so many of them."""

_Seen = tuple[DatasetFormat, Reader, Sequence[str]]


def format_named(name: str) -> DatasetFormat:
    """Return the format of a name.

    Raises:
        DatasetError: there is none.
    """
    for found in FORMATS:
        if found.name == name:
            return found
    known = ", ".join(found.name for found in FORMATS)
    raise DatasetError(
        tr("There is no format {name!r}.").format(name=name), fix=tr("Choose one of {known}.").format(known=known)
    )


def read_listing(walk: Walk, options: ReadOptions) -> Listing:
    """Read a walked folder as what its content says that it is, or as the options ask.

    Raises:
        DatasetError: it cannot be read; the error names what was seen, and offers the ways to read it all the same.
    """
    if folders := joined.folders_of(walk.root):
        listing = joined.read_joined(walk, folders, options, read_listing)
        listing.options = options
        return _with_splits(listing)
    source = Source(walk, options)
    listing = _chosen(source) if _is_chosen(options) else _recognised(source)
    if os.fspath(listing.root) != os.fspath(walk.root) and options.labels and not os.path.isabs(options.labels):
        options = dataclasses.replace(options, labels=os.fspath(walk.root / options.labels))
    listing.options = options
    return _with_splits(listing)


def _with_splits(listing: Listing) -> Listing:
    """Return a listing in which every picture has a split or none has: one without, beside others with, is in train."""
    if listing.layout == "splits":
        listing.examples = [
            example if example.split else dataclasses.replace(example, split="train") for example in listing.examples
        ]
    return listing


def _is_chosen(options: ReadOptions) -> bool:
    return bool(options.format or options.labels or options.columns or options.name_pattern)


def _chosen(source: Source) -> Listing:
    """Read what the options choose: a format, a file of labels, columns, or a pattern."""
    options = source.options
    if options.labels and not (source.root / options.labels).is_file():
        raise DatasetError(
            tr("There is no file {labels} in {root}.").format(labels=options.labels, root=source.root),
            fix=tr("Name one that is there."),
        )
    if options.format:
        wanted = [format_named(options.format)]
    elif options.name_pattern:
        wanted = [file_name_labels.FORMAT]
    else:
        wanted = [found for found in FORMATS if found is not _FOLDERS and found.reader is not None]
    for found in wanted:
        reader = found.reader or _FOLDERS.reader
        assert reader is not None
        if files := reader.sees(source):
            return _read((found, reader, files), source)
    if len(wanted) == 1:
        what = tr("Nothing in {root} is {title}.").format(root=source.root, title=wanted[0].title)
        raise DatasetError(
            what,
            tr("It looks like this: {looks}").format(looks=wanted[0].looks),
            tr("Leave --format out, or choose another."),
        )
    if options.labels or options.columns:  # a table whose pictures are elsewhere says so better than "not recognised"
        files = [options.labels] if options.labels else source.files(".csv", ".tsv")
        assert table.FORMAT.reader is not None
        return _read((table.FORMAT, table.FORMAT.reader, files), source)
    raise AssertionError("nothing was chosen")


def _recognised(source: Source) -> Listing:
    seen: list[_Seen] = [
        (found, found.reader, files)
        for found in FORMATS
        if found is not _FOLDERS and found.reader is not None and (files := found.reader.sees(source))
    ]
    for at, one in enumerate(seen):
        if one[1].certain and (speaks := _speaks_for(one, source)):
            return _with_others(speaks, seen[at + 1 :], source)
    try:
        assert _FOLDERS.reader is not None
        listing = _read((_FOLDERS, _FOLDERS.reader, ()), source)
    except DatasetError as error:
        if seen:
            return _with_others(_read(seen[0], source), seen[1:], source)
        raise _with_offers(error, source) from None
    filled = {label for example in listing.examples for label in example.labels}
    if len(filled) > 1:
        return _with_others(listing, seen, source)
    if seen:
        return _with_others(_read(seen[0], source), seen[1:], source)
    if filled and (offers := file_name_labels.propose(example.path for example in listing.examples)):
        raise DatasetError(
            tr("There is nothing to train on in {root}.").format(root=listing.root),
            tr("All {examples:,} pictures lie in one class folder, {filled}. Their names look like classes.").format(
                examples=len(listing.examples), filled=next(iter(filled))
            ),
            tr("Take the class from the file names, or put the pictures of each class into a folder named after it."),
            offers=offers,
        )
    return listing


def _speaks_for(seen: _Seen, source: Source) -> Listing | None:
    """Return what a format says, where it can be read and has labels for half of the folder's pictures at least."""
    try:
        listing = _read(seen, source)
    except DatasetError:
        return None
    labelled = sum(bool(example.labels) for example in listing.examples)
    return listing if labelled and 2 * labelled >= source.top.total else None


def _read(seen: _Seen, source: Source) -> Listing:
    found, reader, files = seen
    listing = reader.read(source, files)
    listing.format = found.name
    listing.files = list(files)
    if not listing.examples and listing.missing:
        raise DatasetError(
            tr("{list} ({title}) names {count:,} pictures, none of which is in {root}.").format(
                list=listed(list(files)), title=found.title, count=len(listing.missing), root=source.root
            ),
            tr("The first is {missing}.").format(missing=listing.missing[0]),
            tr("Put the pictures there, or open the folder that holds both."),
        )
    return listing


def _with_others(listing: Listing, others: Sequence[_Seen], source: Source) -> Listing:
    """Say what else in the folder says labels; where that is something else than what is read, it is an error."""
    said = {example.path: example.labels for example in listing.examples if example.labels}
    for one in others:
        found, _, files = one
        if set(files) <= set(listing.files):
            continue
        try:
            other = _read(one, source)
        except DatasetError:
            continue
        inside = os.path.relpath(listing.root, other.root)
        prefix = "" if inside == "." else f"{inside}/"
        theirs = {example.path.removeprefix(prefix): example.labels for example in other.examples if example.labels}
        shared = said.keys() & theirs.keys()
        different = [path for path in shared if _folded(said[path]) != _folded(theirs[path])]
        doubtful = 2 * len(shared) >= len(said) and len(different) > _TOLERATED * len(shared)
        if doubtful and other.guessed:
            continue  # a licence or a source, say
        paths = ", ".join(files)
        read = format_named(listing.format).title
        message = plural(
            "{paths} ({title}) says labels too; what is read is {read}.",
            "{paths} ({title}) say labels too; what is read is {read}.",
            len(files),
            paths=paths,
            title=found.title,
            read=read,
        )
        fix = tr("To read it: --format {name}.").format(name=found.name)
        if doubtful:
            message = tr("{read} and {paths} ({title}) say different labels of {count:,} pictures.").format(
                read=read, paths=paths, title=found.title, count=len(different)
            )
            fix = tr("Choose one: --format {format} or --format {name}.").format(format=listing.format, name=found.name)
        offers = [Offer(f"Read {found.title}", ReadOptions(format=found.name))]
        if doubtful:
            offers.insert(0, Offer(f"Keep {read}", ReadOptions(format=listing.format)))
        severity = Severity.ERROR if doubtful else Severity.INFO
        listing.problems.append(Problem("other-labels", severity, message, tuple(files), fix, tuple(offers)))
    return listing


def _folded(labels: frozenset[str]) -> frozenset[str]:
    return frozenset(label.casefold().strip() for label in labels)


def _with_offers(error: DatasetError, source: Source) -> DatasetError:
    """Return a refusal of class folders with the patterns that fit the file names: all of them, or those of a folder.

    Pictures to be predicted often are beside the others without a word on what they are (train/cat.0.jpg, test/1.jpg).
    """
    offers = file_name_labels.propose(source.index.paths)
    for folder in source.top.filled if not offers else ():
        offers = offers or file_name_labels.propose(
            path for path in source.index.paths if path.startswith(f"{folder.path}/")
        )
    return DatasetError(error.what, error.why, error.fix, offers=offers) if offers else error
