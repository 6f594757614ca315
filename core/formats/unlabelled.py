"""Pictures without labels, in folders of any kind: what is labelled in the window or with `sagehound label`."""

from __future__ import annotations

from collections.abc import Sequence

from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.records import Example, Listing
from core.formats.source import Source
from core.translation import tr

NAME = "unlabelled"
FOLDERS = frozenset(("unlabelled", "unlabeled", "unsorted"))
"""Names of folders, in lower case, whose pictures have no class where others beside them have one."""


def _sees(source: Source) -> Sequence[str]:
    """Return False: it is never seen unasked, as whatever says labels goes before it."""
    return ["."] if source.options.format == NAME else []


def _read(source: Source, _files: Sequence[str]) -> Listing:
    listing = Listing(source.root)
    for folder in source.top.walk():
        prefix = f"{folder.path}/" if folder.path else ""
        listing.examples += [Example(prefix + file.name, frozenset()) for file in folder.pictures]
    listing.seen.append(tr("{examples:,} pictures without labels.").format(examples=len(listing.examples)))
    return listing


FORMAT = DatasetFormat(
    NAME,
    tr("Pictures without labels"),
    tr("Pictures in one folder or in many, whose names say nothing of what they show."),
    tr("cameras and phones"),
    Reader(_sees, _read),
)
