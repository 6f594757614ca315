"""`sagehound jobs`, `show`, `logs`, `note`, `stop`, `resume`, `delete`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from core.cli.cloud_facts import cloud_facts, cloud_lines
from core.cli.console import Console, duration, table
from core.errors import EngineError, UsageError
from core.jobs.records import Job, TrainingJob, TuningJob
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.workbench import Workbench

_POLL_SECONDS = 0.5
_STOP_TIMEOUT = 180.0


def jobs(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """List jobs, newest first."""
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        found = workbench.engine.jobs()
    finally:
        workbench.close()
    rows = [(job.name, job.kind, str(job.status), objective_of(job), _started(job)) for job in found]
    text = table(("name", "kind", "status", "objective", "created"), rows) if rows else "There is no job yet."
    console.result([job_json(job) for job in found], text)
    return 0


def show(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Describe one job, with its trials."""
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        job = workbench.find_job(options.job)
        trials = list(workbench.engine.trials(job.name)) if isinstance(job, TuningJob) else []
        url = workbench.engine.log_url
        data = job_json(job, trials, url) | cloud_facts(workbench, job)
        more = cloud_lines(workbench, job)
        console.result(data, lambda: "\n".join([job_text(job, trials, url), *more]))
    finally:
        workbench.close()
    return 0


