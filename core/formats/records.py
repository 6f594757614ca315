"""What readers yield and how they are asked: examples, listings, problems and the ways out of them, reading options."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from core.errors import Offer
from core.jobs.declared import declare
from core.translation import tr

Layout = Literal["splits", "classes"]

SPLITS = ("train", "valid", "test")
"""The splits of a dataset, which are also the names of its channels."""

_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn", "trainings", "lern", "lernen"), "train"),
    **dict.fromkeys(("entrainement", "apprentissage", "entrenamiento", "addestramento", "allenamento"), "train"),
    **dict.fromkeys(("treino", "treinamento", "treinos", "trening", "treningowy", "uczenie"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "validate", "dev", "validierung", "validierungs"), "valid"),
    **dict.fromkeys(("validacion", "validazione", "convalida", "validacao", "validatie", "walidacja"), "valid"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out", "eval", "evaluation", "tests", "testen"), "test"),
    **dict.fromkeys(("prueba", "pruebas", "prova", "teste", "testes", "testowy"), "test"),
}
"""English, then German, French, Spanish, Italian, Portuguese, Dutch and Polish; without accents."""


def split_of(name: str) -> str | None:
    """Return which split a name stands for ("Validation" is "valid", as "Validación"), None if it stands for none."""
    letters = unicodedata.normalize("NFKD", name.strip().lower())
    return _SPLIT_NAMES.get("".join(letter for letter in letters if not unicodedata.combining(letter)))


class ClassFolders(StrEnum):
    """Which folders are the classes where class folders hold folders of their own; with AUTO doubt is a problem."""

    AUTO = "auto"
    OUTER = "outer"
    INNER = "inner"


class KeepTogether(StrEnum):
    """Which pictures no split may tear apart, beside those that the dataset itself says are of one group."""

    GIVEN = "given"
    SHOTS = "shots"
    """Of one camera within a minute of each other: bursts."""
    NAMES = "names"
    """Numbered under one name in one folder: frames of a film, parts of a scan."""
    BOTH = "both"
    FOLDERS = "folders"


class Frames(StrEnum):
    """What the frames of an animation or the pages of a TIFF are: one picture, of which one counts, or each its own."""

    ONE = "one"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a dataset is to be read where its content leaves a choice. The defaults leave all to the content."""

    class_folders: ClassFolders = declare(
        ClassFolders.AUTO,
        tr("Class folders"),
        tr(
            "which folders are the classes where class folders hold folders of their own (default: "
            "the outer ones, with a word where that is in doubt)"
        ),
        option="--class-folders",
        metavar="auto|outer|inner",
    )
    format: str = declare(
        "",
        "Format",
        tr("read the dataset as this format, whatever else it looks like; docs/FORMATS.md lists them"),
        option="--format",
        metavar="FORMAT",
    )
    labels: str = declare(
        "",
        tr("File of labels"),
        tr("the file that says the labels, relative to the dataset"),
        option="--labels",
        metavar="FILE",
    )
    columns: str = declare(
        "",
        "Columns",
        tr("which columns of a table are what: image, label (several joined with +), split, group"),
        option="--columns",
        metavar="image=NAME,label=NAME",
    )
    name_pattern: str = declare(
        "",
        tr("Pattern of file names"),
        tr("take the class from file names: {label} is the class, {number} digits, * anything, as in {label}.{number}"),
        option="--name-pattern",
        metavar="PATTERN",
    )
    keep_together: KeepTogether = declare(
        KeepTogether.GIVEN,
        tr("Keep together"),
        tr(
            "which pictures no split may tear apart: shots of one camera within a minute, names that "
            "are numbered on, both, or those of one folder (default: groups that the dataset names)"
        ),
        option="--keep-together",
        metavar="given|shots|names|both|folders",
    )
    frames: Frames = declare(
        Frames.ONE,
        tr("Frames and pages"),
        tr(
            "all: each frame of an animation, page of a TIFF or slice of a scan is a picture of its own, and those of "
            "a file stay in one split (default: one counts, see --frame)"
        ),
        option="--frames",
        metavar="one|all",
    )


class Severity(StrEnum):
    """How much a problem matters.

    ERROR: pictures are lost to training, or its result cannot be trusted. WARNING: the result may be worse than it
    could be. INFO: good to know.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Return the rank of a severity; 0 for the gravest."""
        return tuple(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a dataset that its owner should know.

    `kind` is a stable short word for programs, `message` and `fix` are one sentence each; `paths` names the files or
    folders at fault. `offers` are ways to read the dataset that solve it; `setting` is a hyperparameter that does.
    """

    kind: str
    severity: Severity
    message: str
    paths: tuple[str, ...] = ()
    fix: str = ""
    offers: tuple[Offer, ...] = ()
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A picture as a reader found it, with what is said of it; `path` is relative to the listing's root.

    `labels` is empty for a picture without one. Pictures of one `group` (an animal, a patient, a film) are never
    divided between splits.
    """

    path: str
    labels: frozenset[str]
    split: str | None = None
    group: str | None = None


@dataclass(slots=True)
class Listing:
    """What a reader makes of a dataset.

    `seen` are sentences on what was seen, before anything is done with it. `classes` has where each class is said, by
    split and class, also of classes without pictures. `missing` are names of pictures that are not there; `loose` are
    pictures in no class folder, `beside` folders that are left out as a whole. `hint` is a sentence on where labels may
    be written that no folder shows. With `folders` the labels are folder names: what is elsewhere is not
    unlabelled. `files` are those that say the labels; `guessed`: they may say something else, and do not outdo folders.
    """

    root: Path
    format: str = ""
    layout: Layout = "classes"
    examples: list[Example] = field(default_factory=list)
    classes: dict[tuple[str | None, str], str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    hint: str = ""
    folders: bool = False
    guessed: bool = False
    files: list[str] = field(default_factory=list)
    options: ReadOptions = field(default_factory=ReadOptions)
