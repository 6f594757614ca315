"""The training pictures that a model finds nearest to a picture: because of these it answers as it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.dataset.manifest import Manifest

MOST = 5
"""How many are shown."""
ASKED = 20
"""How many the model is asked for: some may not be there any more."""


@dataclass(frozen=True, slots=True)
class TrainingPicture:
    """A picture that a model learned from: `path` below `root`, its class then, and how far it is from the one asked.

    `distance` is 0 for a picture that is the same to the model, 2 for the opposite.
    """

    root: Path
    path: str
    sha256: str
    label: str
    distance: float


def training_pictures(found: Iterable[tuple[str, float]], manifest: Manifest | None) -> list[TrainingPicture]:
    """Return the pictures with these SHA-256 and distances as the dataset has them, without those that are gone."""
    if manifest is None:
        return []
    entries = {entry.sha256: entry for entry in manifest.of("train")}
    pictures: list[TrainingPicture] = []
    for sha256, distance in found:
        entry = entries.get(sha256)
        if entry is not None and manifest.path_of(entry).is_file():
            label = manifest.classes[entry.label]
            pictures.append(TrainingPicture(manifest.root, entry.path, sha256, label, max(distance, 0.0)))
        if len(pictures) == MOST:
            break
    return pictures
