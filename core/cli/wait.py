"""Watch a job to its end on the terminal."""

from __future__ import annotations

import dataclasses
import time

from core.cli.console import Console
from core.cli.describe import job_json, job_text
from core.engine_names import LOCAL
from core.jobs.records import Job, TrainingJob, TuningJob, before_training
from core.jobs.status import JobStatus
from core.progress import Progress
from core.translation import tr
from core.workbench import Workbench

_POLL_SECONDS = 0.3
_METER_SECONDS = 5.0
_STOP_TIMEOUT = 180.0


def wait_for(workbench: Workbench, name: str, console: Console) -> int:
    """Watch a job to its end and print it; Ctrl-C stops the job, a second one leaves it stopping."""
    job = watch_to_end(workbench, name, console)
    trials = list(workbench.engine.trials(name)) if isinstance(job, TuningJob) else []
    url, result = workbench.engine.log_url, workbench.jobs.result(job)
    console.result(job_json(job, trials, url), lambda: job_text(job, trials, url, result))
    if job.status is JobStatus.COMPLETED:
        return 0
    reason = job.failure_reason or (
        tr("Continue it with: sagehound resume {name}").format(name=name) if isinstance(job, TuningJob) else ""
    )
    log = tr("Its log: {url}").format(url=url(name)) if job.status is JobStatus.FAILED and url(name) else ""
    console.note(" ".join(filter(None, (f"sagehound: {name}: {job.status}.", reason, log))))
    return 1


def watch_to_end(workbench: Workbench, name: str, console: Console) -> Job:
    """Watch a job to its end; Ctrl-C stops the job, a second one leaves it stopping."""
    try:
        return _watch(workbench, name, console, deadline=None)
    except KeyboardInterrupt:
        console.note(tr("Stopping {name}; what is finished is kept.").format(name=name))
        workbench.engine.stop(name)
        return _watch(workbench, name, console, deadline=time.monotonic() + _STOP_TIMEOUT)


def _watch(workbench: Workbench, name: str, console: Console, deadline: float | None) -> Job:
    engine = workbench.engine
    reported: set[str] = set()
    notice = meter = ""
    look = 0.0
    while True:
        job = engine.job(name)
        if engine.notice != notice:
            notice = engine.notice
            console.note(notice or tr("AWS answers again."))
        if isinstance(job, TuningJob):
            for trial in engine.trials(name):
                if trial.status.is_final and trial.name not in reported:
                    reported.add(trial.name)
                    console.note(_trial_line(job, trial))
        if job.status.is_final or (deadline is not None and time.monotonic() > deadline):
            return job
        if job.engine != LOCAL and time.monotonic() >= look:
            look, usd = time.monotonic() + _METER_SECONDS, workbench.cloud.spent(name) if workbench.cloud else None
            meter = "" if usd is None else tr("about ${usd:.2f} so far").format(usd=usd)
        progress = _progress(job)
        console.progress(dataclasses.replace(progress, message=", ".join(filter(None, (progress.message, meter)))))
        time.sleep(_POLL_SECONDS)


def _trial_line(job: TuningJob, trial: TrainingJob) -> str:
    value = "-" if trial.objective is None else f"{trial.objective:.6f}"
    facts = [f"{job.objective_metric} {value}"]
    if (found := trial.accuracy) is not None:
        facts.insert(0, found.sentence)
    return "  ".join(filter(None, (trial.name, str(trial.status), "; ".join(facts), trial.failure_reason)))


def _progress(job: Job) -> Progress:
    if what := before_training(job):
        return Progress(round((job.progress or 0) * 100), 100, what, "%")
    if isinstance(job, TuningJob):
        done = sum(count for status, count in job.counts.items() if status.is_final)
        message = job.secondary_status or str(job.status)
        if job.best_objective is not None:
            said = tr("{status}, best {metric} {value:.4f}")
            message = said.format(status=message, metric=job.objective_metric, value=job.best_objective)
        return Progress(done, job.max_jobs or None, message, "trials")
    return Progress(round((job.progress or 0) * 100), 100, job.secondary_status or str(job.status), "%")
