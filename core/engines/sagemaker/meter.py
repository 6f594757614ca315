"""What a job has cost so far, while it runs."""

from __future__ import annotations

import time

from core.engines.sagemaker.place import CloudNotes
from core.engines.sagemaker.pricing import PriceList
from core.jobs.records import TrainingJob
from core.jobs.specs import CloudResources, TuningSpec
from core.paths import AppPaths
from core.store import Store


def spent(store: Store, paths: AppPaths, prices: PriceList, name: str) -> float | None:
    """Dollars by the running time of a job's training jobs, on demand; those that ended by what AWS billed.

    None where the price is not known. A job that computes features beforehand is not in it.
    """
    spec = store.spec(name)
    cloud = (spec.training if isinstance(spec, TuningSpec) else spec).cloud or CloudResources()
    price = prices.price(cloud.instance_type).usd_per_hour
    if price is None:
        return None
    jobs = store.trials(name) if isinstance(spec, TuningSpec) else [store.job(name)]
    seconds = sum(_seconds(job, paths) for job in jobs if isinstance(job, TrainingJob))
    return seconds * cloud.instance_count * price / 3600


def _seconds(job: TrainingJob, paths: AppPaths) -> float:
    if job.status.is_final:
        return float(CloudNotes.load(paths.jobs / job.name).billable_seconds)
    return 0.0 if job.started is None else max(0.0, time.time() - job.started)
