"""The process that does one job: it prepares, starts the scripts, watches them, and writes down what happens.

It is started detached and outlives the window. Everything it learns goes to the store at once; what it is asked comes
as `stop` files in the jobs' folders. After it was killed, a new one continues from what the store has (`resume`).
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from core.engines.local.context import CannotGoOn, Interrupted, JobContext, Stopped
from core.engines.local.job_inputs import check_channels, features_channel, prepare_features
from core.engines.local.job_runtime import RUNTIME_FILE, Runtime, count_gpus
from core.engines.local.pool import Pool
from core.engines.local.recovery import write_record
from core.engines.local.script_launcher import ScriptLauncher, wait_for_any
from core.engines.local.supervision import SUPERVISOR_LOG, take_over
from core.engines.local.tuning import run_tuning
from core.errors import NoRoom, UserFacingError
from core.jobs.contract import JobFolder, inherited_environment
from core.jobs.head_models import ASSEMBLE, left_head_alone, write_archive
from core.jobs.records import TuningJob
from core.jobs.specs import TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import INTERRUPTED, JobChanges, Store
from core.translation import tr
from training_scripts.durable import is_no_room
from training_scripts.job import no_room
from training_scripts.processes import ProcessIdentity
from training_scripts.watchdog import Heartbeat, Watchdog

_TICK_S = 0.05
_logger = logging.getLogger(__name__)


def main(job: str, home: str, starter_pid: str, starter_started: str) -> int:
    """Do the job `job` of the installation at `home`, which its starter hands over; returns the exit status."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    paths = AppPaths(Path(home)).create()
    store = Store(paths.database)
    try:
        if not take_over(store, job, ProcessIdentity(int(starter_pid), starter_started)):
            _logger.info("%s is not this process's to do: it has ended, or another does it", job)
            return 1
        return Supervisor(paths, store, job).run()
    finally:
        store.close()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


class Supervisor:
    """Does one job from its start, or its resumption, to its final status."""

    def __init__(self, paths: AppPaths, store: Store, job: str) -> None:
        self._paths, self._store, self._job = paths, store, job
        self._folder = JobFolder(paths.jobs / job)
        self._runtime = Runtime.load(self._folder.root / RUNTIME_FILE)

    def run(self) -> int:
        """Do the job; returns 0 when it completed or was stopped, 1 when it failed."""
        store, job = self._store, self._job
        store.update_job(job, started=time.time())
        write_record(store, self._folder, job)
        try:
            status, secondary, reason = self._work()
        except Stopped as stop:
            status, secondary, reason = JobStatus.STOPPED, "Stopped", stop.reason
        except Interrupted:
            status, secondary, reason = JobStatus.STOPPED, INTERRUPTED, tr("The machine or the user ended its process.")
        except CannotGoOn as outside:
            status, secondary, reason = self._cut_off(outside.reason)
        except NoRoom as error:
            status, secondary, reason = self._cut_off(str(error))
        except UserFacingError as error:
            status, secondary, reason = JobStatus.FAILED, "Failed", str(error)
        except OSError as error:
            _logger.exception("%s failed", job)
            status, secondary, reason = (
                JobStatus.FAILED,
                "Failed",
                tr("The machine refused: {error}.").format(error=error),
            )
            if is_no_room(error):
                status, secondary, reason = self._cut_off(no_room(error))
        except Exception as error:
            _logger.exception("%s failed", job)
            status, secondary = JobStatus.FAILED, "Failed"
            reason = tr("Sagehound's own supervisor failed: {kind}: {error}.").format(
                kind=type(error).__name__, error=error
            )
        _logger.info("%s: %s %s %s", job, status, secondary, reason)
        now = time.time()
        for trial in store.trials(job):  # none is left open, whatever went wrong
            store.update_job(trial.name, status=JobStatus.STOPPED, secondary_status=INTERRUPTED, ended=now)
        ending: JobChanges = {
            "status": status,
            "secondary_status": secondary,
            "failure_reason": reason[:1024],
            "ended": now,
        }
        if not store.job(job).status.is_final:  # a training job's run has recorded its end itself
            write_record(store, self._folder, job, **ending)
            store.update_job(job, **ending)
        return int(status is JobStatus.FAILED)

    def _cut_off(self, why: str) -> tuple[JobStatus, str, str]:
        """End a job that something outside of it ended: a search can be resumed, a training job cannot."""
        if self._store.job(self._job).kind == "training":
            return JobStatus.FAILED, "Failed", tr("{why} Mend that and train it again.").format(why=why)
        way_on = tr("What is finished is kept. Mend that, then: sagehound resume {job}").format(job=self._job)
        return JobStatus.STOPPED, INTERRUPTED, f"{why} {way_on}"

    def _work(self) -> tuple[JobStatus, str, str]:
        spec = self._store.spec(self._job)
        check_channels(spec.training.channels)
        launcher = ScriptLauncher(
            self._runtime.launching, self._runtime.preload, self._runtime.threads, self._runtime.silence_s
        )
        heartbeat = Heartbeat(self._folder.root / SUPERVISOR_LOG, self._runtime.silence_s / 10)
        job = JobContext(spec, self._folder, self._paths, self._store, self._runtime, launcher, heartbeat, count_gpus())
        with Pool(job, spec.at_once) as pool:
            features = prepare_features(job)
            self._store.update_job(self._job, secondary_status="Training")
            if isinstance(spec, TuningSpec):
                verdict = run_tuning(spec, features, pool, job)
                self._pack_best(job)
                return verdict
            return self._train(spec, features, pool)

    def _pack_best(self, job: JobContext) -> None:
        """Write the archive of the best trial, which is asked for most; of the others it is made when it is."""
        best = self._store.job(self._job)
        if not isinstance(best, TuningJob) or best.best_trial is None:
            return
        folder = JobFolder(self._paths.jobs / best.best_trial)
        if folder.artifact.is_file() or not left_head_alone(folder):
            return
        log = self._folder.root / SUPERVISOR_LOG
        arguments = [str(folder.model), str(folder.root / "artifact")]
        process = job.launcher.start(ASSEMBLE, arguments, inherited_environment(), folder.root, log)
        watchdog = Watchdog(process.identity, self._runtime.silence_s)
        while process.poll() is None:
            wait_for_any([process], _TICK_S)
            job.heartbeat.beat()
            if watchdog.finding:
                process.kill()  # `write_archive` starts another, and says what comes of it
        try:
            write_archive(folder)
        except UserFacingError as error:
            _logger.warning("%s", error)

    def _train(self, spec: TrainingSpec, features: dict[str, str], pool: Pool) -> tuple[JobStatus, str, str]:
        pool.start(spec, features_channel(features, spec.hyperparameters))
        while not (endings := pool.wait()):
            pass
        record = self._store.job(spec.name)  # the run has recorded its end already
        return record.status, record.secondary_status, endings[0].reason
