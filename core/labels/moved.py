"""Labels of pictures that were labelled in another folder: a folder that was moved or renamed is another dataset.

Its pictures are known by their content. Labels are taken over only when a person says so, with their whole history.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from core.dataset.records import Picture, Scan
from core.errors import DatasetError
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


def labels_of_part(store: Store, scan: Scan, name: str, folder: Path) -> dict[str, Labels]:
    """Return, by path, what was said by hand of the pictures of a folder that is joined into a dataset.

    Nothing of a picture that is as its folder says: what is imported then is taken back.

    Args:
        store: keeps the labels.
        scan: of the joined dataset, where the pictures' paths begin with `name`.
        name: of the folder in it.
        folder: where it is, which its own labels are kept for.
    """
    events = store.label_events(str(folder))
    if not events:
        return {}
    state = fold(events)
    found: dict[str, Labels] = {}
    for picture in scan.pictures:
        if picture.path.startswith(f"{name}/"):
            labels = state.labels_of(picture)
            found[picture.path] = labels if labels != {picture.label} else UNLABELLED
    return found


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
