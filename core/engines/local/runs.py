"""One script that runs for one job: followed, stopped, judged when it ends."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core.engines.local.job_runtime import Runtime
from core.engines.local.logtail import LogTail
from core.engines.local.recovery import RECORD_FILE, write_record
from core.engines.local.script_launcher import ScriptProcess
from core.errors import NoRoom
from core.jobs.contract import JobFolder, Scraper, failure_reason, outside_cause
from core.jobs.head_models import left_head_alone
from core.jobs.records import MetricEvent, RuleOutcome
from core.jobs.scraping import notice_in, too_slow, without_epochs
from core.jobs.specs import TrainingSpec
from core.jobs.status import JobStatus
from core.store import INTERRUPTED, JobChanges, Store
from core.store.rows import outcome_from_json
from core.translation import tr
from training_scripts.debugger.job_settings import RULE_LINE
from training_scripts.durable import flush, is_no_room
from training_scripts.job import no_room
from training_scripts.outside import UNUSABLE
from training_scripts.stopping import Limits, is_beyond
from training_scripts.strategies.objective_curve import KEPT_BY, kept_value
from training_scripts.watchdog import Watchdog

_SECONDS = re.compile(r"(?<![\w.])seconds=(\d+(?:\.\d+)?)")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended.

    `curve` holds the objective by epoch, NaN where it was no finite number. `outside` says what outside of the script
    kept it from continuing: then it is to be run again once that is mended.
    """

    name: str
    status: JobStatus
    objective: float | None
    reason: str = ""
    curve: tuple[tuple[int, float], ...] = ()
    epoch_seconds: tuple[float, ...] = ()
    wall_s: float = 0.0
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    outside: str = ""


