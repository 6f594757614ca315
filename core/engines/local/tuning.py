"""A tuning job: trials asked of the search, run side by side, their results reported to it.

Trials, losses and best are those of the seed, whatever the load and the number at once: see
training_scripts/strategies/search.py.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping

from core.engines.local.context import CannotGoOn, JobContext, Stopped
from core.engines.local.job_inputs import features_channel
from core.engines.local.pool import Pool
from core.engines.local.runs import RunOutcome
from core.jobs.contract import JobFolder
from core.jobs.records import TrainingJob
from core.jobs.specs import TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.store import INTERRUPTED
from core.store.rows import new_record
from core.translation import tr
from core.tuning.search_plan import search_plan
from core.tuning.warm_start import warm_start
from training_scripts.strategies.course import TIME_OVER, Course, TrialEnd
from training_scripts.strategies.search import Asked

Verdict = tuple[JobStatus, str, str]


def run_tuning(spec: TuningSpec, features: Mapping[str, str], pool: Pool, job: JobContext) -> Verdict:
    """Run the trials that are left; returns the tuning job's final status, secondary status and reason.

    Raises:
        Stopped: it was asked to; the trials that ran have ended.
        CannotGoOn: a trial could not, through no fault of its own.
    """
    return _Tuning(spec, features, pool, job).run()


class _Tuning:
    def __init__(self, spec: TuningSpec, features: Mapping[str, str], pool: Pool, job: JobContext) -> None:
        self._spec, self._features, self._pool = spec, features, pool
        self._store, self._folder = job.store, job.folder
        self._asked: dict[str, Asked] = {}
        self._course = Course(search_plan(spec), self._earlier_trials(), warm_start(spec, job.store))

    def run(self) -> Verdict:
        course = self._course
        while True:
            self._check_stop()
            while course.wants_more and self._pool.has_room and course.is_ready:
                self._start_next()
            if self._pool.is_idle:
                status, secondary, reason = course.verdict()
                return JobStatus(status), secondary, reason
            for ending in self._pool.wait():
                self._account(ending)
            if course.target_met:
                self._pool.stop_all()
            if course.time_is_over and not self._pool.is_idle:
                course.cut()
                self._pool.stop_all(TIME_OVER, tr("The longest time of its search was over."))

    def _check_stop(self) -> None:
        if not self._folder.stop_request.exists():
            return
        self._store.update_job(self._spec.name, status=JobStatus.STOPPING, secondary_status="Stopping")
        self._pool.stop_all()
        while not self._pool.is_idle:
            for ending in self._pool.wait():
                self._account(ending)
        raise Stopped(self._folder.stop_request.read_text(encoding="utf-8").strip())

    def _start_next(self) -> None:
        asked = self._course.ask()
        if asked is None:
            return
        spec = self._trial_spec(asked)
        record = new_record(spec)
        assert isinstance(record, TrainingJob)
        JobFolder(self._folder.root.parent / spec.name).create()
        self._store.add_job(dataclasses.replace(record, tuning_job=self._spec.name), spec)
        self._asked[spec.name] = asked
        self._pool.start(spec, self._features_for(spec), is_trial=True, limits=asked.limits)

    def _trial_spec(self, asked: Asked) -> TrainingSpec:
        name = f"{self._spec.name}-{asked.number + 1:03d}-{secrets.token_hex(4)}"
        training = self._spec.training
        hyperparameters = {**training.hyperparameters, **asked.hyperparameters}
        return dataclasses.replace(training, name=name, hyperparameters=hyperparameters)

    def _features_for(self, spec: TrainingSpec) -> dict[str, str]:
        """Return the channel of frozen features that this trial's backbone needs."""
        return features_channel(self._features, spec.hyperparameters)

    def _account(self, ending: RunOutcome) -> None:
        if ending.outside:
            raise CannotGoOn(ending.outside)
        asked = self._asked[ending.name]
        objective, curve = ending.objective, ending.curve
        self._course.tell(TrialEnd(asked.number, asked.hyperparameters, ending.status, objective, ending.reason, curve))

    def _earlier_trials(self) -> list[TrialEnd]:
        """Return the trials of this job that an earlier supervisor finished; interrupted ones are run again."""
        return [
            self._end_of(trial, number_of(trial.name))
            for trial in self._store.trials(self._spec.name)
            if trial.secondary_status != INTERRUPTED and trial.status.is_final
        ]

    def _end_of(self, trial: TrainingJob, number: int) -> TrialEnd:
        metric = self._spec.training.objective.metric
        events = self._store.metrics(trial.name, metric)
        curve = [(event.epoch or place, event.value) for place, event in enumerate(events, 1)]
        searched = {item.name: trial.hyperparameters.get(item.name, "") for item in self._spec.ranges}
        return TrialEnd(number, searched, trial.status, trial.objective, trial.failure_reason, curve)


def number_of(trial: str) -> int:
    """Return a trial's place in its search, which its name tells: `<tuning job>-<place from 1>-<8 hex>`."""
    return int(trial.rsplit("-", 2)[1]) - 1
