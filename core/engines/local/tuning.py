"""A tuning job: trials asked of the search, run side by side, their results told back.

Trials, losses and best are those of the seed, whatever the load and the number at once: see `core.tuning.search`.
"""

from __future__ import annotations

import dataclasses
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from core.engines.local.context import CannotGoOn, JobContext, Stopped
from core.engines.local.pool import Pool
from core.engines.local.preparation import features_channel
from core.engines.local.runs import RunOutcome
from core.errors import JobNotFound
from core.jobs.contract import JobFolder
from core.jobs.records import TrainingJob
from core.jobs.specs import TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.store import INTERRUPTED
from core.store.rows import new_record
from core.tuning.convergence import Convergence
from core.tuning.search import Asked, Observation, Search

FAILURES_FROM_START = 5
"""So many failed trials with no good one among them end the tuning job, as on SageMaker."""

TIME_OVER = "MaxRuntimeExceeded"
"""The secondary status of a search that its longest run time ended, and of the trials that ran then."""

_logger = logging.getLogger(__name__)
Verdict = tuple[JobStatus, str, str]


def run_tuning(spec: TuningSpec, features: Mapping[str, str], pool: Pool, job: JobContext) -> Verdict:
    """Run the trials that are left; returns the tuning job's final status, secondary status and reason.

    Raises:
        Stopped: it was asked to; the trials that ran have ended.
        CannotGoOn: a trial could not, through no fault of its own.
    """
    return _Tuning(spec, features, pool, job).run()


@dataclass(slots=True)
class _Tally:
    """What has been achieved so far, for the conditions that end a search."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    first_reason: str = ""
    best: float | None = None
    since_best: int = 0

    def add(self, status: JobStatus, objective: float | None, reason: str, maximize: bool) -> None:
        if status is JobStatus.STOPPED and objective is None:
            return
        if status is JobStatus.FAILED or objective is None:
            self.failed += 1
            self.first_reason = self.first_reason or reason or "Its objective was no finite number: it diverged."
            return
        self.succeeded += 1
        if self.best is None or (objective > self.best if maximize else objective < self.best):
            self.best, self.since_best = objective, 0
        else:
            self.since_best += 1


class _Tuning:
    def __init__(self, spec: TuningSpec, features: Mapping[str, str], pool: Pool, job: JobContext) -> None:
        self._spec, self._features, self._pool = spec, features, pool
        self._store, self._folder = job.store, job.folder
        self._maximize = spec.training.objective.maximize
        self._numbers: dict[str, int] = {}
        self._tally = _Tally()
        self._convergence = Convergence(spec) if spec.until_converged else None
        self._deadline = None if spec.max_search_s is None else time.monotonic() + spec.max_search_s
        self._cut = False
        done = self._earlier_trials()
        self._search = Search(spec, done, self._warm_start())
        for item in done:
            self._learn(item.hyperparameters, item.objective)
        self._exhausted = False

    def run(self) -> Verdict:
        while True:
            self._check_stop()
            while self._wants_more() and self._pool.has_room and self._search.is_ready:
                self._start_next()
            if self._pool.is_idle:
                return self._verdict()
            endings = self._pool.wait()
            for ending in endings:
                self._account(ending)
            if self._target_met():
                self._pool.stop_all()
            if self._time_is_over() and not self._pool.is_idle:
                self._cut = True
                self._pool.stop_all(TIME_OVER, "The longest time of its search was over.")

    def _check_stop(self) -> None:
        if not self._folder.stop_request.exists():
            return
        self._store.update_job(self._spec.name, status=JobStatus.STOPPING, secondary_status="Stopping")
        self._pool.stop_all()
        while not self._pool.is_idle:
            for ending in self._pool.wait():
                self._account(ending)
        raise Stopped(self._folder.stop_request.read_text(encoding="utf-8").strip())

    def _wants_more(self) -> bool:
        spec, tally = self._spec, self._tally
        hopeless = tally.failed >= FAILURES_FROM_START and not tally.succeeded
        no_better = spec.patience is not None and tally.since_best >= spec.patience
        enough = self._target_met() or self._time_is_over() or tally.started >= spec.max_jobs
        return not (self._exhausted or hopeless or no_better or enough or self._has_converged())

    def _time_is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _has_converged(self) -> bool:
        if self._convergence is not None and self._convergence.reached():
            self._exhausted = True
            _logger.info("%s has converged", self._spec.name)
        return self._exhausted

    def _learn(self, hyperparameters: Mapping[str, str], objective: float | None) -> None:
        if self._convergence is not None:
            self._convergence.add(hyperparameters, objective)

    def _start_next(self) -> None:
        asked = self._search.ask()
        if asked is None:
            self._exhausted = True
            return
        spec = self._trial_spec(asked)
        record = new_record(spec)
        assert isinstance(record, TrainingJob)
        JobFolder(self._folder.root.parent / spec.name).create()
        self._store.add_job(dataclasses.replace(record, tuning_job=self._spec.name), spec)
        self._numbers[spec.name] = asked.number
        self._tally.started += 1
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
        self._tally.add(ending.status, ending.objective, ending.reason, self._maximize)
        objective = None if ending.status is JobStatus.FAILED else ending.objective
        self._search.tell(self._numbers[ending.name], objective, ending.curve)
        if ending.status is JobStatus.COMPLETED:
            self._learn(ending.hyperparameters, objective)

    def _target_met(self) -> bool:
        target, best = self._spec.target, self._tally.best
        if target is None or best is None:
            return False
        return best >= target if self._maximize else best <= target

    def _verdict(self) -> Verdict:
        tally = self._tally
        if tally.failed and not tally.succeeded:
            sentence = tally.first_reason.partition("\n\n")[0]  # its traceback is in the trial's own reason
            return JobStatus.FAILED, "Failed", f"All {tally.failed} trials failed, the first because: {sentence}"
        if self._cut or (self._time_is_over() and tally.started < self._spec.max_jobs and not self._exhausted):
            return JobStatus.COMPLETED, TIME_OVER, ""
        return JobStatus.COMPLETED, "Completed", ""

    def _earlier_trials(self) -> list[Observation]:
        """Return the trials of this job that an earlier supervisor finished; interrupted ones are run again."""
        found = []
        for trial in self._store.trials(self._spec.name):
            if trial.secondary_status == INTERRUPTED or not trial.status.is_final:
                continue
            self._tally.started += 1
            self._tally.add(trial.status, trial.objective, trial.failure_reason, self._maximize)
            found.append(self._observation(trial, _number_of(trial.name)))
        return found

    def _warm_start(self) -> list[Observation]:
        found = []
        for parent in self._spec.warm_start:
            try:
                self._store.job(parent)
            except JobNotFound:
                _logger.warning("the tuning job %s is gone; nothing is learnt from it", parent)
                continue
            found += [self._observation(t, None) for t in self._store.trials(parent) if t.status.is_final]
        return found

    def _observation(self, trial: TrainingJob, number: int | None) -> Observation:
        metric = self._spec.training.objective.metric
        events = self._store.metrics(trial.name, metric)
        curve = [(event.epoch or place, event.value) for place, event in enumerate(events, 1)]
        searched = {item.name: trial.hyperparameters.get(item.name, "") for item in self._spec.ranges}
        objective = None if trial.status is JobStatus.FAILED else trial.objective
        return Observation(searched, objective, curve, number)


def _number_of(trial: str) -> int:
    """Return a trial's place in its search, which its name tells: `<tuning job>-<place from 1>-<8 hex>`."""
    return int(trial.rsplit("-", 2)[1]) - 1