class Run:
    """A training script at work for the job `spec.name`, and what is known of it so far.

    `log_begins` is where in the job's log the script's own output begins; `limits` say after which epoch it is to be
    stopped, and what it does beyond that does not count.
    """

    def __init__(
        self,
        spec: TrainingSpec,
        folder: JobFolder,
        process: ScriptProcess,
        store: Store,
        runtime: Runtime,
        is_trial: bool = False,
        log_begins: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self.spec, self.folder = spec, folder
        self._limits, self._beyond = limits or {}, False
        self._store, self._runtime, self.is_trial = store, runtime, is_trial
        # A trial that is resumed has metrics and a log already; those of the epochs that come again are replaced.
        self._tail = LogTail(folder.log, log_begins)
        before = [event for event in store.metrics(spec.name) if event.epoch] if log_begins else []
        self.curve = [(event.epoch or 0, event.value) for event in before if event.name == spec.objective.metric]
        self._losses = {event.epoch or 0: event.value for event in before if event.name == KEPT_BY}
        self._replaces = bool(log_begins)
        self._again = False
        self._follow_process(process, log_begins)
        self._scraper = Scraper(spec.metrics, partial(store.add_notice, spec.name))
        self._started = time.monotonic()
        self._epoch_seconds: list[float] = []
        self._progress = 0.0
        self._stopping = self._stop_reason = ""
        self._kill_at = 0.0

    def _follow_process(self, process: ScriptProcess, log_begins: int) -> None:
        self.process = process
        self._finding, self._log_begins = "", log_begins
        self._watchdog = Watchdog(process.identity, self._runtime.silence_s, self.folder.log)

    @property
    def name(self) -> str:
        """Return the job's name."""
        return self.spec.name

    @property
    def seconds(self) -> float:
        """Return for how long it has run."""
        return time.monotonic() - self._started

    def follow(self, ended: bool = False) -> None:
        """Record what the log says since the last call; a trial that is beyond its limits is stopped."""
        events: list[MetricEvent | RuleOutcome] = []
        changes: JobChanges = {}
        reported = False
        now, progress = time.time(), self._progress
        for line in self._tail.new_lines(ended):
            line, outcomes = split_rule_line(line)
            events += outcomes
            if sentence := notice_in(line):
                self._store.add_notice(self.name, sentence)
            scraped = self._scraper.scrape(line)
            begins = scraped.begins
            if begins is None and scraped.values:  # a script of others does not say it
                begins = scraped.epoch
            if self._replaces and begins is not None:
                self._replaces = False
                self._store.remove_metrics(self.name, begins)
                events = without_epochs(events, begins)
                changes["weakest"] = ""
                self.curve = [item for item in self.curve if item[0] < begins]
                self._losses = {epoch: loss for epoch, loss in self._losses.items() if epoch < begins}
            if scraped.weakest is not None:
                changes["weakest"] = scraped.weakest
            for metric, value in scraped.values.items():
                events.append(MetricEvent(self.name, metric, value, now, scraped.epoch, scraped.step))
                if self._beyond:
                    continue
                if metric == KEPT_BY and scraped.epoch is not None:
                    self._losses[scraped.epoch] = value
                if metric == self.spec.objective.metric:
                    epoch = len(self.curve) + 1 if scraped.epoch is None else scraped.epoch
                    self.curve.append((epoch, value))
                    reported = True
            if scraped.epoch and not self._beyond and self._is_beyond(scraped.epoch):
                self._beyond = True
            if scraped.epoch and scraped.epochs and scraped.values:
                progress = min(1.0, scraped.epoch / scraped.epochs)
                if seconds := _SECONDS.search(line):
                    self._epoch_seconds.append(float(seconds[1]))
        if events or progress != self._progress:
            if progress != self._progress:
                changes["progress"] = self._progress = progress
            if reported:
                changes["objective"] = self.objective
            self._store.update_job(self.name, events, **changes)
        if self._beyond:
            self.stop("EarlyStopped")

    def _is_beyond(self, epoch: int) -> bool:
        """Whether the objective after an epoch, the last of the curve, says that the trial is to be stopped."""
        if not self.curve or self.curve[-1][0] != epoch:
            return False
        return is_beyond(self._limits, epoch, self.curve[-1][1], self.spec.objective.maximize)

    @property
    def objective(self) -> float | None:
        """Return the objective of the model that is kept; None if it is not a finite number or never came."""
        return kept_value(self.curve, self._losses)

    def stop(self, secondary_status: str = "Stopped", reason: str = "") -> None:
        """Ask the script to save its model and end; it is killed when it takes too long."""
        if self._stopping:
            return
        self._stopping, self._stop_reason = secondary_status, reason
        self._kill_at = time.monotonic() + self._runtime.grace_s
        self._store.update_job(self.name, status=JobStatus.STOPPING, secondary_status="Stopping")
        self.process.terminate()

    def watch_limits(self) -> None:
        """Act on a request to stop, the longest runtime and the end of the grace period."""
        if not self._stopping:
            if self.folder.stop_request.exists():
                with contextlib.suppress(OSError):
                    self.stop(reason=self.folder.stop_request.read_text(encoding="utf-8").strip())
            elif time.monotonic() - self._started > self.spec.max_runtime_s:
                limit = self.spec.max_runtime_s
                self.stop(
                    "MaxRuntimeExceeded", tr("It ran longer than its limit of {limit} seconds.").format(limit=limit)
                )
            elif (finding := self._watchdog.finding) and not self._finding:
                _logger.warning("%s %s and is killed", self.name, finding)
                self._finding = finding
                self.process.kill()
        elif self._kill_at and time.monotonic() > self._kill_at:
            _logger.warning("%s did not end within %.0f s and is killed", self.name, self._runtime.grace_s)
            self._kill_at = 0.0
            self.process.kill()

    @property
    def broke_off(self) -> str:
        """Return why its process ended without the script having done so, behind "it"; "" where the script ended."""
        return "" if self._stopping else self._finding or self.process.lost

    @property
    def may_start_again(self) -> bool:
        """Whether its process broke off for the first time."""
        return bool(self.broke_off) and not self._again

    def go_on_with(self, process: ScriptProcess) -> None:
        """Follow another process of the same script, which continues from its checkpoint if it left one."""
        self.follow(ended=True)
        self._again = self._replaces = True
        self._follow_process(process, self._tail.offset)

    def finish(self) -> RunOutcome:
        """Read the last lines, package the model and record the final status. Call once the process has ended."""
        exit_code = self.process.poll()
        self.follow(ended=True)
        if not self._stopping:
            self._store.update_job(self.name, secondary_status="Uploading")
        try:
            return self._conclude(exit_code)
        except Exception as error:
            if isinstance(error, NoRoom):
                raise
            _logger.exception("the end of %s could not be recorded as it is", self.name)
            if is_no_room(error) and self.is_trial:
                return self._interrupted(no_room(error))
            reason = tr("What came of it could not be kept: {getattr}.").format(
                getattr=getattr(error, "strerror", None) or error
            )
            self._store.update_job(
                self.name, status=JobStatus.FAILED, secondary_status="Failed", failure_reason=reason, ended=time.time()
            )
            return RunOutcome(self.name, JobStatus.FAILED, None, reason)

    def _interrupted(self, outside: str) -> RunOutcome:
        self._store.update_job(
            self.name,
            status=JobStatus.STOPPED,
            secondary_status=INTERRUPTED,
            failure_reason=outside,
            ended=time.time(),
        )
        return RunOutcome(self.name, JobStatus.STOPPED, None, outside, outside=outside)

    def _conclude(self, exit_code: int | None) -> RunOutcome:
        failed = exit_code != 0 and not self._stopping and not self.broke_off
        outside = outside_cause(self.folder, exit_code, self._log_begins) if failed else ""
        if outside and self.is_trial:
            return self._interrupted(outside)
        status, secondary, reason = self._judge(exit_code, outside)
        changes: JobChanges = {"failure_reason": reason, "ended": time.time(), "objective": self.objective}
        if (artifact := package_model(self.folder)) is not None:
            changes["artifact"] = str(artifact)
        if status is JobStatus.COMPLETED:
            changes["progress"] = 1.0
        changes |= {"status": status, "secondary_status": secondary}
        write_record(self._store, self.folder, self.name, flushed=False, **changes)
        results = [path for path in self.folder.output_data.rglob("*") if path.is_file()]
        record = self.folder.root / RECORD_FILE
        model = [*self.folder.model.iterdir(), self.folder.artifact]
        flush([*results, *model, self.folder.log, record, self.folder.output, self.folder.root])
        if not self._store.update_job(self.name, **changes):  # another process has ended it meanwhile
            write_record(self._store, self.folder, self.name)
        wall = time.monotonic() - self._started
        curve, seconds = tuple(self.curve), tuple(self._epoch_seconds)
        return RunOutcome(self.name, status, self.objective, reason, curve, seconds, wall, self.spec.hyperparameters)

    def _judge(self, exit_code: int | None, outside: str) -> tuple[JobStatus, str, str]:
        if self._stopping:
            return JobStatus.STOPPED, self._stopping, self._stop_reason
        if self.broke_off:
            return (
                JobStatus.FAILED,
                "Failed",
                tr("Its process {broke_off}, for the second time.").format(broke_off=self.broke_off),
            )
        if exit_code != 0:
            return JobStatus.FAILED, "Failed", outside or failure_reason(self.folder, exit_code, self._log_begins)
        if self.is_trial and not self.curve:
            metric = self.spec.objective.metric
            if metric in self._scraper.given_up:
                return JobStatus.FAILED, "Failed", too_slow(metric)
            expression = next(item.regex for item in self.spec.metrics if item.name == metric)
            reason = tr(
                "The objective {metric} was never found: its regex {expression} matches no line of the log."
            ).format(metric=metric, expression=expression)
            return JobStatus.FAILED, "Failed", reason
        return JobStatus.COMPLETED, "Completed", ""


def split_rule_line(line: str) -> tuple[str, list[RuleOutcome]]:
    """Return what stands before a rule outcome in a log line, and the outcome; the whole line and None without one.

    It may stand behind something else: another process of the job may have written a line whose end came late.
    """
    rest, marker, text = line.partition(RULE_LINE)
    if not marker:
        return line, []
    try:
        return rest, [outcome_from_json(json.JSONDecoder().raw_decode(text)[0])]
    except (*UNUSABLE, RecursionError):
        return rest, []


def parse_rule(line: str) -> list[RuleOutcome]:
    """Return the rule outcome that a log line holds; none if it is any other line, or torn."""
    return split_rule_line(line)[1]


def package_model(folder: JobFolder) -> Path | None:
    """Make model.tar.gz of what the script saved; None if it saved nothing.

    The tar replaces the folder, as in a container: a search keeps many models and each would be there twice. It is
    not flushed yet. Of a head alone it is made when something wants it (core/jobs/head_models.py).
    """
    if left_head_alone(folder):
        return folder.artifact
    if not any(folder.model.iterdir() if folder.model.is_dir() else ()):
        return None
    from training_scripts.artifact import package

    package(folder.model, folder.artifact, flushed=False)
    shutil.rmtree(folder.model, ignore_errors=True)
    folder.model.mkdir(exist_ok=True)
    return folder.artifact
