"""What things cost: AWS's Price List API where it may be asked, else a dated snapshot, which is said.

Spot prices are in neither: what spot saved is known after the job, from its billable seconds.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence

from core.cloud.money import Bill, Cost, Price, Use, snapshot
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.errors import UserFacingError
from core.jobs.ranges import combinations
from core.jobs.specs import CloudResources, Spec, TuningSpec
from core.translation import tr

PRICING_REGION = "us-east-1"
_USAGE: Mapping[Use, str] = {"Training": "Train", "Hosting": "Host"}


class PriceList:
    """Prices of one region, asked once each. Thread-safe."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._known: dict[tuple[str, str], Price] = {}
        self._lock = threading.Lock()

    def price(self, instance_type: str, use: Use = "Training") -> Price:
        """Return what an instance costs; never raises."""
        with self._lock:
            key = (instance_type, use)
            if key not in self._known:
                self._known[key] = self._asked(instance_type, use) or snapshot_price(
                    instance_type, use, self._aws.region
                )
            return self._known[key]

    def _asked(self, instance_type: str, use: Use) -> Price | None:
        wanted = {"productFamily": "ML Instance", "regionCode": self._aws.region, "instanceName": instance_type}
        try:
            items = self._products({**wanted, "component": use})
            if not items:  # not all products say their component; their usage types do
                items = [item for item in self._products(wanted) if _used_for(item) == _USAGE[use]]
        except UserFacingError:
            return None
        except Exception as error:
            if not hasattr(error, "response") and not type(error).__module__.startswith("botocore"):
                raise
            return None  # not allowed, or not reachable: the snapshot serves
        found = [usd for item in items if (usd := _per_hour(item)) is not None]
        return Price(min(found), tr("AWS's price list"), exact=True) if found else None

    def _products(self, wanted: Mapping[str, str]) -> list[str]:
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        client = self._aws.client("pricing", PRICING_REGION)
        pages = client.get_paginator("get_products").paginate(ServiceCode="AmazonSageMaker", Filters=filters)
        return [item for page in pages for item in page.get("PriceList", ())]


def snapshot_price(instance_type: str, use: Use, region: str) -> Price:
    """Return what the dated snapshot says; it knows one region, and which of its figures are estimates, and says so."""
    data = snapshot()
    table = data["training_usd_per_hour" if use == "Training" else "hosting_usd_per_hour"]
    if instance_type not in table:
        return Price(
            None,
            tr("{instance_type} is not in the snapshot and AWS's price list could not be asked").format(
                instance_type=instance_type
            ),
        )
    found = table[instance_type]
    kind = tr("an estimate") if found["source"] is None else tr("not AWS's own figure")
    return Price(
        float(found["usd"]),
        (
            tr("dated snapshot of {dated}, {kind}")
            if region == data["region"]
            else tr("dated snapshot of {dated}, {kind} for {known}, {region} may differ")
        ).format(dated=data["dated"], kind=kind, known=data["region"], region=region),
    )


def cost_of(
    spec: Spec,
    price: Price,
    likely_seconds: float | None = None,
    features: bool = False,
    features_price: Price | None = None,
    likely_usd: float | None = None,
) -> Cost:
    """Return what a job may cost; `likely_seconds` is the forecast of the machine time of all its training jobs.

    `features`: a job that computes frozen features is among them, at `features_price` for each of its machines; where
    it has several, one more may compute what they leave.
    `likely_usd` is the forecast where machines of several prices are among them.
    """
    cloud = spec.training.cloud or CloudResources()
    jobs = spec.trials
    if isinstance(spec, TuningSpec) and spec.strategy.tries_all:
        jobs = combinations(spec.ranges) or jobs  # AWS tries a grid whole
    if isinstance(spec, TuningSpec) and spec.packed:
        jobs = 1
    own = (features_price or price).usd_per_hour if features else 0.0
    before = (1 if cloud.feature_machines == 1 else 2) if features else 0
    if price.usd_per_hour is None or own is None:
        return Cost(price, None, None, jobs, cloud.spot, before)
    per_second = price.usd_per_hour * cloud.instance_count / 3600
    most = spec.training.max_runtime_s
    worst = most * (per_second * jobs + before * own * cloud.feature_machines / 3600)
    likely = None if likely_seconds is None else min(worst, per_second * likely_seconds)
    if likely is not None and likely_usd is not None:
        likely = min(worst, likely_usd)
    return Cost(price, likely, worst, jobs, cloud.spot, before)


def bill_of(jobs: Sequence[CloudJobState], prices: PriceList) -> Bill:
    """Return the bill of training jobs that have ended."""
    billable = sum(notes.billable_seconds * notes.instance_count for notes in jobs)
    ran = sum(notes.training_seconds * notes.instance_count for notes in jobs)
    usd: float | None = 0.0
    for notes in jobs:
        if not notes.billable_seconds:
            continue
        price = prices.price(notes.instance_type).usd_per_hour
        seconds = notes.billable_seconds * notes.instance_count
        usd = None if usd is None or price is None else usd + price * seconds / 3600
    return Bill(billable, usd, max(0.0, 1 - billable / ran) if ran else 0.0)


def _used_for(item: str) -> str:
    """Return what a product is used for, from a usage type such as EUW1-Train:ml.g5.xlarge."""
    try:
        usage = json.loads(item)["product"]["attributes"]["usagetype"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(usage).partition(":")[0].rpartition("-")[2]


def _per_hour(item: str) -> float | None:
    """Return the dollars per hour in one product of the price list."""
    try:
        terms = json.loads(item)["terms"]["OnDemand"]
        units = [unit for term in terms.values() for unit in term["priceDimensions"].values()]
        found = [float(unit["pricePerUnit"]["USD"]) for unit in units if "Hr" in unit.get("unit", "Hrs")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return max(found, default=None)