def logs(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print a training job's log."""
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        job = workbench.find_job(options.job)
        name = job.best_trial if isinstance(job, TuningJob) else job.name
        if name is None:
            raise EngineError(f"{job.name} has no best trial yet.", fix="Name one of its trials.")
        lines: list[str] = []
        offset = 0
        while True:
            final = workbench.engine.job(name).status.is_final
            chunk = workbench.engine.read_log(name, offset)
            offset = chunk.next_offset
            lines += chunk.lines
            if chunk.lines:
                if not console.as_json:
                    print("\n".join(chunk.lines), flush=True)
                continue
            if final or not options.follow:
                break
            time.sleep(_POLL_SECONDS)
    finally:
        workbench.close()
    if console.as_json:
        console.result({"name": name, "lines": lines}, "")
    return 0


def stop(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Stop a job and wait until it has stopped."""
    workbench = Workbench(paths)
    try:
        job = workbench.find_job(options.job)
        workbench.engine.stop(job.name)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while not (job := workbench.engine.job(job.name)).status.is_final and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    finally:
        workbench.close()
    console.result(job_json(job), f"{job.name}: {job.status}")
    return 0


def resume(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Let an interrupted or stopped tuning job go on, and wait for its end."""
    from core.cli.launch import wait_for

    workbench = Workbench(paths)
    try:
        job = workbench.find_job(options.job)
        workbench.engine.resume(job.name)
        return wait_for(workbench, job.name, console)
    finally:
        workbench.close()


def delete(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Forget a finished job and remove its files, after a question on the terminal or with --yes."""
    workbench = Workbench(paths)
    try:
        job = workbench.find_job(options.job)
        size = workbench.footprint(job.name)
        asks = job.status.is_final and not options.yes  # of a running job the engine says what is wrong
        if asks and not _agreed(f"Delete {job.name} ({size})? Its files cannot be brought back.", console):
            console.note("Nothing was deleted.")
            return 1
        workbench.engine.delete(job.name)
    finally:
        workbench.close()
    data = {"name": job.name, "deleted": True, "trials": size.trials, "bytes": size.bytes}
    console.result(data, f"{job.name} is deleted ({size}).")
    return 0


def _agreed(question: str, console: Console) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("Deleting asks first, and there is no terminal to ask on.", fix="Add --yes.")
    print(f"{question} [y/N] ", end="", file=console.side, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def note(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Put a note on a job or trial; an empty one takes it away."""
    workbench = Workbench(paths)
    try:
        job = workbench.find_job(options.job)
        text = options.text.strip()
        workbench.engine.set_note(job.name, text)
    finally:
        workbench.close()
    said = f"The note on {job.name} is kept." if text else f"{job.name} has no note any more."
    console.result({"name": job.name, "note": text}, said)
    return 0


def _no_url(_job: str) -> str:
    return ""


def job_json(
    job: Job, trials: list[TrainingJob] | None = None, log_url: Callable[[str], str] = _no_url
) -> dict[str, Any]:
    """A job as plain JSON: `name`, `status`, `metrics` and what else is known; `log_url` finds the page of a log."""
    data: dict[str, Any] = {
        "name": job.name,
        "kind": job.kind,
        "status": str(job.status),
        "secondary_status": job.secondary_status,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "failure_reason": job.failure_reason,
        "log_url": log_url(job.name),
        "dataset_version": job.dataset_version,
        "code_version": job.code_version,
        "engine": job.engine,
        "note": job.note,
    }
    if isinstance(job, TrainingJob):
        return data | {
            "metrics": finite(job.metrics),
            "objective": finite_or_none(job.objective),
            "hyperparameters": dict(job.hyperparameters),
            "tuning_job": job.tuning_job,
            "artifact": job.artifact,
        }
    best = next((trial for trial in trials or () if trial.name == job.best_trial), None)
    data |= {
        "strategy": job.strategy,
        "objective_metric": job.objective_metric,
        "goal": "maximize" if job.maximize else "minimize",
        "max_jobs": job.max_jobs,
        "counts": {str(status): count for status, count in job.counts.items()},
        "best_trial": job.best_trial,
        "best_objective": finite_or_none(job.best_objective),
        "metrics": finite(best.metrics) if best else {},
    }
    if trials is not None:
        data["trials"] = [job_json(trial, None, log_url) for trial in trials]
    return data


def job_text(job: Job, trials: list[TrainingJob], log_url: Callable[[str], str] = _no_url) -> str:
    """A job for people."""
    lines = [
        f"{job.name}  {job.status}"
        + (f" ({job.secondary_status})" if job.secondary_status not in ("", str(job.status)) else "")
    ]
    if job.failure_reason:
        lines.append(job.failure_reason)
    if job.status is JobStatus.FAILED and (url := log_url(job.name)):
        lines.append(f"Its log: {url}")
    lines.append(f"created {_started(job)}, took {duration(_elapsed(job))}, dataset {job.dataset_version or '-'}")
    if job.code_version:
        lines.append(f"code {job.code_version}")
    if job.note:
        lines.append(f"note: {job.note}")
    if isinstance(job, TrainingJob):
        lines += ["", table(("metric", "value"), sorted(job.metrics.items()))]
        lines += ["", table(("hyperparameter", "value"), sorted(job.hyperparameters.items()))]
        return "\n".join(lines)
    if job.best_trial:
        lines.append(f"best trial {job.best_trial}: {job.objective_metric} {job.best_objective:.6f}")
    searched = sorted({key for trial in trials for key in trial.hyperparameters if _varies(key, trials)})
    rows = [
        (
            trial.name,
            str(trial.status),
            trial.objective,
            duration(_elapsed(trial)),
            *(trial.hyperparameters.get(key, "-") for key in searched),
        )
        for trial in trials
    ]
    lines += ["", table(("trial", "status", job.objective_metric, "took", *searched), rows)]
    return "\n".join(lines)


def finite(metrics: Any) -> dict[str, float | None]:
    """Metrics for JSON, which has no NaN: null instead."""
    return {name: finite_or_none(value) for name, value in metrics.items()}


def finite_or_none(value: float | None) -> float | None:
    """`value`, or None where it is NaN or infinite."""
    return value if value is not None and abs(value) < float("inf") else None


def objective_of(job: Job) -> float | None:
    """The value a job is judged by, so far."""
    return job.objective if isinstance(job, TrainingJob) else job.best_objective


def _varies(key: str, trials: list[TrainingJob]) -> bool:
    return len(trials) < 2 or len({trial.hyperparameters.get(key) for trial in trials}) > 1


def _elapsed(job: Job) -> float | None:
    if job.started is None:
        return None
    return (job.ended or time.time()) - job.started


def _started(job: Job) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.created))
