"""A whole search as one SageMaker training job: the same strategies and trials as on a computer of one's own.

Reads the order from SM_CHANNEL_SEARCH and pictures or frozen features from their channels. Trials over features run in
workers (trial_worker.py), one per core; trials on pictures one after the other, on machines with several GPUs one per
GPU. Each leaves its folder in SM_CHECKPOINT_DIR, from where it comes to S3 as it ends; a job that starts again on
another machine continues with the trials that are left. The best model is in SM_MODEL_DIR.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    _HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(_HERE.parent)] + [entry for entry in sys.path if Path(entry or ".").resolve() != _HERE]

import hashlib
import math
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection

from training_scripts.artifact import unpack
from training_scripts.data import cores
from training_scripts.debugger.job_settings import VARIABLE, Settings
from training_scripts.debugger.watcher import RuleWatcher
from training_scripts.forking import forkserver, start_forked
from training_scripts.job import (
    JobError,
    JobFolders,
    SharedBackbone,
    StopRequest,
    report_failure,
)
from training_scripts.metrics import write_whole_lines
from training_scripts.modes import features_key, over_features
from training_scripts.packed.features_run import compute_features
from training_scripts.packed.lines import TrialRecord, notice
from training_scripts.packed.order import CHANNEL, SearchOrder
from training_scripts.packed.trial import HEAD, RunningTrial, ScriptTrial, TrialFolder, WorkerTrial
from training_scripts.processes import NO_PROCESS, identify
from training_scripts.shared_backbone import keep_backbone
from training_scripts.strategies.course import FAILED, TIME_OVER, Course, TrialEnd
from training_scripts.strategies.search import Asked
from training_scripts.trial_worker import TrialRequest, TrialWorker, serve
from training_scripts.watchdog import SILENCE_S

_TICK_S = 0.05
_GRACE_S = 60.0
"""So long a trial may take to save its model once it was asked to end."""
_BEST_EVERY_S = 60.0
_RULES_AFTER_S = 1.0
"""The rules of a shorter trial are evaluated once, at its end."""
_TRIES = 2
_MOST_UNJUDGED = 40
"""So many trials may wait for their rules to be evaluated; then the next ones wait, too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the search; 0, or 1 after the failure file was written. `argv` is what trials get, which the order says."""
    folders = JobFolders.from_environment()
    try:
        order = SearchOrder.read(folders.channels[CHANNEL])
        place = Path(os.environ.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints"))
        with tempfile.TemporaryDirectory(prefix="search-", dir=folders.output.parent) as scratch:
            PackedSearch(order, folders, place, Path(scratch), StopRequest().listen()).run()
    except BaseException as error:
        return report_failure(error, folders)
    return 0


class PackedSearch:
    """One search.

    Args:
        order: what is searched.
        folders: those of the job.
        place: where what is to be kept is, which is copied to S3.
        scratch: where features are, which is not.
        stop: the request to stop, which ends the trials that run and keeps all others.
        silence_s: how long a process of it may stand still before it is ended and started again.
    """

    def __init__(
        self,
        order: SearchOrder,
        folders: JobFolders,
        place: Path,
        scratch: Path,
        stop: StopRequest,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._silence_s = silence_s
        self._order, self._folders, self._place, self._scratch, self._stop = order, folders, place, scratch, stop
        gpus = int(os.environ.get("SM_NUM_GPUS", "0") or 0)
        self._parallel = cores() if order.plan.quick else max(1, gpus)
        self._gpus = list(range(gpus))
        self._settings = replace(Settings.from_environment(), watch=False)
        os.environ[VARIABLE] = self._settings.to_json()
        self._rules = RuleWatcher(
            self._settings,
            scratch / "rules.log",
            silence_s,
            lambda sentence: print(notice(sentence), flush=True),
        )
        self._idle: list[TrialWorker] = []
        self._features: dict[str, Path] = {}
        self._shared: dict[str, SharedBackbone] = {}
        self._running: list[RunningTrial] = []
        self._asked: dict[int, Asked] = {}
        self._unfinished: dict[int, TrialRecord] = {}
        self._best: TrialRecord | None = None
        self._best_rank = (math.inf, 0)
        self._installed, self._installed_at = "", time.monotonic()

    def run(self) -> None:
        """Run the trials that are left.

        Raises:
            JobError: the search failed: none of its trials succeeded, or there are no features.
        """
        course = Course(self._order.plan, self._earlier(), self._order.warm)
        try:
            if course.wants_more:
                self._prepare_features()
            self._run_trials(course)
        finally:
            for trial in self._running:
                trial.kill()
            while self._idle:
                self._idle.pop().close()
            self._tell_rules(self._rules.close())
        self._install_best(at_once=True)
        status, secondary, reason = course.verdict()
        if status == FAILED:
            raise JobError(reason)
        if secondary == TIME_OVER:
            print("The longest time of the search is over.", flush=True)

    def _run_trials(self, course: Course) -> None:
        deadline = None
        while True:
            has_room = len(self._running) < self._parallel and self._rules.backlog < _MOST_UNJUDGED
            if course.wants_more and not self._stop.requested and has_room and course.is_ready:
                if (asked := course.ask()) is not None:
                    self._start(asked)
                continue
            if not self._running and (self._stop.requested or not course.wants_more):
                return
            time.sleep(_TICK_S / 5 if self._order.plan.quick else _TICK_S)
            for trial in list(self._running):
                if trial.look():
                    self._running.remove(trial)
                    self._account(trial, course)
                elif time.time() - trial.record.started > _RULES_AFTER_S:
                    self._rules.watch(trial.record.name, trial.folder.output)
            self._tell_rules(self._rules.new_lines())
            self._install_best()
            if course.time_is_over and self._running:
                course.cut()
                self._end_all(TIME_OVER, "The longest time of its search was over.")
            elif course.target_met or self._stop.requested:
                self._end_all()
                deadline = deadline or time.monotonic() + _GRACE_S
                if time.monotonic() > deadline:
                    for trial in self._running:
                        trial.kill()

    def _earlier(self) -> list[TrialEnd]:
        """Return the trials that ended before the machine was taken away, and tell of them again."""
        found = []
        for root in sorted(self._place.glob(f"{self._order.name}-*")):
            folder = TrialFolder(root)
            if (record := folder.load()) is None:
                continue
            if not record.is_final or not folder.has(record.artifact):
                self._unfinished[record.number] = record
                continue
            found.append(self._end_of(record))
            self._consider(record)
            print(record.to_line(), flush=True)
        if found:
            print(f"{len(found)} trials had ended before; the search continues after them.", flush=True)
        return found

    def _prepare_features(self) -> None:
        """Compute the frozen features that trials will need, or take those of the channel."""
        for place, choice in enumerate(self._order.features):
            folder = self._folders.channels.get("features")
            if folder is None:
                where = self._scratch / f"features-{place}"
                folder = compute_features(choice, where, self._folders.output, self._stop, self._silence_s)
            self._features[features_key(choice)] = folder
            self._shared[features_key(choice)] = keep_backbone(folder, self._place / self._order.name / "backbones")

    def _start(self, asked: Asked) -> None:
        number, order = asked.number + 1, self._order
        known = self._unfinished.pop(number, None)
        # Where the machine is taken away before a trial's folder is kept, the trial begins again under the same name.
        own = hashlib.sha256(f"{order.name} {number}".encode()).hexdigest()[:8]
        name = known.name if known else f"{order.name}-{number:03d}-{own}"
        folder = TrialFolder(self._place / name)
        hyperparameters = {**order.hyperparameters, **asked.hyperparameters}
        heads = over_features(hyperparameters)
        if heads:  # it takes seconds, and leaves no checkpoint
            shutil.rmtree(folder.root, ignore_errors=True)
        folder.create()
        (folder.output / "failure").unlink(missing_ok=True)
        self._asked[number] = asked
        record = TrialRecord(name, number, asked.hyperparameters)
        trial = RunningTrial(record, folder, order.regex, order.plan.maximize, asked.limits, self._silence_s)
        key = features_key(hyperparameters)
        channels = {name: path for name, path in self._folders.channels.items() if name not in (CHANNEL, "features")}
        if heads:
            request = trial.request(hyperparameters, {"features": self._features[key]}, 1, None, self._shared[key])
            trial.begin(partial(self._in_worker, request))
        else:
            gpu = self._gpus.pop() if self._gpus else None
            share = max(1, cores() // self._parallel)
            trial.begin(partial(ScriptTrial, trial.request(hyperparameters, channels, share, gpu, None)))
        self._running.append(trial)

    def _in_worker(self, request: TrialRequest) -> WorkerTrial:
        """Begin a trial in a worker that another one has left or in a new one.

        Raises:
            JobError: no worker starts.
        """
        for _ in range(len(self._idle) + _TRIES):
            try:
                worker = self._idle.pop() if self._idle else TrialWorker(partial(_Worker, self._silence_s))
                return WorkerTrial(worker, request, self._idle)
            except (OSError, EOFError) as error:
                print(f"No worker took the trial: {error!r}", flush=True)
        raise JobError("No process for a trial could be started.")

    def _end_all(self, secondary_status: str = "Stopped", reason: str = "") -> None:
        for trial in self._running:
            trial.stop(secondary_status, reason)

    def _account(self, trial: RunningTrial, course: Course) -> None:
        record = trial.record
        if trial.gpu is not None:
            self._gpus.append(trial.gpu)
        self._rules.ended(record.name, trial.folder.output)
        course.tell(self._end_of(record))
        self._consider(record)
        print(record.to_line(), flush=True)

    def _end_of(self, record: TrialRecord) -> TrialEnd:
        number = record.number - 1
        return TrialEnd(number, record.hyperparameters, record.status, record.objective, record.reason, record.curve)

    def _consider(self, record: TrialRecord) -> None:
        """Keep in mind which trial is the best: of equals the first."""
        if record.status == FAILED or record.objective is None or not record.artifact:
            return
        rank = (-record.objective if self._order.plan.maximize else record.objective), record.number
        if self._best is None or rank < self._best_rank:
            self._best, self._best_rank = record, rank

    def _install_best(self, at_once: bool = False) -> None:
        """Put the best trial's whole model into SM_MODEL_DIR, now and then and at the end.

        SageMaker's containers pass no SIGTERM on: what is there when the job is stopped becomes its model.
        """
        best = self._best
        if best is None or best.name == self._installed:
            return
        if not at_once and time.monotonic() - self._installed_at < _BEST_EVERY_S:
            return
        folder, made = TrialFolder(self._place / best.name), self._scratch / "best"
        try:
            if best.artifact == HEAD:
                from training_scripts.assemble import assemble

                assemble(folder.model, made)
            else:
                shutil.rmtree(made, ignore_errors=True)
                unpack(folder.root / best.artifact, made)
            shutil.copytree(made, self._folders.model, dirs_exist_ok=True)
        except (JobError, OSError) as error:
            print(f"The best model so far could not be kept as the job's own: {error}", flush=True)
        self._installed, self._installed_at = best.name, time.monotonic()

    def _tell_rules(self, lines: Sequence[str]) -> None:
        for line in lines:
            print(line, flush=True)


class _Worker:
    """The process of a worker, forked off a server that has torch."""

    def __init__(self, silence_s: float, there: Connection) -> None:
        context = forkserver("training_scripts.trial_worker", "training_scripts.train")
        self._process = context.Process(target=serve, args=(there,), daemon=False)
        start_forked(self._process, silence_s)
        self.identity = identify(self._process.pid or 0) or NO_PROCESS

    def terminate(self) -> None:
        """Ask the trial in flight to save its model and end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


if __name__ == "__main__":
    write_whole_lines()
    sys.exit(main())
