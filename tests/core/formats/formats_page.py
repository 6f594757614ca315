"""Writes docs/FORMATS.md from the registry; a test compares them.

`python -m tests.core.formats.formats_page` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from core.formats.records import ReadOptions
from core.formats.registry import FORMATS
from core.jobs.declared import declarations
from training_scripts.pictures.formats import FOREIGN
from training_scripts.pictures.formats import FORMATS as PICTURE_FORMATS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "FORMATS.md"

_HEAD = """# Formats

*Made from the registries by `python -m tests.core.formats.formats_page`; do not edit.*

Open a dataset in any of these forms: drop it on the window, name it to a command (`sagehound scan PICTURES`), or to
`sagehound.scan()`. It is recognised by its content; `sagehound scan` and the card "How it was read" say what was seen
before anything is trained. Splits, groups and several labels of one picture are kept as they are given. Pictures stay
where they are. `sagehound convert PICTURES --to FORMAT -o OUT` writes a copy in another form.

A zip or tar of any of them is unpacked once, into Sagehound's own folder: no file is written outside of it, links are
passed over, and what unpacks to more than pictures ever would is stopped. A file of labels (CSV, JSON, XML, a list) may
be named instead of its folder.

Several of these are one dataset where they are dropped or named together (`sagehound scan A --also B`): each is read as
what it is, classes of one name are one class, and the first part of a picture's path is its folder's name. Folders of
pictures that say nothing are a class each. Nothing is copied: Sagehound keeps links.

`s3://BUCKET/PREFIX` stands for what is under it: that is fetched into Sagehound's own folder with this computer's
credentials (without any, public buckets can be read), and opening it again fetches only what is new or changed there.

Of an animation, a TIFF with pages or a DICOM scan one frame counts (`--frame first|middle|last`). With `--frames all`
each is a picture of its own, with the label and split of its file: they are taken apart into Sagehound's own folder,
and only what is new or changed is taken apart when the dataset is opened again.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Datasets\n"
    yield "| format | `--format`, `--to` | what it looks like | read | written | who reads or writes it |"
    yield "|---|---|---|---|---|---|"
    for found in FORMATS:
        read = "yes" if found.reader else "as folders"
        written = _written(found.writer) if found.writer else "-"
        yield f"| {found.title} | `{found.name}` | {_cell(found.looks)} | {read} | {written} | {_cell(found.peers)} |"
    yield "\nWhere the content leaves a choice, the refusal offers the ways to read it, in the window as buttons:\n"
    yield "| option | what it does |\n|---|---|"
    for how in declarations(ReadOptions).values():
        yield f"| `{how.option} {how.metavar.replace('|', chr(92) + '|')}` | {_cell(how.hint)} |"
    yield "\n## Pictures\n"
    yield "| format | endings | good for |\n|---|---|---|"
    for picture in PICTURE_FORMATS:
        yield f"| {picture.name} | {' '.join(picture.suffixes)} | {_cell(picture.good_for)} |"
    for foreign in FOREIGN:
        if foreign.package:
            yield f"| {foreign.name} | {' '.join(foreign.suffixes)} | Read with the package {foreign.package}. |"
    unread = sorted(foreign.name for foreign in FOREIGN if not foreign.package)
    yield f"\nNamed when they are met, but not read: {', '.join(unread)}."


def _written(writer: object) -> str:
    return "yes, one label a picture" if getattr(writer, "one_label", False) else "yes"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
