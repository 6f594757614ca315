"""The dataset that is open: scanned, split, kept, and there again the next time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from core.dataset.manifest import Manifest, read_options
from core.dataset.records import Picture, ReadOptions, Scan
from core.dataset.sample import sample_path
from core.errors import UserFacingError
from core.jobs.declared import to_plain
from core.progress import CancelToken, OnProgress, Progress
from core.store import Dataset
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from training_scripts.outside import UNUSABLE

if TYPE_CHECKING:
    from core.dataset.gallery import Gallery
    from core.labels.labelling import Labelling
    from core.labels.moved import Elsewhere

LAST_KEY = "data.last"
MOST_RECENT = 6


class ScanBuffer:
    """The pictures that a scan has found: put in by its thread, taken out by the window's."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Sequence[Picture]] = SimpleQueue()

    def put(self, pictures: Sequence[Picture]) -> None:
        """Take pictures that were found."""
        self._queue.put(pictures)

    def take(self) -> list[Picture]:
        """Return those found since the last time."""
        found: list[Picture] = []
        while True:
            try:
                found.extend(self._queue.get_nowait())
            except Empty:
                return found


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """A scan, and what the widgets need of it."""

    scan: Scan
    gallery: Gallery
    labelling: Labelling
    elsewhere: Sequence[Elsewhere] = ()
    """Where these pictures were labelled, while they have no labels here."""

    @classmethod
    def of(cls, workbench: Workbench, scan: Scan) -> ScanSummary:
        """Make it ready, as its labels are."""
        from core.dataset.gallery import Gallery

        gallery, labelling = Gallery(), workbench.data.labelling(scan)
        gallery.add(scan.pictures)
        gallery.set_state(labelling.state, [picture.path for picture in scan.pictures])
        return cls(scan, gallery, labelling, workbench.data.labelled_elsewhere(scan))


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """A manifest, and what the widgets need of it."""

    manifest: Manifest
    splits: Mapping[str, str]
    counts: Mapping[str, int]


def split(workbench: Workbench, scan: Scan, fractions: tuple[float, float, float], seed: int) -> SplitSummary:
    """Split a scan's pictures."""
    manifest = workbench.data.split(scan, fractions, seed)
    splits = {entry.path: entry.split for entry in manifest.pictures}
    return SplitSummary(manifest, splits, Counter(splits.values()))


