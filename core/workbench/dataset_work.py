"""What is done with pictures and their labels: read, write, label, check, split, upload."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DatasetError, EngineError
from core.labels.session import LabelSession
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import plural, tr
from core.workbench.installation import Installation

if TYPE_CHECKING:
    from core.check.findings import Finding
    from core.check.trained import TrainedAnswers
    from core.cloud.interface import UploadResult
    from core.dataset.frames import TakenApart
    from core.dataset.manifest import Manifest
    from core.dataset.records import Picture, ReadOptions, Scan
    from core.features.dataset_features import PictureFeatures
    from core.formats.writing import WrittenDataset
    from core.labels.disk import Written
    from core.labels.labelling import Labelling
    from core.labels.moved import Elsewhere
    from core.labels.suggest import Suggester

DEFAULT_FRACTIONS = (0.7, 0.15, 0.15)


class DatasetWork:
    """The use cases of a dataset; `Workbench.data`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._remembered: Manifest | None = None
        self._session = LabelSession()

    def scan(
        self,
        folder: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        on_found: Callable[[Sequence[Picture]], None] | None = None,
        options: ReadOptions | None = None,
        *,
        unlabelled: bool = False,
    ) -> Scan:
        """Read a dataset: a folder, a file of labels, or an archive; see `core.dataset.scan`.

        Raises:
            DatasetError: it cannot be read; `offers` are the ways to read it all the same.
            Cancelled: through `cancel`.
        """
        from core.dataset import scan
        from core.dataset.records import gravest_first
        from core.dataset.together import keep_together

        taken = self._open(folder, options, on_progress, cancel, unlabelled=unlabelled)
        found, cache = taken.source, self._installation.paths.scans
        read = scan(
            found.folder,
            cache=cache,
            on_progress=on_progress,
            cancel=cancel,
            on_found=on_found,
            options=found.options,
            unlabelled=unlabelled,
        )
        if taken.seen:
            read = replace(read, seen=taken.seen, problems=gravest_first([*taken.problems, *read.problems]))
        return keep_together(read, read.options.keep_together, on_progress, cancel)

    def _open(
        self,
        source: Path,
        options: ReadOptions | None,
        on_progress: OnProgress,
        cancel: CancelToken | None,
        *,
        unlabelled: bool,
    ) -> TakenApart:
        """Return the folder of what was named, with its frames taken apart where that is asked for."""
        from core.dataset.frames import TakenApart, take_apart
        from core.formats.opened_source import open_source
        from core.formats.records import Frames

        imports = self._installation.paths.imports
        found = open_source(source, options, imports, on_progress, cancel)
        if found.options.frames is Frames.ONE:
            return TakenApart(found)
        return take_apart(found, imports, on_progress, cancel, unlabelled=unlabelled)

    def join(
        self,
        sources: Sequence[Path],
        options: ReadOptions | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Path:
        """Return a folder that is several folders, archives or files of labels as one dataset; nothing is copied.

        Raises:
            DatasetError: one of them is not there or lies inside another.
            Cancelled: through `cancel`.
        """
        from core.formats.joined import join
        from core.formats.opened_source import open_source

        paths = self._installation.paths
        opened = [open_source(source, options, paths.imports, on_progress, cancel) for source in sources]
        return join(opened, paths.joined)

    def convert(
        self,
        source: Path,
        format_name: str,
        target: Path,
        options: ReadOptions | None = None,
        fractions: tuple[float, float, float] | None = None,
        seed: int = 0,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> WrittenDataset:
        """Write a dataset as another format; with `fractions`, or where the format needs it, with a split of ours.

        Raises:
            DatasetError: it cannot be read, or the format cannot hold it.
            Cancelled: through `cancel`; nothing stays.
        """
        from core.dataset.tree import listing_of
        from core.formats.registry import format_named, read_listing
        from core.formats.walk import Walk
        from core.formats.writing import write_dataset

        self._check_ours(target)
        format_ = format_named(format_name)
        found = self._open(source, options, on_progress, cancel, unlabelled=True).source
        walk = Walk(found.folder, cancel or CancelToken())
        listing, splits = listing_of(walk, found.options, unlabelled=True), None
        if not (is_labelled := self._is_labelled(listing.root)):
            listing = read_listing(walk, found.options)
        ours = fractions is not None or (format_.writer and format_.writer.splits and listing.layout != "splits")
        if ours or is_labelled:
            scan = self.scan(found.folder, on_progress, cancel, options=found.options, unlabelled=is_labelled)
            self.labelling(scan).state.apply_to(listing, scan)
            if ours:
                manifest = self.split(scan, fractions or DEFAULT_FRACTIONS, seed)
                splits = {entry.path: entry.split for entry in manifest.pictures}
        return write_dataset(listing, format_, target, splits, on_progress, cancel)

    def _is_labelled(self, root: Path) -> bool:
        """Whether a folder, or a part of what it is joined of, has labels of ours."""
        from core.formats.joined import folders_of

        labelled = self._installation.store.labelled_datasets()
        parts = [part.folder for part in folders_of(root)]
        return str(root) in labelled or any(Path(one).is_relative_to(part) for one in labelled for part in parts)

    def named_after(self, root: Path, opened: Path | None) -> Path:
        """Return the folder that what is written of a dataset is named after: its own, or what was opened.

        What archives, buckets, frames and joined folders left in our own folders is no place for the user's files.
        """
        from core.formats.archives import stem_of
        from core.formats.bucket import is_bucket_address
        from core.formats.joined import folders_of

        for place in (root, opened):
            if place is None or is_bucket_address(place):
                continue
            beside = [one.folder.parent / place.name for one in folders_of(place)]
            itself = place if place == root or place.is_dir() else place.with_name(stem_of(place.name))
            if named := next((found for found in beside or [itself] if not self._is_ours(found)), None):
                return named
        return Path.home() / root.name

    def _is_ours(self, place: Path) -> bool:
        """Whether a place is in a folder where the user's own files have no business."""
        paths, whole = self._installation.paths, Path(os.path.abspath(place.expanduser()))
        return any(whole.is_relative_to(ours) for ours in (paths.imports, paths.joined))

    def _check_ours(self, target: Path) -> None:
        """Refuse to write the user's files where unused contents are removed, or where links to folders are."""
        if self._is_ours(target):
            raise DatasetError(
                tr("Nothing is written to {target}.").format(target=target),
                tr("It is in a folder of Sagehound's own."),
                tr("Choose a folder of your own."),
            )

    def write(
        self,
        manifest: Manifest,
        format_name: str,
        target: Path,
        with_split: bool = True,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> WrittenDataset:
        """Copy a dataset version's pictures into a new folder as they are labelled and, if so asked, split.

        Raises:
            DatasetError: the folder is there already or cannot be made, or the format cannot hold it.
            Cancelled: through `cancel`; nothing stays.
        """
        from core.formats.records import Example, Listing
        from core.formats.registry import format_named
        from core.formats.writing import write_dataset

        self._check_ours(target)
        format_, classes = format_named(format_name), manifest.classes
        splits = with_split or bool(format_.writer and format_.writer.splits)
        listing = Listing(manifest.root, layout="splits" if splits else "classes")
        listing.examples = [
            Example(entry.path, frozenset((classes[entry.label],)), entry.split if splits else None)
            for entry in manifest.pictures
        ]
        return write_dataset(listing, format_, target, None, on_progress, cancel)

    def split(self, scan: Scan, fractions: tuple[float, float, float] = DEFAULT_FRACTIONS, seed: int = 0) -> Manifest:
        """Split a scanned folder into train, valid and test as its labels are now; no file is touched."""
        from core.dataset import split

        state = self.labelling(scan).state
        manifest = split(state.apply(scan), fractions, seed, state.splits)
        without = sum(not state.labels_of(picture) and not state.is_excluded(picture) for picture in scan.pictures)
        if not without:
            return manifest
        notice = plural(
            "{count} picture has no class and is left out.",
            "{count} pictures have no class and are left out.",
            without,
        )
        return replace(manifest, notices=(*manifest.notices, notice))

    def labelling(self, scan: Scan) -> Labelling:
        """Return what reads and changes the labels of a scanned folder: `label`, `exclude`, `undo` and the rest.

        What its pictures were labelled with in one of the folders that it is joined of counts as said by that folder.
        """
        from core.labels.labelling import Labelling
        from core.labels.moved import labels_of_parts

        labelling = Labelling(self._installation.store, scan, session=self._session)
        for dataset, found in labels_of_parts(self._installation.store, scan).items():
            labelling.import_labels(found, dataset)
        return labelling

    def labelled_elsewhere(self, scan: Scan) -> list[Elsewhere]:
        """Return the folders that a scan's pictures were labelled in, while it has no labels of its own."""
        from core.labels.moved import datasets_of_parts, elsewhere

        parts = {folder for folder, _ in datasets_of_parts(scan)}  # what was said there counts here already
        return [one for one in elsewhere(self._installation.store, scan) if one.folder not in parts]

    def take_over_labels(self, scan: Scan, folder: Path) -> int:
        """Take over the labels of another folder with their history; see `core.labels.moved`."""
        from core.labels.moved import take_over

        count = take_over(self._installation.store, scan, folder)
        self._session.forget(str(scan.root))
        return count

    def write_labels(
        self,
        scan: Scan,
        target: Path,
        move: bool = False,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        splits: Mapping[str, str] | None = None,
    ) -> Written:
        """Copy or move pictures into class folders as their labels are; see `core.labels.disk`.

        Where someone moved some of them to a split, all are written into the splits that training would see.

        Raises:
            DatasetError: the target is in use, a picture has changed, or the disk is full.
            Cancelled: through `cancel`; the next call continues.
        """
        from core.formats.joined import folders_of
        from core.labels.disk import write_labels

        if folders_of(scan.root) or not target.is_relative_to(scan.root):  # in place is where the pictures are already
            self._check_ours(target)
        state = self.labelling(scan).state
        if splits is None and state.splits and scan.layout == "classes":
            splits = {entry.path: entry.split for entry in self.split(scan).pictures}
        return write_labels(scan, state, target, move, on_progress, cancel, splits)

    def check(
        self,
        scan: Scan,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        trained: TrainedAnswers | None = None,
    ) -> list[Finding]:
        """Return what may be wrong with a scanned folder and its labels, gravest first; see `core.check`.

        With what a model says (`Workbench.models.answers_for_check`) the pictures are seen by its backbone.

        Raises:
            EngineError: the frozen features could not be computed.
            Cancelled: through `cancel`.
        """
        from core.check.check import check
        from core.features.dataset_features import dataset_features
        from training_scripts.backbones import DEFAULT_BACKBONE

        backbone = DEFAULT_BACKBONE if trained is None else trained.backbone
        state = self.labelling(scan).state
        try:
            splits = {entry.path: entry.split for entry in self.split(scan).pictures}
        except DatasetError:
            splits = {}  # nothing can be trained on yet, so nothing is split
        return check(
            scan,
            state,
            splits,
            dataset_features(scan, self._installation.paths, on_progress, cancel, backbone),
            on_progress,
            cancel,
            trained,
        )

    def suggester(
        self, scan: Scan, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Suggester:
        """Return what suggests labels for a scanned folder; computes the frozen features that are not there yet.

        Raises:
            EngineError: they could not be computed.
            Cancelled: through `cancel`; what was computed is kept.
        """
        from core.features.dataset_features import dataset_features
        from core.labels.suggest import Suggester

        return Suggester(dataset_features(scan, self._installation.paths, on_progress, cancel), cancel)

    def features(
        self, scan: Scan, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> PictureFeatures:
        """Return the frozen features of a scan's pictures; what no job has computed before is computed now.

        Raises:
            EngineError: they could not be computed.
            Cancelled: through `cancel`; what was computed so far is kept.
        """
        from core.features.dataset_features import dataset_features

        return dataset_features(scan, self._installation.paths, on_progress, cancel)

    def remember(self, manifest: Manifest) -> Path:
        """Keep a dataset version's manifest; returns its file."""
        file = self._installation.paths.datasets / f"{manifest.version}.json"
        if manifest is not self._remembered or not file.is_file():  # a start keeps what the Data tab has kept
            manifest.save(file)
            self._installation.store.remember_dataset(manifest.version, str(manifest.root), str(file))
            self._remembered = manifest
        return file

    def manifest(self, version: str) -> Manifest | None:
        """Return the manifest of a dataset version that was remembered, or None."""
        from core.dataset.manifest import Manifest

        file = self._installation.paths.datasets / f"{version}.json"
        return Manifest.load(file) if file.is_file() else None

    def upload(
        self,
        manifest: Manifest,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        paused: Callable[[], bool] = lambda: False,
    ) -> UploadResult:
        """Put a dataset version into the bucket ahead of a job; nothing new is begun while `paused()`.

        Raises:
            EngineError: there is no connection to AWS, or S3 refused.
            Cancelled: through `cancel`; what was sent stays, and is not sent again.
        """
        cloud = self._installation.cloud
        if cloud is None:
            raise EngineError(tr("There is no connection to AWS."), fix=tr("Connect first."))
        self.remember(manifest)
        return cloud.upload(manifest, on_progress, cancel, paused)
