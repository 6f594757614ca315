"""The columns of tables: which of them names the picture, which says its label, split and group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.errors import DatasetError
from core.formats.source import PictureIndex
from core.translation import tr

IMAGE_NAMES = (
    *(
        "image",
        "file_name",
        "filename",
        "file",
        "image_path",
        "filepath",
        "file_path",
        "path",
        "image_name",
        "image_id",
    ),
    *("img", "img_path", "picture", "photo", "fname", "image_url", "url", "id", "name"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "classes", "class_name", "label_name", "category", "categories", "category_name"),
    *("species", "breed", "diagnosis", "dx", "target", "tag", "tags", "type", "choice", "variety", "answer"),
)
SPLIT_NAMES = ("split", "set", "subset", "partition", "usage", "data_set", "dataset")
GROUP_NAMES = (
    *(
        "group",
        "group_id",
        "patient",
        "patient_id",
        "lesion_id",
        "subject",
        "subject_id",
        "individual",
        "individual_id",
    ),
    *("sequence", "seq_id", "sequence_id", "series", "burst", "location", "location_id", "site", "camera"),
    *("fold", "folds", "kfold", "fold_id", "cv_fold"),
)
"""The usual names, in the order in which they are looked for."""

SEPARATORS = ("|", ";", ",", " ")
"""What may stand between several labels in one cell."""

_SAMPLE = 200
_BINARY = frozenset(("0", "1", "0.0", "1.0", "true", "false", ""))
_FRACTION = re.compile(r"-?\d*\.\d+(e-?\d+)?", re.IGNORECASE)
_ROLES = ("image", "label", "split", "group")


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts. Without a header its columns are called by their numbers."""

    path: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]

    def column(self, name: str, rows: Sequence[Sequence[str]] | None = None) -> list[str]:
        """Return the values of a column, "" where a row is too short."""
        at = self.columns.index(name)
        return [row[at].strip() if at < len(row) else "" for row in (self.rows if rows is None else rows)]

    def sample(self) -> Sequence[Sequence[str]]:
        """Return rows from all parts of the table, few enough to be looked at closely."""
        return self.rows[:: max(1, len(self.rows) // _SAMPLE)][:_SAMPLE]


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns are what. With `one_hot` the columns `labels` are classes that hold 0 or 1.

    `doubtful` are the columns that could be the label where none of them is named so; `labels` is empty then. With
    `guessed` the label is the one column whose values look like labels, but its name does not say so.
    """

    image: str
    labels: tuple[str, ...] = ()
    split: str = ""
    group: str = ""
    one_hot: bool = False
    doubtful: tuple[str, ...] = ()
    guessed: bool = False

    def text(self) -> str:
        """Return them as the option --columns has them."""
        parts = {"image": self.image, "label": "+".join(self.labels), "split": self.split, "group": self.group}
        return ",".join(f"{role}={name}" for role, name in parts.items() if name)


def usual(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """Return the column that has the first of these usual names, in whatever spelling."""
    spelt: dict[str, str] = {}
    for column in columns:
        spelt.setdefault(re.sub(r"[\s.-]+", "_", column.strip().lower()), column)
    return next((spelt[name] for name in names if name in spelt), None)


def text_of(value: object) -> str:
    """Return a value of a table as text; nothing is ""."""
    return "" if value is None else str(value).strip()


def chosen_roles(table: Table, text: str) -> Roles:
    """Return the columns that were chosen: image=NAME,label=NAME and so on; several labels are joined with +.

    Raises:
        DatasetError: the choice cannot be read, or there is no such column.
    """
    fix = tr("Write image=NAME,label=NAME, and split=NAME or group=NAME where there are such columns.")
    chosen: dict[str, str] = {}
    for part in text.split(","):
        role, equals, name = part.partition("=")
        if not equals or role.strip() not in _ROLES:
            raise DatasetError(tr("{part!r} is not a choice of a column.").format(part=part), fix=fix)
        chosen[role.strip()] = name.strip()
    labels = tuple(name.strip() for name in chosen.get("label", "").split("+") if name.strip())
    for name in (chosen.get("image", ""), *labels, *(chosen[role] for role in ("split", "group") if role in chosen)):
        if name not in table.columns:
            why = tr("Its columns are {columns}.").format(columns=", ".join(table.columns))
            raise DatasetError(tr("{path} has no column {name!r}.").format(path=table.path, name=name), why, fix)
    one_hot = bool(labels) and all(_binary(table.column(name, table.sample())) for name in labels)
    found = Roles(chosen["image"], labels, chosen.get("split", ""), chosen.get("group", ""), one_hot)
    if not labels:
        raise DatasetError(tr("No column of {path} is chosen as the label.").format(path=table.path), fix=fix)
    return found


def find_roles(table: Table, index: PictureIndex, near: str) -> Roles | None:
    """Return which columns of a table are what; None where none of them names pictures that are there."""
    rows = table.sample()
    image = _image_column(table, rows, index, near)
    if image is None:
        return None
    rest = [name for name in table.columns if name != image]
    values = {name: table.column(name, rows) for name in rest}
    split = usual(rest, SPLIT_NAMES) or ""
    group = usual(rest, GROUP_NAMES) or ""
    named = [name for name in rest if usual([name], LABEL_NAMES)]
    if named:
        words = [name for name in named if not all(value.isdigit() for value in values[name])]
        label = usual(words or named, LABEL_NAMES) or named[0]
        return Roles(image, (label,), split, group if group != label else "")
    hot = _one_hot(rest, values)
    if hot:
        return Roles(image, hot, split, group, one_hot=True)
    likely = [name for name in rest if name not in (split, group) and _like_labels(values[name])]
    if len(likely) == 1:
        return Roles(image, tuple(likely), split, group, guessed=True)
    return Roles(image, (), split, group, doubtful=tuple(likely or rest))


def _image_column(table: Table, rows: Sequence[Sequence[str]], index: PictureIndex, near: str) -> str | None:
    shares: dict[str, float] = {}
    for name in table.columns:
        values = [value for value in table.column(name, rows) if value]
        found = sum(index.find(value, near) is not None for value in values)
        if found < 0.5 * len(rows) or not found:
            continue
        if usual([name], IMAGE_NAMES) or len(set(values)) >= 0.9 * len(values):
            shares[name] = found / len(rows)
    named = usual([name for name in table.columns if name in shares], IMAGE_NAMES)
    return named or max(shares, key=lambda name: shares[name], default=None)


def _binary(values: Sequence[str]) -> bool:
    return all(value.lower() in _BINARY for value in values)


def _one_hot(columns: Sequence[str], values: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the columns that are classes: 0 or 1 in each, one 1 in nearly every row, or nothing else in the table."""
    hot = [name for name in columns if _binary(values[name])]
    if len(hot) < 2:
        return ()
    sums = [sum(is_true(values[name][at]) for name in hot) for at in range(len(values[hot[0]]))]
    single = sum(total == 1 for total in sums) >= 0.9 * len(sums)
    return tuple(hot) if single or len(hot) == len(columns) else ()


def is_true(value: str) -> bool:
    """Whether a cell of a column of 0 and 1 says 1."""
    return value.strip().lower() in ("1", "1.0", "true")


def _like_labels(values: Sequence[str]) -> bool:
    """Whether values come again often enough, and are not measurements."""
    counts = Counter(value for value in values if value)
    if len(counts) < 2 or any(_FRACTION.fullmatch(value) for value in counts):
        return False
    return len(counts) <= 0.5 * sum(counts.values())


def separator_of(values: Sequence[str], column: str) -> str:
    """Return what stands between several labels in one cell; "" where each cell has one.

    A mark counts where the parts come again: "red;round" and "red;long" have fewer parts than cells. A comma or a space
    counts only in a column whose name is a plural.
    """
    distinct = {value for value in values if value}
    for mark in SEPARATORS if column.lower().endswith("s") else SEPARATORS[:2]:
        parts = Counter(part.strip() for value in distinct for part in value.split(mark) if part.strip())
        several = sum(mark in value for value in distinct)
        if several and mark == "|":
            return mark
        if several and len(parts) < len(distinct):
            return mark
    return ""
