"""What a job on SageMaker will take and cost: frozen features computed once against pictures in every trial.

Durations are those of this computer's forecast, plus the time that SageMaker needs to make a machine ready. They say
which way is cheaper, not what the bill will be.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from core.cloud.money import CloudForecast, Price, Way
from core.engines.sagemaker.cost.pricing import cost_of
from core.jobs.specs import CloudResources, Spec, TuningSpec
from core.tuning.forecast import START_UP_S, forecast

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.store import Store

READY_S = 150.0
"""From a job's creation to its first line: the machine, the image, the data. An estimate, not measured on AWS."""

BILLED_START_S = 60.0
"""The part of it that is billed: data and image are loaded on the paid machine. An estimate."""


def cloud_forecast(
    spec: Spec, manifest: Manifest | None, store: Store, price: Price, shares_features: bool, known: bool = False
) -> CloudForecast:
    """Return the forecast of a spec at a price; `known`: the features are in S3 already."""
    here = forecast(spec, manifest, store)
    is_packed = isinstance(spec, TuningSpec) and spec.packed
    has_features_job = shares_features and not known and not is_packed
    if here.seconds is None:
        return CloudForecast(cost_of(spec, price, features=has_features_job), None, None, is_packed=is_packed)
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
    packed = None
    if isinstance(spec, TuningSpec) and count == 1:
        seconds = here.seconds - (features if known else 0.0)
        packed = Way(READY_S + seconds, BILLED_START_S + seconds, hourly and hourly * (BILLED_START_S + seconds) / 3600)
    chosen = packed if is_packed and packed is not None else once or each
    cost = cost_of(spec, price, chosen.machine_seconds, has_features_job)
    return CloudForecast(cost, once, each, packed, is_packed, here.trials)
