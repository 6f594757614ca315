"""Pictures without labels, in folders of any kind: what is labelled in the window or with `sagehound label`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.formats.dataset_format import DatasetFormat, Reader
from core.formats.folder_names import annotations_among
from core.formats.folders import Folder
from core.formats.hints import listed
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
    for folder in _walked(source.top, listing):
        prefix = f"{folder.path}/" if folder.path else ""
        listing.examples += [Example(prefix + file.name, frozenset()) for file in folder.pictures]
    listing.seen.append(tr("{examples:,} pictures without labels.").format(examples=len(listing.examples)))
    if listing.beside:
        listing.seen.append(
            tr("Left out, as masks or labels of the pictures beside them: {folders}.").format(
                folders=listed(listing.beside)
            )
        )
    return listing


def _walked(folder: Folder, listing: Listing) -> Iterator[Folder]:
    """Yield a folder and those inside; what holds masks or labels of the pictures beside it is noted and left out."""
    yield folder
    annotations = annotations_among([inner.name for inner in folder.filled])
    for inner in folder.folders:
        if inner.name in annotations:
            listing.beside.append(inner.path)
        else:
            yield from _walked(inner, listing)


FORMAT = DatasetFormat(
    NAME,
    tr("Pictures without labels"),
    tr("Pictures in one folder or in many, whose names say nothing of what they show."),
    tr("cameras and phones"),
    Reader(_sees, _read),
)
