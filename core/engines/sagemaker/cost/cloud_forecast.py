"""What a job on SageMaker will take and cost: frozen features computed once against pictures in every trial.

Durations are those of this computer's forecast, plus the time that SageMaker needs to make a machine ready. They say
which way is cheaper, not what the bill will be.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.cloud.money import CloudForecast, Machines, Price, Way
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

LEAST_FEATURES_S = 600.0
"""As many machines are proposed as compute features for so long each: what their starts cost stays below a tenth."""

MOST_MACHINES = 20
"""More are not proposed: an account's quota seldom allows them."""

GOOD_FOR_FEATURES = "ml.c5.2xlarge"
"""The type that is proposed beside the one that was chosen: no other of the snapshot costs less by the processor."""

_SIZE = re.compile(r"ml\.[mc]\d\w*\.(?:(large)|(\d*)xlarge)")


def cloud_forecast(
    spec: Spec,
    manifest: Manifest | None,
    store: Store,
    price: Price,
    shares_features: bool,
    known: bool = False,
    price_of: Callable[[str], Price] | None = None,
) -> CloudForecast:
    """Return the forecast of a spec at a price; `known`: the features are in S3 already.

    `price_of` returns the price of another type; without it, it is that of the spec's own.
    """
    here = forecast(spec, manifest, store)
    is_packed = isinstance(spec, TuningSpec) and spec.packed
    cloud = spec.training.cloud or CloudResources()
    asked, of = cloud.for_features, price_of or (lambda _: price)
    many = asked.instance_count > 1
    has_features_job = shares_features and not known and (many or not is_packed)
    own = of(asked.instance_type) if has_features_job else price
    if here.seconds is None:
        return CloudForecast(
            cost_of(spec, price, features=has_features_job, features_price=own), None, None, is_packed=is_packed
        )
    rounds = math.ceil(here.trials / spec.at_once)
    features = here.features_seconds
    trial = max(0.0, (here.seconds - START_UP_S - features) / rounds)
    count = cloud.instance_count
    hourly = None if price.usd_per_hour is None else price.usd_per_hour * count

    def way(jobs: int, at_once: int, each: float) -> Way:
        machine = jobs * (BILLED_START_S + each)
        wall = math.ceil(jobs / at_once) * (READY_S + each)
        return Way(wall, machine, None if hourly is None else hourly * machine / 3600)

    def machines(number: int, kind: str) -> Machines:
        seconds = max(features, 1.0) * _relative_speed(cloud.instance_type, kind) / number
        machine, usd = number * (BILLED_START_S + seconds), of(kind).usd_per_hour
        return Machines(number, kind, Way(READY_S + seconds, machine, None if usd is None else usd * machine / 3600))

    first = None if known or not shares_features else machines(asked.instance_count, asked.instance_type)
    trials = way(here.trials, spec.at_once, trial)
    once = None if not shares_features else trials if first is None else _after(first.way, trials)
    each = way(here.trials, spec.at_once, features + trial)
    packed = None
    if isinstance(spec, TuningSpec) and count == 1:
        apart = known or (many and first is not None)
        packed = way(1, 1, here.seconds - (features if apart else 0.0))
        packed = _after(first.way, packed) if many and first is not None else packed
    chosen = packed if is_packed and packed is not None else once or each
    cost = cost_of(spec, price, chosen.machine_seconds, has_features_job, own, chosen.usd)
    proposed = None if first is None else _proposed(first, features, cloud.instance_type, machines)
    return CloudForecast(cost, once, each, packed, is_packed, here.trials, first, proposed)


def _after(first: Way, then: Way) -> Way:
    """Return one way after another."""
    usd = None if first.usd is None or then.usd is None else first.usd + then.usd
    return Way(first.seconds + then.seconds, first.machine_seconds + then.machine_seconds, usd)


def _proposed(
    asked: Machines, features: float, usual: str, machines: Callable[[int, str], Machines]
) -> Machines | None:
    """Return the machines that compute the features sooner for about the same money; None where these do."""
    if features < 2 * LEAST_FEATURES_S:
        return None

    def most(kind: str) -> Machines:
        return machines(worthwhile_machines(features * _relative_speed(usual, kind)), kind)

    kinds = [asked.instance_type]
    if all(map(_processors, (usual, asked.instance_type))):  # how a GPU compares with processors is not known
        kinds.append(GOOD_FOR_FEATURES)
    offers = [most(kind) for kind in dict.fromkeys(kinds)]
    priced = [offer for offer in offers if offer.way.usd is not None]
    best = min(priced or offers[:1], key=lambda offer: (offer.way.usd or 0.0, offer.way.seconds))
    return best if best.way.seconds < 0.75 * asked.way.seconds and best.count > 1 else None


def worthwhile_machines(seconds: float) -> int:
    """Return how many machines are proposed for features that one of them computes in so many seconds."""
    return max(1, min(MOST_MACHINES, int(seconds // LEAST_FEATURES_S)))


def _relative_speed(usual: str, other: str) -> float:
    """Return how much longer `other` takes than the usual type, by their processors; 1 where they are not known."""
    counts = _processors(usual), _processors(other)
    return counts[0] / counts[1] if counts[0] and counts[1] else 1.0


def _processors(instance_type: str) -> int:
    """Return how many a general or computing type without a GPU has, as its size says; 0 for any other."""
    found = _SIZE.fullmatch(instance_type)
    if found is None:
        return 0
    return 2 if found[1] else 4 * int(found[2] or 1)
