"""What a job on SageMaker will take and cost: frozen features computed once against pictures in every trial.

Durations are those of this computer's forecast, plus the time that SageMaker needs to make a machine ready. They say
which way is cheaper, not what the bill will be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.engines.sagemaker.cost.pricing import Cost, Price, cost_of
from core.jobs.specs import CloudResources, Spec
from core.tuning.forecast import START_UP_S, forecast

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.store import Store

READY_S = 150.0
"""From a job's creation to its first line: the machine, the image, the data. An estimate, not measured on AWS."""

BILLED_START_S = 60.0
"""The part of it that is billed: data and image are loaded on the paid machine. An estimate."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a job: from start to end in seconds, machine time in seconds, and dollars (None: unknown)."""

    seconds: float
    machine_seconds: float
    usd: float | None


@dataclass(frozen=True, slots=True)
class CloudForecast:
    """`once`: features computed once (None where trials cannot share them); `each`: pictures in every trial."""

    cost: Cost
    once: Way | None
    each: Way | None

    @property
    def text(self) -> str:
        """Return what it takes and costs, in sentences."""
        lines = [self.cost.text]
        if self.once is not None and self.each is not None:
            lines.append(f"Features once: {_way(self.once)}. Pictures in every trial: {_way(self.each)}.")
        return " ".join(lines)


def cloud_forecast(
    spec: Spec, manifest: Manifest | None, store: Store, price: Price, shares_features: bool, known: bool = False
) -> CloudForecast:
    """Return the forecast of a spec at a price; `known`: the features lie in S3 already."""
    here = forecast(spec, manifest, store)
    if here.seconds is None:
        return CloudForecast(cost_of(spec, price, features=shares_features and not known), None, None)
    rounds = math.ceil(here.trials / spec.at_once)
    features = here.features_seconds
    trial = max(0.0, (here.seconds - START_UP_S - features) / rounds)
    count = (spec.training.cloud or CloudResources()).instance_count
    hourly = None if price.usd_per_hour is None else price.usd_per_hour * count

    def way(first: float, each: float) -> Way:
        wall = (READY_S + first if first else 0.0) + rounds * (READY_S + each)
        machine = (BILLED_START_S + first if first else 0.0) + here.trials * (BILLED_START_S + each)
        return Way(wall, machine, None if hourly is None else hourly * machine / 3600)

    each = way(0.0, features + trial)
    once = way(0.0 if known else max(features, 1.0), trial) if shares_features else None
    chosen = once or each
    return CloudForecast(cost_of(spec, price, chosen.machine_seconds, shares_features and not known), once, each)


def _way(way: Way) -> str:
    minutes = f"{way.seconds / 60:.0f} min"
    return minutes if way.usd is None else f"{minutes}, ${way.usd:.2f}"
