"""The embedded local engine: plain processes on plain folders, results in the store."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.engine import Capabilities, Engine
from core.engine_names import LOCAL
from core.engines.local.detached import reap, this_process
from core.engines.local.job_runtime import RUNTIME_FILE, Runtime
from core.engines.local.logtail import read_lines
from core.engines.local.lost_models import interrupt, interrupt_damaged_models, interrupt_lost_models
from core.engines.local.recovery import RECORD_FILE, add_unrecorded, recover, write_record
from core.engines.local.supervision import SupervisorWatch, reap_orphans, start_supervisor
from core.errors import EngineError, ModelError, NoRoom
from core.jobs.contract import JobFolder
from core.jobs.head_models import left_head_alone, whole_model
from core.jobs.records import EventBatch, Job, LogChunk, TrainingJob
from core.jobs.specs import Spec, TuningSpec
from core.jobs.status import JobStatus
from core.locks import lock_of
from core.paths import AppPaths
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.store import INTERRUPTED, Store
from core.store.rows import new_record
from core.translation import tr
from core.tuning.search_plan import check_strategy
from training_scripts.durable import is_whole

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest

_LOOK_EVERY_S = 0.5
AnyJob = TypeVar("AnyJob", bound=Job)
_logger = logging.getLogger(__name__)


class LocalEngine(Engine):
    """Runs jobs on this machine, each by a supervisor process of its own that outlives this one.

    Args:
        paths: where jobs and their results are.
        store: the database that the supervisors write and this reads.
        runtime: which scripts run, and how.
    """

    name = LOCAL
    capabilities = Capabilities(resumes=True, grid_takes_integers=True, max_parallel_jobs=64)

    def __init__(self, paths: AppPaths, store: Store, runtime: Runtime | None = None) -> None:
        self._paths, self._store, self._runtime = paths, store, runtime or Runtime()
        self._lock = threading.Lock()
        self._looked = 0.0
        # Four times: what a supervisor waits for is given up before it is itself.
        self._supervisors = SupervisorWatch(paths, 4 * self._runtime.silence_s)
        self._models_looked_for = False
        self._unsaid: set[str] = set()
        with contextlib.suppress(NoRoom):
            recover(store, paths.jobs)
            add_unrecorded(store, paths.jobs)

    @property
    def own_script(self) -> str | None:
        """Return the script in the runtime, unless it is Sagehound's."""
        script = self._runtime.script
        return None if script == Runtime().script else script.read_text(encoding="utf-8")

    def stage(
        self, manifest: Manifest, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Mapping[str, str]:
        """Write the channels' manifests; the pictures stay where they are."""
        if cancel is not None:
            cancel.raise_if_cancelled()
        channels = manifest.channels(self._paths.datasets / manifest.version)
        on_progress(Progress(1, 1, tr("The data is ready")))
        return channels

    def start(self, spec: Spec) -> None:
        """Record the job and start its supervisor."""
        from core.debugger.job_rules import check

        if isinstance(spec, TuningSpec):
            check_strategy(spec)
        check(spec.training.debugger)
        self._store.add_job(new_record(spec, self.name), spec, this_process())
        try:
            folder = JobFolder(self._paths.jobs / spec.name).create()
            self._runtime.of_job(spec).save(folder.root / RUNTIME_FILE)
            write_record(self._store, folder, spec.name)
            start_supervisor(self._store, self._paths, spec.name)
        except BaseException as error:
            self._store.delete_job(spec.name)
            (self._folder(spec.name).root / RECORD_FILE).unlink(missing_ok=True)  # it never was a job
            if not isinstance(error, OSError):
                raise
            raise EngineError(
                tr("{name} could not be started.").format(name=spec.name),
                f"{error.strerror or error}.",
                tr("Free some space or make the folder writable, then start it again."),
            ) from error

    def stop(self, name: str) -> None:
        """Ask the supervisor to stop a job, or one trial."""
        self._reap_orphans()
        with self._store.transaction():
            if self._store.job(name).status.is_final:
                return
            self._folder(name).create().request_stop()
            self._store.update_job(name, status=JobStatus.STOPPING, secondary_status="Stopping")

    def resume(self, name: str) -> None:
        """Start a supervisor that continues with what is left, and with what was lost since."""
        self._reap_orphans()
        if self._store.job(name).status.is_final:
            interrupt_damaged_models(self._store, name)
        with self._store.transaction():
            job, spec = self._store.job(name), self._store.spec(name)
            if not isinstance(spec, TuningSpec):
                raise EngineError(
                    tr("{name} is a training job.").format(name=name), fix=tr("Train it again under another name.")
                )
            if not job.status.is_final:
                raise EngineError(tr("{name} is running.").format(name=name), fix=tr("Wait for it, or stop it first."))
            # Where it was cut off behind its last trial, what is left is to say so.
            cut_off = job.secondary_status == INTERRUPTED
            if job.status is JobStatus.COMPLETED or (not cut_off and self._trials_done(name) >= spec.max_jobs):
                raise EngineError(
                    tr("{name} has done all its trials.").format(name=name),
                    fix=tr("Start another tuning job; it can warm-start."),
                )
            self._folder(name).stop_request.unlink(missing_ok=True)
            self._store.set_process(name, this_process())
            self._store.update_job(
                name,
                reopen=True,
                status=JobStatus.IN_PROGRESS,
                secondary_status="Starting",
                failure_reason="",
                ended=None,
            )
        try:
            start_supervisor(self._store, self._paths, name)
        except OSError as error:
            reason = tr("It could not be resumed: {strerror}.").format(strerror=error.strerror or error)
            self._store.update_job(
                name, status=JobStatus.STOPPED, secondary_status=INTERRUPTED, failure_reason=reason, ended=time.time()
            )
            raise EngineError(
                tr("{name} could not be resumed.").format(name=name),
                f"{error.strerror or error}.",
                tr("Free some space, then try again."),
            ) from error

    def delete(self, name: str) -> None:
        """Remove the records and the folders of a job and its trials, all at once for those who look."""
        self._reap_orphans()
        aside: dict[Path, Path] = {}
        try:
            with self._store.transaction():
                if not self._store.job(name).status.is_final:
                    raise EngineError(tr("{name} is running.").format(name=name), fix=tr("Stop it first."))
                names = [trial.name for trial in self._store.trials(name)]
                self._store.delete_job(name)
                for folder in (self._folder(each).root for each in (*names, name)):
                    if folder.exists():
                        aside[folder] = self._put_aside(folder)
        except BaseException as error:
            for folder, place in aside.items():
                os.replace(place, folder)
            if not isinstance(error, OSError):
                raise
            raise EngineError(
                tr("{name} could not be deleted.").format(name=name),
                f"{error.strerror or error}.",
                tr("Close what uses its files, try again."),
            ) from error
        # What an earlier deletion could not finish goes too.
        shutil.rmtree(self._paths.deleted, ignore_errors=True)

    def _put_aside(self, folder: Path) -> Path:
        """Move a folder to where nothing looks for it: a job of the same name may begin while it is being removed."""
        self._paths.deleted.mkdir(parents=True, exist_ok=True)
        place = self._paths.deleted / f"{folder.name}-{secrets.token_hex(4)}"
        os.replace(folder, place)
        return place

    def set_note(self, name: str, text: str) -> None:
        """Note it in the store, and in the job's own record for the day the store is lost."""
        self._store.set_note(name, text)
        self.keep_record(name)

    def keep_record(self, name: str) -> None:
        """See `Engine.keep_record`."""
        if (folder := self._folder(name)).root.is_dir():
            write_record(self._store, folder, name)

    def jobs(self) -> Sequence[Job]:
        """See `Engine.jobs`."""
        self._reap_orphans()
        return [self._as_it_is(job) for job in self._store.jobs(self.name)]

    def job(self, name: str) -> Job:
        """See `Engine.job`."""
        self._reap_orphans()
        return self._as_it_is(self._store.job(name))

    def trials(self, tuning_job: str) -> Sequence[TrainingJob]:
        """See `Engine.trials`."""
        self._reap_orphans()
        return [self._as_it_is(trial) for trial in self._store.trials(tuning_job)]

    def spec(self, name: str) -> Spec:
        """Return the spec a job was started with."""
        return self._store.spec(name)

    def events(self, since: int = 0, job: str | None = None) -> EventBatch:
        """Return what happened after a cursor."""
        self._reap_orphans()
        return self._store.events(since, job)

    def latest_cursor(self) -> int:
        """Return the store knows it without reading the events."""
        return self._store.latest_cursor()

    def read_log(self, name: str, offset: int = 0) -> LogChunk:
        """Return whole log lines; of a tuning job, what was said while its features were computed."""
        return read_lines(self._folder(name).log, offset, ended=self._store.job(name).status.is_final)

    def fetch_artifact(
        self, name: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Path:
        """Unpack model.tar.gz, or make the model of its head and backbone, once; again if it is not as it was."""
        job = self._store.job(name)
        folder = self._folder(name)
        kept = isinstance(job, TrainingJob) and job.artifact is not None
        if not kept or not (folder.artifact.is_file() or left_head_alone(folder)):
            raise ModelError(
                tr("{name} has no model.").format(name=name),
                tr("It has not finished, or its files were removed."),
                tr("Train it again."),
            )
        assert isinstance(job, TrainingJob)
        from training_scripts.artifact import unpack
        from training_scripts.job import JobError

        target = folder.root / "artifact"
        with lock_of(target, 120, tr("The model of {name} cannot be unpacked").format(name=name)):
            if is_whole(target):
                return target
            on_progress(Progress(0, None, tr("Unpacking the model of {name}").format(name=name)))
            if cancel is not None:
                cancel.raise_if_cancelled()
            try:
                return unpack(folder.artifact, target) if folder.artifact.is_file() else whole_model(folder)
            except JobError as error:
                with contextlib.suppress(NoRoom):
                    interrupt(self._store, {name: str(error)})
                again = (
                    tr("`sagehound resume {tuning_job}` trains it again.").format(tuning_job=job.tuning_job)
                    if job.tuning_job
                    else tr("Train it again.")
                )
                raise ModelError(tr("The model of {name} is damaged.").format(name=name), f"{error}", again) from error
            except OSError as error:
                raise ModelError(
                    tr("The model of {name} cannot be unpacked.").format(name=name),
                    f"{error.strerror or error}.",
                    tr("Free some space."),
                ) from error

    def job_folder(self, name: str) -> Path | None:
        """Return the job's own folder."""
        root = self._folder(name).root
        return root if root.is_dir() else None

    def close(self) -> None:
        """Collect supervisors that have ended; jobs continue."""
        reap()

    def _folder(self, name: str) -> JobFolder:
        return JobFolder(self._paths.jobs / name)

    def _as_it_is(self, job: AnyJob) -> AnyJob:
        """Return a record, put right where the disk is too full to put it right in the store."""
        owner = job.tuning_job if isinstance(job, TrainingJob) and job.tuning_job else job.name
        if owner not in self._unsaid or job.status.is_final:
            return job
        why = tr("The process that watched over it was gone, and the disk is too full to record it. Free some space.")
        return dataclasses.replace(job, status=JobStatus.STOPPED, secondary_status=INTERRUPTED, failure_reason=why)

    def _trials_done(self, name: str) -> int:
        return sum(trial.secondary_status != INTERRUPTED for trial in self._store.trials(name))

    def _reap_orphans(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked < _LOOK_EVERY_S:
                return
            self._looked = time.monotonic()
        reap()
        self._unsaid = reap_orphans(self._store, self._paths, self.name, self._supervisors)
        try:
            if not self._models_looked_for:
                self._models_looked_for = True
                interrupt_lost_models(self._store, self.name)
        except NoRoom as error:  # jobs can be looked at all the same
            _logger.warning("%s", error)
