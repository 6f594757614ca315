"""Where Sagehound keeps its files. `SAGEHOUND_HOME` moves every one of them."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from core.errors import StoreError
from core.translation import tr

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds core, gui, training_scripts and resources, in a checkout and in an installed wheel alike."""


@dataclass(frozen=True, slots=True)
class AppPaths:
    """The folders of one installation, made on first use by `create`."""

    home: Path

    @classmethod
    def default(cls) -> AppPaths:
        """Return `$SAGEHOUND_HOME`, else the platform's folder for application data."""
        moved = os.environ.get("SAGEHOUND_HOME")
        return cls(
            Path(os.path.expanduser(moved)).resolve() if moved else platformdirs.user_data_path("sagehound", False)
        )

    @property
    def database(self) -> Path:
        """Return the SQLite file of all that must survive a restart."""
        return self.home / "sagehound.sqlite3"

    @property
    def jobs(self) -> Path:
        """Return one folder per training job, /opt/ml-shaped (see core/jobs/contract.py)."""
        return self.home / "jobs"

    @property
    def deleted(self) -> Path:
        """Return folders on their way out."""
        return self.home / "deleted"

    @property
    def features(self) -> Path:
        """Return frozen features, one folder per backbone, weights and preprocessing."""
        return self.home / "features"

    @property
    def datasets(self) -> Path:
        """Return one manifest per dataset version, and the scan cache."""
        return self.home / "datasets"

    @property
    def scans(self) -> Path:
        """Return the scan cache (see core/dataset/cache.py)."""
        return self.datasets / "scans.sqlite3"

    @property
    def joined(self) -> Path:
        """Return where folders are that stand for several as one dataset; they hold links, no pictures."""
        return self.datasets / "joined"

    @property
    def imports(self) -> Path:
        """Return what was unpacked from archives, one folder for each."""
        return self.home / "imports"

    @property
    def weights(self) -> Path:
        """Return pretrained weights that were fetched."""
        return self.home / "weights"

    @property
    def thumbnails(self) -> Path:
        """Return small pictures by content hash."""
        return self.home / "thumbnails"

    @property
    def logs(self) -> Path:
        """Return the application's own logs."""
        return self.home / "logs"

    @property
    def watched_models(self) -> Path:
        """Return the classes of the models that watched scripts have saved, in their order (JSON lines)."""
        return self.home / "watched-models.jsonl"

    @property
    def settings(self) -> Path:
        """Return the settings file (JSON)."""
        return self.home / "settings.json"

    def create(self) -> AppPaths:
        """Make the folders that are missing; the home is private to the user. Returns itself.

        Raises:
            StoreError: they cannot be made, or nothing can be written there.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with suppress(PermissionError):  # somebody else's, whom we may be allowed to work for
                self.home.chmod(0o700)
            for folder in (self.jobs, self.features, self.datasets, self.weights, self.thumbnails, self.logs):
                folder.mkdir(exist_ok=True, mode=0o700)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        except OSError as error:
            why = (
                tr("There is a file of that name")
                if isinstance(error, FileExistsError)
                else error.strerror or str(error)
            )
            raise StoreError(
                tr("Sagehound cannot keep its files in {home}.").format(home=self.home),
                f"{why} ({error.filename or self.home}).",
                tr("Give yourself the right to write there, make room, or set SAGEHOUND_HOME to another folder."),
            ) from error
        return self


_user_umask: int | None = None


def keep_private() -> None:
    """Let this process, and those it starts, make files that only the user can read."""
    global _user_umask
    if _user_umask is None:
        _user_umask = os.umask(0o077)


def make_outside(folder: Path) -> None:
    """Make a folder that the user asked for outside the home, as the user's own programs would make it.

    Raises:
        OSError: it cannot be made.
    """
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        there = next((part for part in (folder, *folder.parents) if part.exists()), folder)
        raise OSError(error.errno, tr("{path} is there and is no folder").format(path=there), str(there)) from error
    for part in missing:
        _give(part)


def give_away(path: Path) -> None:
    """Give what the user asked for, outside the home, the rights that the user's own programs would give it.

    A folder is given away with all that it holds.
    """
    for part in (path, *path.rglob("*")) if path.is_dir() else (path,):
        _give(part)


def _give(path: Path) -> None:
    if _user_umask is None or sys.platform == "win32":
        return
    with suppress(OSError):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~_user_umask)