class OpenDataset(QObject):
    """Scans and splits what is open; the one before comes back where a scan fails or is cancelled.

    Signals:
        scanning(Path): a folder, archive or file is being scanned; nothing of it is known yet.
        progressed(Progress), found(list[Picture]): how far the scan is, and what it found since the last time.
        scanned(ScanSummary): the scan is done.
        split(SplitSummary): it is split, and can be trained on.
        went_back(ScanSummary, SplitSummary | None): what was open before is open again, split where it was.
        closed(): nothing is open.
        failed(UserFacingError): it cannot be read, split or kept, and why.
        restored(Manifest): the dataset version of the last time is there again.
    """

    scanning = Signal(object)
    progressed = Signal(object)
    found = Signal(object)
    scanned = Signal(object)
    split = Signal(object)
    went_back = Signal(object, object)
    closed = Signal()
    failed = Signal(object)
    restored = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self.folder: Path | None = None
        self.options = ReadOptions()
        self.scan: Scan | None = None
        self.manifest: Manifest | None = None
        self._scanning: Handle | None = None
        self._splitting: Handle | None = None
        self._joining: Handle | None = None
        self._restoring = ""
        self._refused: Path | None = None
        self._scanned: ScanSummary | None = None
        self._kept: tuple[Path, ReadOptions, ScanSummary, SplitSummary | None] | None = None
        self._buffer = ScanBuffer()

    @property
    def is_sample(self) -> bool:
        """Whether the sample dataset is open."""
        try:
            return self.folder == sample_path()
        except UserFacingError:
            return False

    @property
    def words(self) -> str:
        """Return what is open, for a person."""
        if self.is_sample:
            return tr("Sample dataset")
        if self.folder is None:
            return ""
        from core.formats.joined import words_for  # here: the window is painted before the formats come

        return words_for(self.folder)

    @property
    def place(self) -> Path:
        """Return where the next dataset probably is."""
        if self.folder is None:
            return Path.home()
        from core.formats.joined import folders_of

        parts = folders_of(self.folder)
        return (parts[0].folder if parts else self.folder).parent

    # Opening and closing

    def open(self, folder: Path, options: ReadOptions | None = None) -> None:
        """Scan a folder, an archive or a file of labels; what was open comes back when nothing can be read there."""
        self._stop_work()
        self._restoring = ""
        self.folder, self.scan, self.manifest = folder, None, None
        self.options = options = options or ReadOptions()
        self._buffer = buffer = ScanBuffer()
        self.scanning.emit(folder)

        def work(on_progress: OnProgress, cancel: CancelToken) -> ScanSummary:
            scan = self._workbench.data.scan(folder, on_progress, cancel, buffer.put, options, unlabelled=True)
            return ScanSummary.of(self._workbench, scan)

        self._scanning = self._bridge.run(work, self._on_scanned, self._on_scan_failed, self._on_progress)

    def open_together(self, folders: Sequence[Path]) -> None:
        """Scan several folders, archives or files of labels as one dataset.

        What is open stays, and is scanned and split further, until they are known to fit together.
        """
        if len(folders) == 1:
            self.open(folders[0])
            return
        if self._joining is not None:
            self._joining.cancel()

        def work(on_progress: OnProgress, cancel: CancelToken) -> Path:
            return self._workbench.data.join(folders, None, on_progress, cancel)

        self._joining = self._bridge.run(work, self.open, self._on_join_failed)

    def open_sample(self) -> None:
        """Scan the sample dataset."""
        try:
            self.open(sample_path())
        except UserFacingError as error:
            self.failed.emit(error)

    def open_last(self) -> None:
        """Scan the dataset of the last time, where it is still there and nothing else is open by then."""
        last = self._workbench.settings.recall(LAST_KEY)
        if not isinstance(last, dict):
            return
        folder, version = Path(str(last.get("path"))), str(last.get("version"))

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[Path, str] | None:
            # The disk is asked in a thread: a folder on a network that is gone answers late.
            return (folder, version) if folder.is_dir() else None

        self._bridge.run(work, partial(self._on_last, _kept_options(last)))

    def open_again(self, options: ReadOptions | None = None) -> None:
        """Scan what is open again, read in another way if `options` say so."""
        if self.folder is not None:
            self.open(self.folder, options or self.options)

    def open_refused(self, options: ReadOptions) -> None:
        """Scan what could not be read, in the way that was chosen."""
        if self._refused is not None:
            self.open(self._refused, options)

    def open_moved(self, folder: Path) -> None:
        """Scan the folder that the pictures are in now; where they were is nothing to go back to."""
        self._kept = None
        self.open(folder, self.options if folder == self.folder else None)

    def cancel(self) -> None:
        """Stop scanning, and go back to what was open before, or to nothing."""
        self._stop_work()
        self._go_back()

    def close(self) -> None:
        """Close what is open."""
        self._stop_work()
        self._kept = None
        self._go_back()

    # Splitting and keeping

    def unsplit(self) -> None:
        """Note that the labels or the shares are other ones: there is no dataset version until the next split."""
        if self._splitting is not None:
            self._splitting.cancel()
        self.manifest = None

    def split_by(self, fractions: tuple[float, float, float], seed: int) -> None:
        """Split what was scanned."""
        self.unsplit()
        if (scan := self.scan) is not None:
            self._splitting = self._bridge.run(
                lambda on_progress, cancel: split(self._workbench, scan, fractions, seed),
                self._on_split,
                self._on_split_failed,
            )

    def keep(self, on_kept: Callable[[Manifest], None]) -> None:
        """Keep this dataset version, and open it the next time."""
        manifest = self.manifest
        if manifest is None:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> Manifest:
            self._workbench.data.remember(manifest)
            return manifest

        def kept(manifest: Manifest) -> None:
            last = {"path": str(manifest.root), "version": manifest.version, "read": to_plain(manifest.options)}
            self._workbench.settings.remember(LAST_KEY, last)
            on_kept(manifest)

        self._bridge.run(work, kept, self.failed.emit)

    def ask_recent(self, on_answer: Callable[[list[Dataset]], None]) -> None:
        """Ask for the datasets that were used last and are still there."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> list[Dataset]:
            recent = self._workbench.store.recent_datasets(MOST_RECENT)
            return [dataset for dataset in recent if Path(dataset.path).is_dir()]

        self._bridge.run(work, on_answer)

    # Answers of the threads

    def _stop_work(self) -> None:
        for handle in (self._scanning, self._splitting, self._joining):
            if handle is not None:
                handle.cancel()
        self._scanning = self._splitting = self._joining = None

    def _go_back(self) -> None:
        if self._kept is None:
            self.folder, self.scan, self.manifest = None, None, None
            self.closed.emit()
            return
        self.folder, self.options, scanned, answer = self._kept
        self.scan, self._scanned = scanned.scan, scanned
        self.manifest = answer.manifest if answer is not None else None
        self.went_back.emit(scanned, answer)
        self._note_restored()

    def _on_join_failed(self, error: UserFacingError) -> None:
        self._joining = None
        self.failed.emit(error)

    def _on_last(self, options: ReadOptions, found: tuple[Path, str] | None) -> None:
        if found is not None and self.folder is None and self._joining is None:
            self.open(found[0], options)
            self._restoring = found[1]

    def _on_progress(self, progress: Progress) -> None:
        self.progressed.emit(progress)
        if found := self._buffer.take():
            self.found.emit(found)

    def _on_scanned(self, answer: ScanSummary) -> None:
        self._scanning = None
        self.scan, self._scanned = answer.scan, answer
        if self.folder is not None:
            self._kept = self.folder, self.options, answer, None
        self.scanned.emit(answer)

    def _on_scan_failed(self, error: UserFacingError) -> None:
        self._scanning, self._refused = None, self.folder
        if self._kept is not None and self._kept[0] == self.folder:
            self._kept = None  # it was there, and is not any more
        self._go_back()
        self.failed.emit(error)

    def _on_split(self, answer: SplitSummary) -> None:
        self._splitting = None
        self.manifest = answer.manifest
        if self.folder is not None and self._scanned is not None:
            self._kept = self.folder, self.options, self._scanned, answer
        self.split.emit(answer)
        self._note_restored()

    def _on_split_failed(self, error: UserFacingError) -> None:
        self._splitting = None
        self.failed.emit(error)

    def _note_restored(self) -> None:
        if self._restoring and self.manifest is not None and self._restoring == self.manifest.version:
            self.restored.emit(self.manifest)
        self._restoring = ""


def what_is_missing(gallery: Gallery) -> str:
    """Return what a dataset without enough labels still needs; "" where it can be learned from."""
    if len(gallery.classes) >= 2 or not len(gallery):
        return ""
    if not gallery.classes:
        return plural(
            "This {count:,} picture has no label yet. Choose it, press Return and name what it shows.",
            "None of these {count:,} pictures has a label yet. Choose some that show the same thing, press Return "
            "and name it; then the next.",
            len(gallery),
        )
    sentence = tr("So far there is one class, {name}. Label pictures of a second one to learn from them.")
    return sentence.format(name=gallery.classes[0])


def _kept_options(last: Mapping[str, Any]) -> ReadOptions:
    """Return how the dataset of the last time was read; what cannot be read any more is left to the content."""
    try:
        return read_options(last)
    except UNUSABLE:
        return ReadOptions()
