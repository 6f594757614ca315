"""Which models there are to predict with, and which one is the best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.engine import Engine
from core.jobs.records import TrainingJob, TuningJob
from core.jobs.status import JobStatus


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A finished training job whose model can be loaded.

    `tuning_job` is set for a trial; `best` marks the best trial of its tuning job. `objective_metric` names what
    `objective` is, where that is known.
    """

    job: str
    title: str
    created: float
    tuning_job: str | None = None
    best: bool = False
    objective: float | None = None
    objective_metric: str = ""
    backbone: str = ""


def available_models(engine: Engine, limit: int = 200) -> list[ModelChoice]:
    """The models that can be loaded, newest job first; a tuning job gives its best trial, then its others."""
    choices: list[ModelChoice] = []
    for choice in _choices(engine):
        choices.append(choice)
        if len(choices) >= limit:
            break
    return choices


def best_model(engine: Engine) -> ModelChoice | None:
    """The best trial of the latest tuning job that has one, else the latest training job with a model."""
    jobs = engine.jobs()
    for job in jobs:
        if isinstance(job, TuningJob) and job.best_trial:
            best = engine.job(job.best_trial)
            if isinstance(best, TrainingJob) and has_model(best):
                return _trial_choice(job, best)
    for job in jobs:
        if isinstance(job, TrainingJob) and has_model(job):
            return _single_choice(job)
    return None


def has_model(job: TrainingJob) -> bool:
    """Whether a training job left a model: finished, or stopped after it had saved one."""
    return job.artifact is not None and job.status in (JobStatus.COMPLETED, JobStatus.STOPPED)


def _choices(engine: Engine) -> Iterator[ModelChoice]:
    for job in engine.jobs():
        if isinstance(job, TrainingJob):
            if has_model(job):
                yield _single_choice(job)
            continue
        trials = [_trial_choice(job, trial) for trial in engine.trials(job.name) if has_model(trial)]
        yield from sorted(trials, key=lambda choice: not choice.best)


def _trial_choice(job: TuningJob, trial: TrainingJob) -> ModelChoice:
    best = trial.name == job.best_trial
    return ModelChoice(
        trial.name,
        f"Best trial of {job.name}" if best else trial.name,
        trial.created,
        job.name,
        best,
        trial.objective,
        job.objective_metric,
        trial.hyperparameters.get("backbone", ""),
    )


def _single_choice(job: TrainingJob) -> ModelChoice:
    return ModelChoice(
        job.name, job.name, job.created, objective=job.objective, backbone=job.hyperparameters.get("backbone", "")
    )
