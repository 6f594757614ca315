"""What an entry of the registry is: a format's name, how it is recognised, read and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from core.formats.records import Example, Listing
from core.formats.source import Source


@dataclass(frozen=True, slots=True)
class Written:
    """A picture on its way out: where it is in what is written, its example, and its (width, height) in pixels."""

    path: str
    example: Example
    size: tuple[int, int]

    @property
    def label(self) -> str:
        """Return its label where it has one, "" where it has none."""
        return next(iter(sorted(self.example.labels)), "")


@dataclass(frozen=True, slots=True)
class Writer:
    """How a format is written.

    `place` says where a picture is, from its example and its file name; names that clash are made unique. `describe`
    yields the files that say the labels: their paths and texts. With `one_label` a picture has exactly one, with
    `folders` as the name of a folder; with `splits` the format cannot do without them; with `sizes` it says how large
    pictures are. `groups`: it says what must stay together.
    """

    place: Callable[[Example, str], str]
    describe: Callable[[Sequence[Written]], Iterator[tuple[str, str]]]
    one_label: bool = False
    folders: bool = False
    splits: bool = False
    sizes: bool = False
    groups: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """How a format is read.

    `sees` returns the files by whose content the format is recognised, none where it is not; `read` makes a listing of
    them. `certain`: nothing else looks like it, so it goes before class folders that are there too.
    """

    sees: Callable[[Source], Sequence[str]]
    read: Callable[[Source, Sequence[str]], Listing]
    certain: bool = False


@dataclass(frozen=True, slots=True)
class DatasetFormat:
    """A format of datasets: `looks` is one sentence on what it looks like on disk, `peers` who reads or writes it."""

    name: str
    title: str
    looks: str
    peers: str
    reader: Reader | None = None
    writer: Writer | None = None
