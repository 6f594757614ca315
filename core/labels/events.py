"""One row of the history of labels, and the kinds there are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an event does; `before` and `after` hold what it says."""

    LABEL = "label"
    """The picture has the classes `after`; none: it is unlabelled."""
    EXCLUDE = "exclude"
    RESTORE = "restore"
    SPLIT = "split"
    """The picture is in the split `after`; none: where the dataset's shares put it."""
    RENAME_CLASS = "rename_class"
    """The class `before` is called `after`; where there is one of that name, they are one afterwards."""
    ADD_CLASS = "add_class"
    IMPORT = "import"
    """A file beside the pictures says their classes; what a person says counts more, whichever came first."""
    IMPORT_SPLIT = "import_split"
    UNDO = "undo"
    """The action `before` is taken back."""
    REDO = "redo"


IMPORTS = (Kind.IMPORT, Kind.IMPORT_SPLIT)
PERSON, SUGGESTION = "person", "suggestion"
"""Sources of events; the others are `check` with the kind of a finding, or the name of a file."""


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """What happened to one picture, or to a class (then `sha256` and `path` are empty).

    Events of one `action` happened together and are undone together. `number` counts all events of all datasets and is
    0 until the event is kept; `time` in Unix seconds.
    """

    action: str
    kind: Kind
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    sha256: str = ""
    path: str = ""
    source: str = PERSON
    time: float = 0.0
    number: int = 0


def names_to_column(names: Iterable[str]) -> str:
    """Return a set of names as the database keeps it."""
    return json.dumps(sorted(names), ensure_ascii=False)


def names_from_column(text: str) -> tuple[str, ...]:
    """Return the inverse of `names_to_column`."""
    return tuple(str(name) for name in json.loads(text))
