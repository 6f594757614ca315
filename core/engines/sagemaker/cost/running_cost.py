"""What a job has cost so far, while it runs; the job that computes its frozen features is part of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.cloud.money import Bill
from core.engines.sagemaker.cost.pricing import PriceList, bill_of
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.validation import cloud_of
from core.jobs.records import Job, TrainingJob
from core.jobs.specs import CloudResources, TuningSpec
from core.paths import AppPaths
from core.store import Store


def spent(store: Store, paths: AppPaths, prices: PriceList, name: str) -> float | None:
    """Return dollars by the running time of a job's training jobs, on demand; those that ended by what AWS billed.

    None where the price is not known.
    """
    spec = store.spec(name)
    cloud = spec.training.cloud or CloudResources()
    price = prices.price(cloud.instance_type).usd_per_hour
    if price is None:
        return None
    many = isinstance(spec, TuningSpec) and not spec.packed
    jobs: Sequence[Job] = store.trials(name) if many else [store.job(name)]
    seconds = sum(_seconds(job, paths) for job in jobs)
    notes = CloudJobState.load(paths.jobs / name)
    own = prices.price(notes.features_type or cloud.instance_type).usd_per_hour
    if own is None:
        return None
    return (seconds * cloud.instance_count * price + features_seconds(notes) * own) / 3600


def bill(store: Store, paths: AppPaths, prices: PriceList, name: str) -> Bill:
    """Return what AWS has billed of a job, its trials and the job that computed its features."""
    state = CloudJobState.load(paths.jobs / name)
    trials = [] if state.packed else [trial.name for trial in store.trials(name)]
    kind, before = state.features_type or cloud_of(store.spec(name)).instance_type, state.features_before_seconds
    features = CloudJobState(
        instance_type=kind,
        instance_count=state.features_machines,
        training_seconds=state.features_training_seconds,
        billable_seconds=state.features_billable_seconds,
    )
    ran = max(before, state.features_before_training_seconds)  # earlier versions did not note it
    earlier = CloudJobState(instance_type=kind, training_seconds=ran, billable_seconds=before)
    jobs = [CloudJobState.load(paths.jobs / trial) for trial in trials or [name]]
    return bill_of([*jobs, earlier, features], prices)


def note_features(folder: Path, notes: CloudJobState, description: Mapping[str, Any]) -> CloudJobState:
    """Note the times of the job that computes frozen features, as AWS describes it, where they are new."""
    started = description.get("TrainingStartTime")
    found = {
        "features_started": notes.features_started if started is None else started.timestamp(),
        "features_training_seconds": int(description.get("TrainingTimeInSeconds", 0)),
        "features_billable_seconds": int(description.get("BillableTimeInSeconds", 0)),
    }
    if all(getattr(notes, key) == value for key, value in found.items()):
        return notes
    return CloudJobState.change(folder, **found)


def features_seconds(notes: CloudJobState) -> float:
    """Return the machine time of the jobs that compute frozen features, so far."""
    seconds = float(notes.features_billable_seconds)
    if not seconds and notes.features_started:
        seconds = max(0.0, time.time() - notes.features_started)
    return seconds * notes.features_machines + notes.features_before_seconds


def billed(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the notes of a training job keep of its end: what it ran on, and what of it was billed."""
    instance = description.get("ResourceConfig", {})
    return {
        "training_seconds": int(description.get("TrainingTimeInSeconds", 0)),
        "billable_seconds": int(description.get("BillableTimeInSeconds", 0)),
        "instance_type": str(instance.get("InstanceType", "")),
        "instance_count": int(instance.get("InstanceCount", 1)),
        "spot": bool(description.get("EnableManagedSpotTraining")),
    }


def _seconds(job: Job, paths: AppPaths) -> float:
    if job.status.is_final:
        return float(CloudJobState.load(paths.jobs / job.name).billable_seconds)
    waits = isinstance(job, TrainingJob) and job.secondary_status == "PreparingFeatures"  # for another job
    return 0.0 if job.started is None or waits else max(0.0, time.time() - job.started)
