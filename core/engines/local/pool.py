"""The runs of one job: at most so many at once, each followed to its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_futures
from functools import partial
from pathlib import Path
from types import TracebackType

from core.dataset.left_out import mark_left_out
from core.debugger.start_watcher import rule_watcher
from core.engines.local.context import JobContext, Stopped
from core.engines.local.job_inputs import count_pictures, keep_backbone
from core.engines.local.job_runtime import TRAINING
from core.engines.local.logtail import log_size
from core.engines.local.runs import Run, RunOutcome, parse_rule
from core.engines.local.script_launcher import ScriptProcess, wait_for_any
from core.jobs.contract import JobFolder
from core.jobs.specs import TrainingSpec
from core.jobs.status import JobStatus
from core.store import INTERRUPTED
from core.translation import tr
from core.tuning.forecast import trial_speeds
from training_scripts.job import SHARED_BACKBONE, SharedBackbone
from training_scripts.stopping import Limits, StopTable

_TICK_S = 0.1
_RULES_AFTER_S = 1.0
_MOST_UNJUDGED = 40
"""So many trials may wait for their rules to be evaluated; then the next ones wait, too."""


class Pool:
    """Starts runs and follows them. A context manager: on leaving it, whatever still runs is stopped.

    Args:
        parallel: how many runs may be at work at once; they share the cores evenly.
    """

    def __init__(self, job: JobContext, parallel: int) -> None:
        self._job, self._parallel = job, parallel
        self._cores = job.runtime.cores_for(parallel)
        self._running: list[Run] = []
        self._launched: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self._backbones: dict[str, SharedBackbone] = {}
        self._finishing: list[Future[RunOutcome]] = []
        self._packer = ThreadPoolExecutor(1, "package")
        self._pictures = count_pictures(Path(job.training.channels.get("train", "")))
        self._watcher = rule_watcher(
            job.training.debugger,
            job.folder.root / "rules.log",
            job.runtime.silence_s,
            partial(job.store.add_notice, job.name),
        )

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._running:
                interrupted = kind is not None and not issubclass(kind, Stopped)
                self.stop_all(INTERRUPTED if interrupted else "Stopped")
                while self._running or self._finishing:
                    self.wait()
        finally:
            for run in self._running:  # the store failed: at least nothing is left running unwatched
                run.process.kill()
            self._job.launcher.close()
            self._packer.shutdown()
            last_words = self._watcher.close()
        self._record_rules(last_words)
        for job in self._watcher.unfinished:
            self._job.store.end_rules(job)

    @property
    def has_room(self) -> bool:
        """Whether another run may start; one whose model is being packaged still counts, as on SageMaker."""
        at_work = len(self._running) + len(self._finishing)
        return at_work < self._parallel and self._watcher.backlog < _MOST_UNJUDGED

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, every ending was handed out, and no rules keep the next run waiting."""
        return not self._running and not self._finishing and self._watcher.backlog < _MOST_UNJUDGED

    def start(
        self, spec: TrainingSpec, extra_channels: dict[str, str], is_trial: bool = False, limits: Limits | None = None
    ) -> Run:
        """Start the training script for `spec` in a folder of its own; `limits`: where a trial is to be stopped."""
        job, folder = self._job, JobFolder(self._job.paths.jobs / spec.name)
        channels = {**spec.channels, **extra_channels}
        log_begins = log_size(folder.log)
        expression = next((item.regex for item in spec.metrics if item.name == spec.objective.metric), "")
        table = StopTable(limits or {}, expression, spec.objective.maximize)
        variables = table.to_environment()
        if (features := channels.get("features")) and job.runtime.script == TRAINING:
            variables |= self._backbone_of(features).to_environment()
        self._launched[spec.name] = channels, variables
        process = self._launch(spec, folder, is_trial)
        run = Run(spec, folder, process, job.store, job.runtime, is_trial, log_begins, limits or {})
        job.store.update_job(spec.name, started=time.time(), secondary_status="Training")
        self._running.append(run)
        return run

    def _launch(self, spec: TrainingSpec, folder: JobFolder, is_trial: bool) -> ScriptProcess:
        job = self._job
        channels, variables = self._launched[spec.name]
        process = job.launch(
            job.runtime.script,
            spec.name,
            folder,
            spec.hyperparameters,
            channels,
            self._cores,
            variables=variables,
            in_worker=SHARED_BACKBONE in variables,
        )
        if is_trial:
            job.store.set_process(spec.name, process.identity)
        return process

    def _backbone_of(self, features: str) -> SharedBackbone:
        """Return the backbone that heads over one channel of features share."""
        if features not in self._backbones:
            self._backbones[features] = keep_backbone(self._job.folder, Path(features))
        return self._backbones[features]

    def _start_again(self, run: Run) -> None:
        """Start the script once more whose process stood still or was lost."""
        said = tr("{broke_off}; it was started again.").format(broke_off=run.broke_off)
        for name in dict.fromkeys((run.name, self._job.name)):
            self._job.store.add_notice(name, tr("The process of {name} {said}").format(name=run.name, said=said))
        run.go_on_with(self._launch(run.spec, run.folder, run.is_trial))

    def wait(self) -> list[RunOutcome]:
        """Follow the runs for a moment; returns those whose end is recorded by now."""
        self._job.heartbeat.beat()
        if self._running:
            wait_for_any((run.process for run in self._running), _TICK_S / 2 if self._finishing else _TICK_S)
        elif self._finishing:
            wait_for_futures(self._finishing, _TICK_S, FIRST_COMPLETED)
        else:
            time.sleep(_TICK_S)
        for run in list(self._running):
            if run.process.poll() is not None:
                if run.may_start_again:
                    self._start_again(run)
                    continue
                self._running.remove(run)
                del self._launched[run.name]
                self._watcher.ended(run.name, run.folder.output)
                self._finishing.append(self._packer.submit(run.finish))
                continue
            run.follow()
            run.watch_limits()
            if run.seconds > _RULES_AFTER_S:  # the rules of a shorter one are evaluated once, at its end
                self._watcher.watch(run.name, run.folder.output)
        self._record_rules(self._watcher.new_lines())
        done = [future for future in self._finishing if future.done()]
        self._finishing = [future for future in self._finishing if future not in done]
        endings = [future.result() for future in done]
        for ending in endings:
            self._learn_speed(ending)
            mark_left_out(JobFolder(self._job.paths.jobs / ending.name).output_data, self._job.paths.scans)
        return endings

    def _learn_speed(self, ending: RunOutcome) -> None:
        """Remember how long things take on this machine, for the next forecast."""
        if ending.status is not JobStatus.COMPLETED:
            return
        speeds = trial_speeds(ending.hyperparameters, ending.epoch_seconds, ending.wall_s, self._pictures, self._cores)
        for what, seconds in speeds.items():
            self._job.store.record_speed(what, seconds)

    def _record_rules(self, lines: Sequence[str]) -> None:
        if outcomes := [outcome for line in lines for outcome in parse_rule(line)]:
            self._job.store.record(outcomes)

    def stop_all(self, secondary_status: str = "Stopped", reason: str = "") -> None:
        """Ask all runs to save their models and end."""
        for run in self._running:
            run.stop(secondary_status, reason)
