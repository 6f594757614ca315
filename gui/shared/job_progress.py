"""How far a job is, as one bar and in words: the same in the list, the header and the status bar."""

from __future__ import annotations

from core.jobs.records import Job, TuningJob, before_training
from core.jobs.status import JobStatus
from core.translation import plural, tr
from gui.shared import formatting

PREPARING = 0.1
"""The part of the bar that stands for what comes before the training, of every job: so it never begins again."""


def trials_done(job: TuningJob) -> int:
    """Return how many trials have ended."""
    return sum(count for status, count in job.counts.items() if status.is_final)


def progress_of(job: Job) -> float | None:
    """Return how far the training is, 0…1; None while that is not known.

    One that failed or was stopped is as far as it came. What comes before the training is not a part of it.
    """
    if job.status is JobStatus.COMPLETED:
        return 1.0
    if before_training(job):
        return None
    if job.progress is not None:
        return min(1.0, max(0.0, job.progress)) or None
    if isinstance(job, TuningJob) and job.max_jobs:
        return min(1.0, trials_done(job) / job.max_jobs) or None
    return None


def bar_of(job: Job) -> float | None:
    """Return how far the bar of a whole job is, 0…1; None while nothing is known to be done."""
    if job.status is JobStatus.COMPLETED:
        return 1.0
    if before_training(job):
        return PREPARING * min(1.0, job.progress) if job.progress else None
    done = progress_of(job)
    if done is None and job.progress is None and not (isinstance(job, TuningJob) and job.counts):
        return None
    return PREPARING + (1 - PREPARING) * (done or 0.0)


def progress_text(job: Job, *, with_best: bool = True) -> str:
    """Return what a running job is doing: "Features 53 %", "3 of 20 trials, best 0.21", "Training 40 %"."""
    if what := before_training(job):
        return f"{what} {100 * job.progress:.0f} %" if job.progress else what
    if isinstance(job, TuningJob):
        parts = [
            plural("{done:,} of {count:,} trial", "{done:,} of {count:,} trials", job.max_jobs, done=trials_done(job))
        ]
        if with_best and job.accuracy is not None:
            parts.append(
                tr("best {share} right on {split}").format(share=job.accuracy.figures, split=job.accuracy.split)
            )
        elif with_best and job.best_objective is not None:
            parts.append(tr("best {value}").format(value=formatting.number(job.best_objective)))
        return ", ".join(parts)
    done = progress_of(job)
    if job.status.is_final:  # one that failed or was stopped came only so far
        return f"{100 * (done or 0.0):.0f} %"
    return tr("Starting") if done is None else tr("Training {percent} %").format(percent=f"{100 * done:.0f}")
