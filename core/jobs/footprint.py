"""What deleting a job takes away: its trials and the room that its files take."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.jobs.records import TuningJob
from core.progress import CancelToken
from core.translation import tr

if TYPE_CHECKING:
    from core.engine import Engine


@dataclass(frozen=True, slots=True)
class Footprint:
    """A job's trials and the bytes of its files on this machine, those of its trials included."""

    trials: int
    bytes: int

    def __str__(self) -> str:
        """Return it for people: `20 trials, 34.2 MB on disk`; a training job has no trials."""
        trials = "" if not self.trials else f"{self.trials:,} trial{'' if self.trials == 1 else 's'}, "
        return tr("{trials}{bytes} on disk").format(trials=trials, bytes=size_text(self.bytes))


def footprint(engine: Engine, name: str, cancel: CancelToken | None = None) -> Footprint:
    """Count a job's trials and files.

    Raises:
        JobNotFound: there is none of that name.
    """
    trials = [trial.name for trial in engine.trials(name)] if isinstance(engine.job(name), TuningJob) else []
    total = 0
    for job in (name, *trials):
        if cancel is not None:
            cancel.raise_if_cancelled()
        folder = engine.job_folder(job)
        total += folder_bytes(folder) if folder is not None else 0
    return Footprint(len(trials), total)


def folder_bytes(folder: Path) -> int:
    """Return the bytes of the files below a folder; links are not followed, what vanishes meanwhile counts as 0."""
    total = 0
    for root, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(root, file)).st_size
            except OSError:
                continue
    return total


def size_text(size: float) -> str:
    """Return bytes as people say them, in powers of a thousand: 940 bytes, 12.3 kB, 1.2 GB."""
    if size < 1000:
        return f"{size:.0f} bytes"
    power = next((power for power in (1, 2) if size / 1000**power < 999.95), 3)
    return f"{size / 1000**power:,.1f} {('kB', 'MB', 'GB')[power - 1]}"
