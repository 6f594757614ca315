"""A search that is one training job: its log's lines become trials, each with its own record, metrics and log."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.engines.local.recovery import write_record
from core.engines.local.tuning import number_of
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.tracking.follower import Follower, LineReader
from core.engines.sagemaker.tracking.logs import Line, LogTail
from core.jobs.contract import JobFolder
from core.jobs.records import TrainingJob
from core.jobs.specs import TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.store import JobChanges, Store
from core.store.rows import new_record
from training_scripts.packed.lines import TrialRecord, read_line

_ABOUT = ("region", "account", "workspace", "checkpoints", "packed")
"""What a trial's notes have from those of its search."""


class PackedFollower(Follower):
    """Follows the job of a search; `jobs` is the folder of all jobs on this machine."""

    def __init__(self, spec: TuningSpec, store: Store, tail: LogTail, jobs: Path) -> None:
        super().__init__(spec.training, store, tail)
        self._search, self._jobs = spec, jobs
        self._trials: dict[int, LineReader] = {}
        for trial in store.trials(spec.name):
            trained = store.spec(trial.name)
            assert isinstance(trained, TrainingSpec)
            self._trials[number_of(trial.name) + 1] = LineReader(trained, store, trial.name)

    @property
    def has_trials(self) -> bool:
        """Whether a trial has begun."""
        return bool(self._trials)

    @property
    def misses_some(self) -> bool:
        """Whether some trial is not known to have ended."""
        return any(True for _ in self._unfinished())

    def forget_since(self, moment: float) -> None:
        """Remove the same of the search and of its trials."""
        super().forget_since(moment)
        for reader in self._trials.values():
            reader.forget_since(moment)

    def take(self, lines: Sequence[Line]) -> None:
        """Record what these lines say, of the search or of its trials."""
        own: list[Line] = []
        said: dict[int, list[Line]] = {}
        for told in lines:
            line = read_line(told.text)
            if line.trial:
                said.setdefault(line.trial, []).append(told._replace(text=line.line))
            elif line.record is not None:
                self._record_lines(line.record.number, said.pop(line.record.number, ()))
                self.apply(line.record)
            else:
                own.append(told)
        for number, texts in said.items():
            self._record_lines(number, texts)
        if own:
            super().take(own)

    def apply(self, sent: TrialRecord) -> None:
        """Record how a trial is: it begins, begins again, or has ended."""
        reader = self._trials.get(sent.number)
        if reader is None or reader.spec.name != sent.name:
            reader = self._add(sent)
        if not sent.is_final:
            return
        changes: JobChanges = {
            "status": JobStatus(sent.status),
            "secondary_status": sent.secondary_status,
            "failure_reason": sent.reason[:1024],
            "objective": sent.objective,
            "started": sent.started,
            "ended": max(sent.ended or sent.started, sent.started),
        }
        if sent.artifact:
            checkpoints = CloudJobState.load(self._jobs / sent.name).checkpoints.rstrip("/")
            changes["artifact"] = f"{checkpoints}/{sent.name}/{sent.artifact}"
        if sent.status == JobStatus.COMPLETED:
            changes["progress"] = 1.0
        self._change(sent.name, changes)

    def end(self, status: JobStatus, reason: str) -> None:
        """Record that trials which are not known to have ended ended with their job."""
        ended = JobStatus.STOPPED if status is JobStatus.COMPLETED else status
        for trial in list(self._unfinished()):
            said = {"status": ended, "secondary_status": str(ended), "failure_reason": reason, "ended": trial.started}
            self._change(trial.name, said)  # type: ignore[arg-type]

    def _change(self, name: str, changes: JobChanges) -> None:
        write_record(self._store, JobFolder(self._jobs / name), name, **changes)
        self._store.update_job(name, **changes)

    def _unfinished(self) -> Iterator[TrainingJob]:
        return (trial for trial in self._store.trials(self._search.name) if not trial.status.is_final)

    def _add(self, sent: TrialRecord) -> LineReader:
        """Take a trial into the store."""
        training, parent = self._search.training, self._store.job(self._search.name)
        hyperparameters = {**training.hyperparameters, **sent.hyperparameters}
        spec = dataclasses.replace(training, name=sent.name, hyperparameters=hyperparameters)
        record = new_record(spec, "sagemaker")
        assert isinstance(record, TrainingJob)
        record = dataclasses.replace(
            record,
            tuning_job=self._search.name,
            created=sent.started,
            started=sent.started,
            secondary_status="Training",
            code_version=parent.code_version,
        )
        notes = CloudJobState.load(self._jobs / self._search.name)
        about = {key: getattr(notes, key) for key in _ABOUT}
        CloudJobState(launched=True, **about).save(self._jobs / sent.name)
        self._store.add_job(record, spec)
        write_record(self._store, JobFolder(self._jobs / sent.name), sent.name)
        reader = self._trials[sent.number] = LineReader(spec, self._store, sent.name)
        return reader

    def _record_lines(self, number: int, lines: Sequence[Line]) -> None:
        reader = self._trials.get(number)
        if reader is None or not lines:
            return  # of a trial that nothing is known of
        log = JobFolder(self._jobs / reader.spec.name).log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write("".join(f"{line.text}\n" for line in lines).encode("utf-8", "replace"))
        reader.take(lines)
