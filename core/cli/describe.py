"""A job in words and as JSON."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from core.cli.console import table
from core.durations import duration
from core.jobs.head_models import on_disk
from core.jobs.records import Job, TrainingJob, elapsed
from core.jobs.status import JobStatus
from core.translation import tr
from core.tuning.certainty import certainty
from training_scripts.metrics import COUNT_METRICS


def _no_url(_job: str) -> str:
    return ""


def job_json(
    job: Job, trials: list[TrainingJob] | None = None, log_url: Callable[[str], str] = _no_url
) -> dict[str, Any]:
    """Return a job as plain JSON: `name`, `status`, `metrics` and what else is known; `log_url` finds a log's page."""
    data: dict[str, Any] = {
        "name": job.name,
        "kind": job.kind,
        "status": str(job.status),
        "secondary_status": job.secondary_status,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "failure_reason": job.failure_reason,
        "notices": list(job.notices),
        "log_url": log_url(job.name),
        "dataset_version": job.dataset_version,
        "code_version": job.code_version,
        "engine": job.engine,
        "note": job.note,
        "title": job.title,
        "pinned": job.pinned,
        "accuracy": None
        if (found := job.accuracy) is None
        else dataclasses.asdict(found) | {"interval": found.interval},
    }
    if isinstance(job, TrainingJob):
        return data | {
            "metrics": finite(job.metrics),
            "objective": finite_or_none(job.objective),
            "hyperparameters": dict(job.hyperparameters),
            "tuning_job": job.tuning_job,
            "artifact": job.artifact and on_disk(job.artifact),
        }
    data |= {
        "strategy": job.strategy,
        "objective_metric": job.objective_metric,
        "goal": "maximize" if job.maximize else "minimize",
        "max_jobs": job.max_jobs,
        "counts": {str(status): count for status, count in job.counts.items()},
        "best_trial": job.best_trial,
        "best_objective": finite_or_none(job.best_objective),
        "metrics": finite(job.best_metrics),
    }
    sure = certainty(job, trials or ())
    data["certainty"] = None if sure is None else dataclasses.asdict(sure)
    if trials is not None:
        data["trials"] = [job_json(trial, None, log_url) for trial in trials]
    return data


def job_text(job: Job, trials: list[TrainingJob], log_url: Callable[[str], str] = _no_url, result: str = "") -> str:
    """Return a job for people; `result` is what its model gets right."""
    lines = [
        f"{job.name}  {job.status}"
        + (f" ({job.secondary_status})" if job.secondary_status not in ("", str(job.status)) else "")
    ]
    if job.failure_reason:
        lines.append(job.failure_reason)
    lines += [tr("Note well: {notice}").format(notice=notice) for notice in job.notices]
    if job.status is JobStatus.FAILED and (url := log_url(job.name)):
        lines.append(tr("Its log: {url}").format(url=url))
    lines.append(f"created {created_at(job)}, took {duration(elapsed(job))}, dataset {job.dataset_version or '-'}")
    if job.code_version:
        lines.append(f"code {job.code_version}")
    if job.note:
        lines.append(f"note: {job.note}")
    if result:
        lines.append(result)
    if isinstance(job, TrainingJob):
        lines += [
            "",
            table(("metric", "value"), sorted(item for item in job.metrics.items() if item[0] not in COUNT_METRICS)),
        ]
        lines += ["", table(("hyperparameter", "value"), sorted(job.hyperparameters.items()))]
        return "\n".join(lines)
    if job.best_trial:
        lines.append(
            tr("best trial {best_trial}: {objective_metric} {best_objective:.6f}").format(
                best_trial=job.best_trial, objective_metric=job.objective_metric, best_objective=job.best_objective
            )
        )
    if (sure := certainty(job, trials)) is not None:
        lines.append(sure.text)
    searched = sorted({key for trial in trials for key in trial.hyperparameters if _varies(key, trials)})
    rows = [
        (
            trial.name,
            str(trial.status),
            trial.objective,
            duration(elapsed(trial)),
            *(trial.hyperparameters.get(key, "-") for key in searched),
        )
        for trial in trials
    ]
    lines += ["", table(("trial", "status", job.objective_metric, "took", *searched), rows)]
    return "\n".join(lines)


def finite(metrics: Any) -> dict[str, float | None]:
    """Return metrics for JSON, which has no NaN: null instead."""
    return {name: finite_or_none(value) for name, value in metrics.items()}


def finite_or_none(value: float | None) -> float | None:
    """Return `value`, or None where it is NaN or infinite."""
    return value if value is not None and abs(value) < float("inf") else None


def _varies(key: str, trials: list[TrainingJob]) -> bool:
    return len(trials) < 2 or len({trial.hyperparameters.get(key) for trial in trials}) > 1


def created_at(job: Job) -> str:
    """Return when a job was created, in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.created))
