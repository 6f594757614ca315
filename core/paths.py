"""Where Sagehound keeps its files. `SAGEHOUND_HOME` moves every one of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds core, gui, training_scripts and resources, in a checkout and in an installed wheel alike."""


@dataclass(frozen=True, slots=True)
class AppPaths:
    """The folders of one installation, made on first use by `create`."""

    home: Path

    @classmethod
    def default(cls) -> AppPaths:
        """`$SAGEHOUND_HOME`, else the platform's folder for application data."""
        moved = os.environ.get("SAGEHOUND_HOME")
        return cls(Path(moved).expanduser().resolve() if moved else platformdirs.user_data_path("sagehound", False))

    @property
    def database(self) -> Path:
        """The SQLite file of all that must survive a restart."""
        return self.home / "sagehound.sqlite3"

    @property
    def jobs(self) -> Path:
        """One folder per training job, /opt/ml-shaped (see core/jobs/contract.py)."""
        return self.home / "jobs"

    @property
    def deleted(self) -> Path:
        """Folders on their way out."""
        return self.home / "deleted"

    @property
    def features(self) -> Path:
        """Frozen features, one folder per backbone, weights and preprocessing."""
        return self.home / "features"

    @property
    def datasets(self) -> Path:
        """One manifest per dataset version, and the scan cache."""
        return self.home / "datasets"

    @property
    def scans(self) -> Path:
        """The scan cache (see core/dataset/cache.py)."""
        return self.datasets / "scans.sqlite3"

    @property
    def weights(self) -> Path:
        """Pretrained weights that were fetched."""
        return self.home / "weights"

    @property
    def thumbnails(self) -> Path:
        """Small pictures by content hash."""
        return self.home / "thumbnails"

    @property
    def logs(self) -> Path:
        """The application's own logs."""
        return self.home / "logs"

    @property
    def settings(self) -> Path:
        """The settings file (JSON)."""
        return self.home / "settings.json"

    def create(self) -> AppPaths:
        """Make the folders that are missing; private to the user. Returns itself."""
        for folder in (self.jobs, self.features, self.datasets, self.weights, self.thumbnails, self.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self
