"""Jobs and metrics as tests of the store make them."""

from __future__ import annotations

from core.jobs.records import MetricEvent, TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.store import Store
from core.store.rows import new_record

LOSS = MetricDefinition("Average loss", "Average loss: ([0-9.]+)")


def training(name: str, **changes) -> TrainingSpec:
    return TrainingSpec(name, {"train": "/data/train"}, {"seed": "0"}, (LOSS,), dataset_version="v1", **changes)


def add(store: Store, spec, tuning_job: str | None = None) -> None:
    record = new_record(spec)
    if tuning_job is not None:
        record = TrainingJob(record.name, record.status, record.created, "Starting", tuning_job=tuning_job)
    store.add_job(record, spec)


def metric(job: str, value: float, epoch: int | None = None) -> MetricEvent:
    return MetricEvent(job, "Average loss", value, 12.5, epoch)
