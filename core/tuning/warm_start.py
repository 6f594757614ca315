"""What a search learns from earlier ones."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from core.errors import JobNotFound
from core.jobs.specs import TuningSpec
from core.jobs.status import JobStatus
from training_scripts.strategies.search import Observation

if TYPE_CHECKING:
    from core.store import Store

_logger = logging.getLogger(__name__)


def warm_start(spec: TuningSpec, store: Store) -> list[Observation]:
    """Return the finished trials of the tuning jobs that a spec names; those that are gone say nothing."""
    found = []
    for parent in spec.warm_start:
        try:
            store.job(parent)
        except JobNotFound:
            _logger.warning("the tuning job %s is gone; nothing is learnt from it", parent)
            continue
        for trial in store.trials(parent):
            if trial.status.is_final:
                searched = {item.name: trial.hyperparameters.get(item.name, "") for item in spec.ranges}
                objective = None if trial.status is JobStatus.FAILED else trial.objective
                found.append(Observation(searched, objective))
    return found
