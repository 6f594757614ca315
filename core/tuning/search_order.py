"""A search as one job: what it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.jobs.specs import TuningSpec, spec_to_json
from core.tuning.search_plan import search_plan
from core.tuning.wanted_features import features_hyperparameters, wanted_features
from core.tuning.warm_start import warm_start
from training_scripts.packed.order import SearchOrder

if TYPE_CHECKING:
    from core.store import Store


def search_order(spec: TuningSpec, store: Store) -> SearchOrder:
    """Return what the job is to search; earlier searches that it learns from are those of the store.

    Raises:
        SpecError: the strategy cannot search these ranges.
    """
    training = spec.training
    regex = next(item.regex for item in training.metrics if item.name == training.objective.metric)
    return SearchOrder(
        spec.name,
        search_plan(spec),
        training.hyperparameters,
        regex,
        [features_hyperparameters(choice, training) for choice in wanted_features(spec)],
        warm_start(spec, store),
        spec_to_json(spec),
    )
