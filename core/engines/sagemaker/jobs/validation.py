"""What is checked of a spec before it is sent, besides its own words, and the record it gets."""

from __future__ import annotations

import dataclasses

from core.engine_names import LOCAL
from core.engines.sagemaker.cost.pricing import PriceList
from core.errors import SpecError
from core.jobs.ranges import combinations
from core.jobs.records import Job, TrainingJob
from core.jobs.specs import CloudResources, Spec, TuningSpec
from core.store import Store
from core.store.rows import new_record
from core.translation import tr


def cloud_of(spec: Spec) -> CloudResources:
    """Return what a spec's training jobs run on."""
    return spec.training.cloud or CloudResources()


def check_parents(spec: TuningSpec, store: Store) -> None:
    """Raise `SpecError` where a search is to learn from one that AWS does not know."""
    for parent in {job.name for job in store.jobs(LOCAL)} & set(spec.warm_start):
        raise SpecError(
            tr("A search on SageMaker cannot learn from {parent}.").format(parent=parent),
            tr("That one ran on this computer, and AWS does not know it."),
            tr("Name a tuning job of SageMaker, or none."),
            field="warm_start",
        )


def check_cap(spec: Spec, prices: PriceList) -> None:
    """Raise `SpecError` where a limit of cost cannot be kept, since no one knows the price."""
    if cloud_of(spec).cap_usd is None:
        return
    cloud = cloud_of(spec)
    for price in (prices.price(kind) for kind in {cloud.instance_type, cloud.for_features.instance_type}):
        if price.usd_per_hour is not None:
            continue
        raise SpecError(
            tr("{name} cannot be stopped at a cost: what it costs is not known.").format(name=spec.name),
            f"{price.source}.",
            tr("Start it without a limit, choose another instance type, or allow pricing:GetProducts."),
            field="cap_usd",
        )


def record_of(spec: Spec) -> Job:
    """Return the record of a job on SageMaker. A grid is as long as it is; AWS takes no other number."""
    record = new_record(spec, "sagemaker")
    if isinstance(spec, TuningSpec) and not isinstance(record, TrainingJob):
        count = combinations(spec.ranges) if spec.strategy.tries_all else None
        longest = spec.trials if spec.packed else count or spec.max_jobs
        record = dataclasses.replace(record, max_jobs=longest)
    return record
