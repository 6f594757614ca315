"""Tables: CSV or TSV with the name of each picture and its label, as Kaggle, Roboflow and spreadsheets write them."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence

from core.errors import DatasetError, Offer
from core.formats.coco import split_by_name
from core.formats.columns import SEPARATORS, Roles, Table, chosen_roles, find_roles, is_true, separator_of
from core.formats.dataset_format import DatasetFormat, Reader, Writer, Written
from core.formats.hints import listed
from core.formats.records import Example, Listing, ReadOptions, split_of
from core.formats.source import Collector, Source
from core.translation import tr

_DELIMITERS = ("\t", ",", ";", "|")
_MOST_OFFERS = 6


def read_table(source: Source, path: str) -> Table | None:
    """Return a file as a table; None where it is none (one column, or no rows). Read once."""
    key = f"table:{path}"
    if key not in source.memo:
        source.memo[key] = _parsed(source, path)
    table: Table | None = source.memo[key]
    return table


def _parsed(source: Source, path: str) -> Table | None:
    text = source.text(path)
    first = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(_DELIMITERS, key=first.count)
    if not first.count(delimiter) or "\0" in text[:4096]:
        return None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error:
        return None
    if len(rows) < 2:
        return None
    header = [name.strip() for name in rows[0]]
    if any(name and source.index.find(name, os.path.dirname(path)) for name in header):
        return Table(path, tuple(f"column {at}" for at in range(1, len(header) + 1)), rows)
    names = [name or f"column {at}" for at, name in enumerate(header, 1)]
    return Table(path, tuple(names), rows[1:]) if len(set(names)) == len(names) else None


def _roles(source: Source, path: str) -> Roles | None:
    table = read_table(source, path)
    if table is None:
        return None
    if source.options.columns:
        return chosen_roles(table, source.options.columns)
    return find_roles(table, source.index, _near(source, path))


def _near(source: Source, path: str) -> str:
    """Return the folder that the names in a table are seen from: one of the table's name, or the table's own."""
    beside = os.path.splitext(path)[0]
    return beside if any(folder.path == beside for folder in source.top.walk()) else os.path.dirname(path)


def _sees(source: Source) -> Sequence[str]:
    files = source.files(".csv", ".tsv")
    if not source.options.labels:
        files = [path for path in files if "submission" not in os.path.basename(path).lower()]
    found = {path: roles for path in files if (roles := _roles(source, path)) is not None}
    settled = [path for path, roles in found.items() if roles.labels]
    return settled or list(found)


def _read(source: Source, files: Sequence[str]) -> Listing:
    roles = {path: found for path in files if (found := _roles(source, path)) is not None}
    if not roles:
        table = next((table for path in files if (table := read_table(source, path))), None)
        columns = (
            tr("Its columns are {columns}, none of which names pictures that are there.").format(
                columns=listed(table.columns, 8)
            )
            if table
            else ""
        )
        raise DatasetError(
            tr("{list} cannot be read as a table of labels.").format(list=listed(list(files))),
            columns or tr("It has no columns."),
            tr("Choose the columns (--columns image=NAME,label=NAME), or put the pictures where the table says."),
        )
    first = next(iter(roles))
    if not roles[first].labels:
        raise _in_doubt(first, roles[first])
    kinds = {(found.image, found.labels) for found in roles.values()}
    if len(kinds) > 1 and len(split_by_name(list(roles))) < len(roles):
        raise _which_table(roles)
    collected, splits = Collector(source), split_by_name(list(roles))
    count = 0
    for path, of_table in roles.items():
        table = read_table(source, path)
        assert table is not None
        count += len(table.rows)
        _take(source, table, of_table, splits.get(path), collected)
    listing = collected.listing(
        list(roles),
        tr("{list}: a table of {count:,} rows, {roles}.").format(
            list=listed(list(roles)), count=count, roles=_words(roles[first])
        ),
    )
    listing.guessed = roles[first].guessed
    return listing


def _take(source: Source, table: Table, roles: Roles, split: str | None, found: Collector) -> None:
    columns = [table.column(name) for name in roles.labels]
    marks = [
        "" if roles.one_hot else separator_of(values, name) for name, values in zip(roles.labels, columns, strict=True)
    ]
    splits = [split_of(value) for value in table.column(roles.split)] if roles.split else [split] * len(table.rows)
    groups = table.column(roles.group) if roles.group else [""] * len(table.rows)
    near = _near(source, table.path)
    for at, name in enumerate(table.column(roles.image)):
        if roles.one_hot:
            labels = [label for label, values in zip(roles.labels, columns, strict=True) if is_true(values[at])]
        else:
            labels = []
            for mark, values in zip(marks, columns, strict=True):
                parts = values[at].split(mark) if mark else [values[at]]
                labels += [part.strip() for part in parts if part.strip()]
        if name:
            found.add(name, labels, splits[at] or split, groups[at] or None, near=near)


def _words(roles: Roles) -> str:
    label = (
        tr("{labels} columns are classes").format(labels=len(roles.labels))
        if roles.one_hot
        else tr("the label in {labels}").format(labels=_quoted(roles.labels))
    )
    rest = "".join(
        f", the {role} in {_quoted([name])}" for role, name in (("split", roles.split), ("group", roles.group)) if name
    )
    return tr("the picture in {image}, {label}{rest}").format(image=_quoted([roles.image]), label=label, rest=rest)


def _quoted(names: Sequence[str]) -> str:
    return listed([f"“{name}”" for name in names])


def _in_doubt(path: str, roles: Roles) -> DatasetError:
    offers = [
        Offer(
            tr("The label is {name}").format(name=name),
            ReadOptions(labels=path, columns=Roles(roles.image, (name,), roles.split, roles.group).text()),
        )
        for name in roles.doubtful[:_MOST_OFFERS]
    ]
    return DatasetError(
        tr("{path} names the pictures in its column {image}, but which column is the label?").format(
            path=path, image=_quoted([roles.image])
        ),
        tr("It could be {doubtful}.").format(doubtful=_quoted(roles.doubtful))
        if roles.doubtful
        else tr("It has no other column."),
        tr("Choose one."),
        offers=offers,
    )


def _which_table(roles: dict[str, Roles]) -> DatasetError:
    offers = [
        Offer(f"{path}: {_words(found)}", ReadOptions(labels=path))
        for path, found in list(roles.items())[:_MOST_OFFERS]
    ]
    return DatasetError(
        tr("{list} look like labels, and say different things.").format(list=listed(list(roles))),
        tr("Their columns differ."),
        tr("Choose one of them (--labels FILE)."),
        offers=offers,
    )


def _place(_example: Example, name: str) -> str:
    return f"images/{name}"


def _describe(pictures: Sequence[Written]) -> Iterator[tuple[str, str]]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    split = any(picture.example.split for picture in pictures)
    group = any(picture.example.group for picture in pictures)
    several = any(len(picture.example.labels) > 1 for picture in pictures)
    clash = {label for picture in pictures for label in picture.example.labels if set(label) & set(SEPARATORS[:2])}
    if clash:
        why = tr("The class {clash} has a mark in its name that divides labels in a table.").format(
            clash=listed(sorted(clash))
        )
        raise DatasetError(tr("A CSV cannot hold this dataset."), why, tr("Choose jsonl."))
    writer.writerow(["image", "labels" if several else "label", *["split"] * split, *["group"] * group])
    for picture in pictures:
        example = picture.example
        rest = [*[example.split or ""] * split, *[example.group or ""] * group]
        writer.writerow([picture.path, "|".join(sorted(example.labels)), *rest])
    yield "labels.csv", out.getvalue()


FORMAT = DatasetFormat(
    "csv",
    tr("CSV or TSV"),
    "A table with the name of each picture, with or without its ending, and its label; or a column of 0 and 1 for each "
    "class; columns for split and group are kept. Several labels in a cell are divided at `|`, `;` or `,`.",
    "Kaggle, Roboflow, fastai, pandas, spreadsheets",
    Reader(_sees, _read),
    Writer(_place, _describe, groups=True),
)
