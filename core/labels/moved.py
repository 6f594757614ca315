"""Labels of pictures that were labelled in another folder: a folder that was moved or renamed is another dataset.

Its pictures are known by their content. Labels are taken over only when a person says so, with their whole history.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from core.dataset.records import Picture, Scan
from core.errors import DatasetError
from core.formats.joined import folders_of
from core.labels.events import Kind, LabelEvent
from core.labels.label_state import UNLABELLED, Labels, by_content, fold
from core.translation import plural, tr

if TYPE_CHECKING:
    from core.store import Store


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A folder that labels are kept for: those of `pictures` that are in this dataset too, of `total` in all."""

    folder: Path
    pictures: int
    total: int

    @property
    def sentence(self) -> str:
        """Return the sentence for a person."""
        if self.folder.exists():
            return plural(
                "Labels of {count:,} picture in this folder are kept for {folder}, which is there still.",
                "Labels of {count:,} pictures in this folder are kept for {folder}, which is there still.",
                self.pictures,
                folder=self.folder,
            )
        return plural(
            "Labels of {count:,} picture in this folder are kept for {folder}, which is not there any more.",
            "Labels of {count:,} pictures in this folder are kept for {folder}, which is not there any more.",
            self.pictures,
            folder=self.folder,
        )


def elsewhere(store: Store, scan: Scan) -> list[Elsewhere]:
    """Return the folders whose labels say more of these pictures than their own folders do, most pictures first.

    None once there are labels here.
    """
    if store.label_events(str(scan.root)):
        return []
    found = store.datasets_labelled({picture.sha256 for picture in scan.pictures})
    return sorted(
        (
            Elsewhere(Path(dataset), count, total)
            for dataset, (count, total) in found.items()
            if _says_more(store.label_events(dataset), scan)
        ),
        key=lambda one: (-one.pictures, str(one.folder)),
    )


def take_over(store: Store, scan: Scan, folder: Path) -> int:
    """Take over what was done with the labels of another folder, undo and all; returns how many events that are.

    A second time changes nothing.

    Raises:
        DatasetError: no labels are kept for that folder, or there are some of this one already.
    """
    here = str(scan.root)
    theirs = store.label_events(str(folder))
    if not theirs:
        raise DatasetError(
            tr("No labels are kept for {folder}.").format(folder=folder),
            fix=tr("Name the folder as it was called then."),
        )
    names = {event.action: uuid.uuid5(uuid.NAMESPACE_URL, f"{event.action} {here}").hex for event in theirs}
    pictures = by_content(scan)
    events = [_as_here(event, names, pictures) for event in theirs]
    with store.changing_labels(here):
        own = {event.action for event in store.label_events(here)}
        if own - set(names.values()):
            what = tr("Pictures of {root} are labelled already.").format(root=scan.root)
            raise DatasetError(
                what, tr("Two histories cannot be put into one order."), tr("Take labels over before that.")
            )
        for _, of_action in groupby(events, key=lambda event: event.action):
            store.add_label_events(here, list(of_action))
    return len(events)


def datasets_of_parts(scan: Scan) -> Iterator[tuple[Path, list[Picture]]]:
    """Yield the folders that labels of a joined dataset's pictures may be kept for, each with its pictures here.

    A folder that only wraps its dataset is that dataset, so its labels are kept for a folder in it: the inner ones are
    first.
    """
    for part in folders_of(scan.root):
        pictures = [picture for picture in scan.pictures if picture.path.startswith(f"{part.name}/")]
        if pictures:
            all_in = posixpath.commonpath({posixpath.dirname(picture.path) for picture in pictures})
            inner = PurePosixPath(all_in).relative_to(part.name)
            for within in (inner, *inner.parents):
                yield part.folder / within, pictures


def labels_of_parts(store: Store, scan: Scan) -> Mapping[str, Mapping[str, Labels]]:
    """Return what was said by hand of the pictures of a joined dataset where they are from: by dataset, by path.

    Nothing of a picture that is as its folder says: what is imported then is taken back. Each content is there once,
    with what the first says that says anything of it: else its copies would take back each other's labels.
    """
    found: dict[str, tuple[str, str, Labels]] = {}
    for folder, pictures in datasets_of_parts(scan):
        dataset = str(folder)
        events = store.label_events(dataset)
        if not events:
            continue
        state = fold(events)
        for picture in pictures:
            labels = state.labels_of(picture)
            labels = labels if labels != {picture.label} else UNLABELLED
            known = found.get(picture.sha256)
            if known is None or (labels and not known[-1]):
                found[picture.sha256] = dataset, picture.path, labels
    said: dict[str, dict[str, Labels]] = {}
    for dataset, path, labels in found.values():
        said.setdefault(dataset, {})[path] = labels
    return said


def _says_more(events: Sequence[LabelEvent], scan: Scan) -> bool:
    pictures = by_content(scan)
    state = fold(_as_here(event, {}, pictures) for event in events)
    return any(state.touches(picture) for picture in scan.pictures)


def _as_here(event: LabelEvent, names: Mapping[str, str], pictures: Mapping[str, list[Picture]]) -> LabelEvent:
    """Return an event of another folder as one of this; a single picture of its content is the one that is meant."""
    found = pictures.get(event.sha256, ())
    path = found[0].path if len(found) == 1 else event.path
    turns = event.kind in (Kind.UNDO, Kind.REDO)
    before, after = (tuple(names.get(one, one) for one in of) if turns else of for of in (event.before, event.after))
    return replace(event, action=names.get(event.action, event.action), before=before, after=after, path=path, number=0)
