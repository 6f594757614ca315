"""What is kept about whole folders: those that are held out for tests, and those that imports have left."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DatasetError, SpecError
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import plural, tr
from core.workbench.dataset_work import DatasetWork
from core.workbench.installation import Installation

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.formats.imported import Imported
    from core.store.held_out import HeldOut

_ALL = 1_000_000


class FolderWork:
    """The use cases of whole folders; `Workbench.folders`."""

    def __init__(self, installation: Installation, data: DatasetWork) -> None:
        self._installation, self._data = installation, data

    def lock(
        self,
        folder: Path,
        locked: bool = True,
        seen_by: str = "",
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> HeldOut | None:
        """Lock a folder as a held-out test folder, or no longer; returns what is known of it then.

        Nothing learns from a locked folder, nor from copies of what is in it now, and each model that is judged on it
        is counted: so is `seen_by`, the one that was just judged on it.

        Raises:
            DatasetError: there is no such folder, or a job has learned from it, or from copies of its pictures.
            Cancelled: through `cancel`; it is not locked.
        """
        from core.dataset.sources import contents_of

        store, cancel = self._installation.store, cancel or CancelToken()
        if not locked:
            cancel.raise_if_cancelled()
            store.held_out.unlock(folder)
            return store.held_out.find(folder)
        if not folder.is_dir():
            raise DatasetError(tr("There is no folder {folder}.").format(folder=folder), fix=tr("Choose another one."))
        root = folder.resolve()
        self._refuse_learned(root)
        contents = contents_of(root, on_progress, cancel)
        for version in self._refuse_learned(root):  # again: a job may have been started while the folder was read
            cancel.raise_if_cancelled()
            self._refuse_copies(root, contents, version)
        cancel.raise_if_cancelled()
        store.held_out.lock(root, contents)
        return store.held_out.look(root, seen_by) if seen_by else store.held_out.find(root)

    def _refuse_learned(self, root: Path) -> set[str]:
        """See to it that no job has learned from a folder; returns the versions of the datasets that jobs learned from.

        Raises:
            DatasetError: one has.
        """
        from core.dataset.sources import folders_behind

        store = self._installation.store
        learned_from = [store.spec(job.name).training for job in store.jobs()]
        datasets = {training.dataset_path for training in learned_from} - {""}
        if root in {place.resolve() for path in datasets for place in folders_behind(Path(path))}:
            raise DatasetError(
                tr("A job has learned from {folder} already.").format(folder=root),
                tr("A model cannot be judged by what it learned from."),
                tr("Lock a folder of other pictures."),
            )
        return {training.dataset_version for training in learned_from} - {""}

    def _refuse_copies(self, root: Path, contents: Mapping[str, str], version: str) -> None:
        """See to it that no job has learned from copies of a folder's pictures, by this version of a dataset.

        Raises:
            DatasetError: one has; says from how many.
        """
        manifest = None
        with suppress(DatasetError):  # one that is damaged says nothing more
            manifest = self._data.manifest(version)
        if manifest is None:
            return
        learned = {entry.sha256 for entry in manifest.pictures if entry.split != "test"}
        if copies := sorted(contents[sha256] for sha256 in learned & contents.keys()):
            raise DatasetError(
                plural(
                    "A job on {dataset} has learned from a copy of {count:,} picture in {folder} already.",
                    "A job on {dataset} has learned from copies of {count:,} pictures in {folder} already.",
                    len(copies),
                    dataset=manifest.root,
                    folder=root,
                ),
                tr("One is {path}. A model cannot be judged by what it learned from.").format(path=copies[0]),
                tr("Lock a folder of other pictures, or take these out of it."),
            )

    def refuse_held_out(
        self, manifest: Manifest, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> None:
        """See to it that nothing is learned from a locked test folder, nor from copies of its pictures.

        Raises:
            SpecError: it would be; says which folder.
            Cancelled: through `cancel`.
        """
        from core.dataset.sources import contents_of, learned_folders

        held_out = self._installation.store.held_out
        unlock = tr("Choose another dataset, or unlock it first: sagehound lock --off {folder}")
        if (locked := held_out.find_first(learned_folders(manifest))) is not None:
            raise SpecError(
                tr("{folder} is locked as a held-out test folder.").format(folder=locked.folder),
                tr("What was learned from it could not be judged by it."),
                unlock.format(folder=shlex.quote(locked.folder)),
            )
        for known in held_out.of_unknown_contents():
            held_out.note_contents(known, contents_of(known, on_progress, cancel))
        learned = {entry.sha256: entry.path for entry in manifest.pictures if entry.split != "test"}
        if (copied := held_out.find_copies(learned)) is not None:
            folder, found = copied
            raise SpecError(
                plural(
                    "{count:,} picture to learn from is in {folder} too, which is locked as a held-out test folder.",
                    "{count:,} pictures to learn from are in {folder} too, which is locked as a held-out test folder.",
                    len(found),
                    folder=folder,
                ),
                tr("One is {path}. What was learned from it could not be judged by it.").format(
                    path=min(learned[sha256] for sha256 in found)
                ),
                tr("Leave the copies out, or unlock the folder first: sagehound lock --off {folder}").format(
                    folder=shlex.quote(folder)
                ),
            )

    def imports(self) -> list[Imported]:
        """Return what archives and prefixes in S3 have left in the home, and what uses each; largest first."""
        from core.dataset.sources import folders_behind
        from core.formats.imported import imported

        store = self._installation.store
        jobs = {store.spec(job.name).training.dataset_path for job in store.jobs()} - {""}
        users = {
            who: [str(place) for path in paths for place in folders_behind(Path(path))]
            for who, paths in ((tr("a job"), jobs), (tr("labels that were given"), store.labelled_datasets()))
        }
        opened: dict[str, float] = {}
        for found in store.recent_datasets(_ALL):
            for place in map(str, folders_behind(Path(found.path))):
                opened[place] = max(found.used, opened.get(place, 0.0))
        return imported(self._installation.paths.imports, users, opened)

    def remove_unused_imports(self) -> list[Imported]:
        """Remove the imports that nothing uses now; returns them. An archive is unpacked again when it is next opened.

        Raises:
            DatasetError: one cannot be removed.
        """
        from core.formats.imported import remove

        unused = [found for found in self.imports() if not found.used_by]
        try:
            remove(unused, self._installation.paths.deleted)
        except OSError as error:
            why, fix = f"{error.strerror or error}.", tr("Close what uses its files, and try again.")
            raise DatasetError(tr("An unused import cannot be removed."), why, fix) from error
        return unused
