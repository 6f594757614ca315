"""Which models there are to predict with, and which one is the best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from core.engine import Engine
from core.errors import UserFacingError
from core.jobs.accuracy import Accuracy
from core.jobs.records import Job, TrainingJob, TuningJob
from core.jobs.specs import Objective
from core.jobs.status import JobStatus
from core.translation import tr

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest

_COMMON = (Objective("Average loss"), Objective("valid:accuracy", True))
"""What searches are compared by that were judged by different metrics."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A finished training job whose model can be loaded.

    `title` is what the user calls it. `tuning_job` is set for a trial; `best` marks the best trial of its tuning
    job. `objective_metric` names what `objective` is, where that is known.
    """

    job: str
    title: str
    created: float
    tuning_job: str | None = None
    best: bool = False
    objective: float | None = None
    objective_metric: str = ""
    backbone: str = ""
    dataset_version: str = ""
    accuracy: Accuracy | None = None


def available_models(engine: Engine, limit: int = 200, folder: str | None = None) -> list[ModelChoice]:
    """Return the models that can be loaded, newest job first; a tuning job gives its best trial, then its others.

    With a `folder`, only those that learned from it.
    """
    return list(islice(_choices(engine, folder), limit))


def best_model(engine: Engine, dataset: Manifest | None = None) -> ModelChoice | None:
    """Return the best trial of the latest tuning job that has one, else the latest training job with a model.

    With a `dataset` it is the best of all tuning jobs on it (this version, else another of the same folder), else of
    all its training jobs, by the metric that the latest was judged by, or by one that all of them have; where nothing
    was trained on it, the same as without.
    """
    jobs = engine.jobs()
    if dataset is not None:
        same = [job for job in jobs if job.dataset_version == dataset.version]
        found = _best_of(engine, same) or _latest(engine, [job for job in jobs if _is_of(engine, job, dataset)])
        if found is not None:
            return found
    return _latest(engine, jobs)


def dataset_of(engine: Engine, job: str) -> str:
    """Return the folder that a job learned from; "" where that is not known."""
    try:
        return engine.spec(job).training.dataset_path
    except UserFacingError:
        return ""


def _is_of(engine: Engine, job: Job, dataset: Manifest) -> bool:
    return dataset_of(engine, job.name) == str(dataset.root)


def _latest(engine: Engine, jobs: Sequence[Job]) -> ModelChoice | None:
    tuned = next(_tuned(engine, jobs), None)
    if tuned is not None:
        return _trial_choice(*tuned)
    single = (job for job in jobs if isinstance(job, TrainingJob) and has_model(job))
    return next(map(_single_choice, single), None)


def _best_of(engine: Engine, jobs: Sequence[Job]) -> ModelChoice | None:
    """Return the best of all tuning jobs, else of all training jobs, as far as one metric says which is better."""
    tuned = list(_tuned(engine, jobs))
    if not tuned:
        return _best_single(engine, jobs)
    latest = Objective(tuned[0][0].objective_metric, tuned[0][0].maximize)
    ways = (latest, *_COMMON)
    way = next((way for way in ways if all(_value(*found, way) is not None for found in tuned)), latest)
    valued = [(value, *found) for found in tuned if (value := _value(*found, way)) is not None]
    sign = -1 if way.maximize else 1
    _, job, trial = min(valued, key=lambda found: sign * found[0], default=(0.0, *tuned[0]))
    return _trial_choice(job, trial)


def _value(job: TuningJob, trial: TrainingJob, way: Objective) -> float | None:
    """Return how good a search's best trial is by a metric; None where it has none of that name."""
    return job.best_objective if job.objective_metric == way.metric else trial.metrics.get(way.metric)


def _best_single(engine: Engine, jobs: Sequence[Job]) -> ModelChoice | None:
    """Return the best of all training jobs that are judged as the latest is."""
    single = [job for job in jobs if isinstance(job, TrainingJob) and has_model(job)]
    if not single:
        return None
    way = engine.spec(single[0].name).training.objective
    alike = [job for job in single if job.objective is not None and engine.spec(job.name).training.objective == way]
    sign = -1 if way.maximize else 1
    return _single_choice(min(alike, key=lambda job: sign * (job.objective or 0.0), default=single[0]))


def _tuned(engine: Engine, jobs: Sequence[Job]) -> Iterator[tuple[TuningJob, TrainingJob]]:
    """Yield the tuning jobs whose best trial has a model, with that trial."""
    for job in jobs:
        if isinstance(job, TuningJob) and job.best_trial:
            best = engine.job(job.best_trial)
            if isinstance(best, TrainingJob) and has_model(best):
                yield job, best


def has_model(job: TrainingJob) -> bool:
    """Whether a training job left a model: finished, or stopped after it had saved one."""
    return job.artifact is not None and job.status in (JobStatus.COMPLETED, JobStatus.STOPPED)


def _choices(engine: Engine, folder: str | None) -> Iterator[ModelChoice]:
    for job in engine.jobs():
        if folder is not None and dataset_of(engine, job.name) != folder:
            continue
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
        _title(job, trial),
        trial.created,
        job.name,
        best,
        trial.objective,
        job.objective_metric,
        trial.hyperparameters.get("backbone", ""),
        job.dataset_version,
        trial.accuracy,
    )


def _title(job: TuningJob, trial: TrainingJob) -> str:
    """Return what the user calls a trial: by the name of its search, and its number there."""
    number = trial.name.removeprefix(f"{job.name}-").partition("-")[0]
    if trial.title or not number.isdigit():
        return trial.shown_name
    return tr("{search}, trial {number}").format(search=job.shown_name, number=int(number))


def _single_choice(job: TrainingJob) -> ModelChoice:
    return ModelChoice(
        job.name,
        job.shown_name,
        job.created,
        objective=job.objective,
        backbone=job.hyperparameters.get("backbone", ""),
        dataset_version=job.dataset_version,
        accuracy=job.accuracy,
    )
