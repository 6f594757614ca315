"""The sample dataset that ships with Sagehound: public-domain drawings, split so that the test is honest."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from core.errors import DatasetError
from core.translation import tr


def sample_path() -> Path:
    """Return the folder of the sample dataset, ready to be scanned; do not write into it.

    Raises:
        DatasetError: this installation lacks it.
    """
    folder = Path(str(resources.files("resources"))) / "sample" / "clipart"
    if not folder.is_dir():
        raise DatasetError(
            tr("The sample dataset is missing."),
            tr("There is no {folder}.").format(folder=folder),
            tr("Install Sagehound again."),
        )
    return folder
