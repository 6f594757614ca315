"""What is kept about whole folders: those that are held out for tests, and those that imports have left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DatasetError
from core.translation import tr
from core.workbench.installation import Installation

if TYPE_CHECKING:
    from core.formats.imported import Imported
    from core.store.held_out import HeldOut

_ALL = 1_000_000


class FolderWork:
    """The use cases of whole folders; `Workbench.folders`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def lock(self, folder: Path, locked: bool = True, seen_by: str = "") -> HeldOut | None:
        """Lock a folder as a held-out test folder, or no longer; returns what is known of it then.

        Nothing learns from a locked folder, nor from copies of what is in it now, and each model that is judged on it
        is counted: so is `seen_by`, the one that was just judged on it.

        Raises:
            DatasetError: there is no such folder, or a job has learned from it.
        """
        from core.dataset.sources import contents_of, folders_behind

        held_out = self._installation.store.held_out
        if not locked:
            held_out.unlock(folder)
            return held_out.find(folder)
        if not folder.is_dir():
            raise DatasetError(tr("There is no folder {folder}.").format(folder=folder), fix=tr("Choose another one."))
        store = self._installation.store
        datasets = {store.spec(job.name).training.dataset_path for job in store.jobs()} - {""}
        learned = {place.resolve() for path in datasets for place in folders_behind(Path(path))}
        if (root := folder.resolve()) in learned:
            raise DatasetError(
                tr("A job has learned from {folder} already.").format(folder=root),
                tr("A model cannot be judged by what it learned from."),
                tr("Lock a folder of other pictures."),
            )
        held_out.lock(root, contents_of(root))
        return held_out.look(root, seen_by) if seen_by else held_out.find(root)

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
