"""Whether the models that records tell of are there: what is lost counts as interrupted, and is trained again.

A power cut, a disk, a hand that tidies up, a restored backup: a record outlives its files. Then `resume` is the way.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from core.jobs.contract import JobFolder
from core.jobs.head_models import check as check_head
from core.jobs.head_models import left_head_alone
from core.jobs.head_models import looks_whole as head_looks_whole
from core.jobs.status import JobStatus
from core.store import INTERRUPTED, Store
from core.translation import plural, tr
from training_scripts.artifact import check, looks_whole
from training_scripts.job import JobError

_logger = logging.getLogger(__name__)


def interrupt_lost_models(store: Store, engine: str) -> None:
    """Look for all models that ended jobs recorded: there, and whole as far as that is seen without reading them."""
    lost = {name: why for name, artifact in store.models(engine) if (why := _why_lost(Path(artifact)))}
    interrupt(store, lost)


def interrupt_damaged_models(store: Store, tuning_job: str) -> None:
    """Read the models of a tuning job's trials to their ends."""
    damaged, backbones = {}, dict[Path, str]()
    for trial in store.trials(tuning_job):
        if trial.artifact is not None and trial.status.is_final:
            try:
                archive = Path(trial.artifact)
                folder = JobFolder(archive.parent)
                if left_head_alone(folder):
                    check_head(folder, backbones)
                else:
                    check(archive)
            except JobError as error:
                damaged[trial.name] = str(error)
    interrupt(store, damaged)


def interrupt(store: Store, lost: dict[str, str]) -> None:
    """Record that training jobs have lost their models (name to reason); their searches may be resumed."""
    if not lost:
        return
    searches: dict[str, int] = {}
    with store.transaction():
        for name, why in lost.items():
            _logger.warning("the model of %s is lost: %s", name, why)
            store.update_job(
                name,
                reopen=True,
                status=JobStatus.STOPPED,
                secondary_status=INTERRUPTED,
                artifact=None,
                failure_reason=why,
            )
            if (parent := store.parent(name)) is not None:
                searches[parent] = searches.get(parent, 0) + 1
        for name, count in searches.items():
            if store.job(name).status.is_final:
                store.update_job(
                    name,
                    reopen=True,
                    status=JobStatus.STOPPED,
                    secondary_status=INTERRUPTED,
                    ended=time.time(),
                    failure_reason=plural(
                        "{count} of its models is missing or damaged on the disk. Resume it to train "
                        "again what is lost.",
                        "{count} of its models are missing or damaged on the disk. Resume it to "
                        "train again what is lost.",
                        count,
                    ),
                )


def _why_lost(archive: Path) -> str:
    folder = JobFolder(archive.parent)
    try:
        if left_head_alone(folder) and head_looks_whole(folder):
            return ""
        return (
            ""
            if looks_whole(archive)
            else tr("Its model is not whole on the disk ({archive}).").format(archive=archive)
        )
    except FileNotFoundError:
        return tr("Its model is not on the disk any more ({archive}).").format(archive=archive)
    except OSError as error:  # a disk that is away for a moment is not a loss
        _logger.warning("%s cannot be looked at: %s", archive, error)
        return ""
