"""A training of the user's own that is watched: a job of its own kind.

`WatchedScript` runs a script as it is: its output, its exit status and its speed stay its own. `AttachedTraining` is
what `sagehound.watch(...)` starts from within a loop or a notebook.

The script is started first and everything else afterwards. What is known of it comes through files, as from our own
jobs: the hooks inside it (training_scripts/watch) write tensors, steps, findings and the means of epochs into the job's
folder. This process evaluates the rules on them, at a lower priority, and keeps the job's record.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.engines.local.watched_process import GRACE_S, AttachedProcess, Script, Trained, signals_for_script, wait_for
from core.errors import SagehoundError, UserFacingError
from core.jobs.contract import JobFolder
from core.jobs.job_names import unique_name
from core.paths import ROOT, AppPaths
from core.translation import tr
from training_scripts.durable import write_text
from training_scripts.processes import NO_PROCESS, identify

if TYPE_CHECKING:
    from core.jobs.specs import TrainingSpec

_STARTUP = ROOT / "training_scripts" / "watch" / "startup"
_VARIABLE = "SAGEHOUND_WATCH"
BEGUN_FILE = "watch.json"
"""What is known of a job until it has a record: its command and who watches it, should that process be killed first."""
CLOSED = "watch-closed"
"""The file that `close` leaves in the output folder of a training that was attached to."""
_POLL_S = 0.25
_REST = 50
"""How much longer than an evaluation of the rules the rest after it is: beside the script they may cost a fiftieth."""
_LONGEST_REST_S = 10.0
_logger = logging.getLogger(__name__)


class WatchedJob:
    """The record of one watched training, and the rules on what it saves.

    Args:
        command: the program that trains and its arguments.
        paths: where jobs are kept.
        stop_on: rules that end the training when they find an issue.
        on_finding: called with each rule's outcome that changes its status, in the thread that follows the training.
    """

    attached = False
    """Whether the training asked for it by itself."""

    def __init__(
        self,
        command: Sequence[str],
        paths: AppPaths,
        stop_on: Collection[str] = (),
        on_finding: Callable[[Any], None] = lambda outcome: None,
        name: str = "",
    ) -> None:
        self.command, self._paths, self._stop_on, self._on_finding = (
            list(command),
            paths,
            frozenset(stop_on),
            on_finding,
        )
        self.name = unique_name(f"watch-{name or _script_name(self.command)}")
        self.folder = JobFolder(paths.jobs / self.name)
        self._outcomes: dict[str, Any] = {}
        self._stopping = ""
        self._asked = False
        self._kill_at = 0.0

    @property
    def outcomes(self) -> list[Any]:
        """Return the latest outcome of each rule, causes before what follows from them."""
        from core.debugger.outcomes import in_order

        return in_order(list(self._outcomes.values()))

    @property
    def stopped(self) -> str:
        """Return why the script was ended, "" where it came to its own end."""
        return self._stopping

    def _begin(self) -> None:
        """Make the job's folder."""
        self._paths.create()
        self.folder.create()
        told = {
            "command": self.command,
            "folder": _here(),
            "stop_on": sorted(self._stop_on),
            "attached": self.attached,
            "process": asdict(identify(os.getpid()) or NO_PROCESS),
        }
        with contextlib.suppress(OSError):
            write_text(self.folder.root / BEGUN_FILE, json.dumps(told), flushed=False)

    def _follow(self, process: Trained) -> None:
        """Keep the job's record, and look at what the script leaves, until it ends."""
        with contextlib.suppress(OSError, AttributeError):
            os.nice(19)  # after the script was started: it keeps its own
        from core.engines.local.logtail import LogTail
        from core.engines.local.recovery import write_record
        from core.jobs.contract import Scraper, describe_exit
        from core.jobs.status import JobStatus
        from core.store import Store

        store = Store(self._paths.database)
        try:
            record = _Record(store, watched_spec(self.name, self.command, self._stop_on, self.attached, _here()))
            record.add()
            (self.folder.root / BEGUN_FILE).unlink(missing_ok=True)
            tail, scraper = LogTail(self.folder.log), Scraper(record.spec.metrics)
            rules = _TensorRules(self.folder, self.name, self._stop_on)
            while process.poll() is None:
                self._look(record, tail.new_lines(), scraper, rules)
                self._obey(process)
                wait_for(process, _POLL_S)
            rules.finish()
            self._look(record, tail.new_lines(ended=True), scraper, rules)
            code = process.returncode
            if self._stopping:
                record.update(JobStatus.STOPPED, "Stopped", self._stopping)
            elif code:
                record.update(JobStatus.FAILED, "Failed", describe_exit(code))
            else:
                record.update(JobStatus.COMPLETED, "Completed", "")
            write_record(store, self.folder, self.name)
        finally:
            store.close()

    def _look(self, record: _Record, lines: Sequence[str], scraper: Any, rules: _TensorRules) -> None:
        """Take what the log says, and what the rules on tensors found."""
        from core.engines.local.runs import split_rule_line
        from core.jobs.records import MetricEvent

        events: list[Any] = []
        for line in lines:
            rest, outcomes = split_rule_line(line)
            for outcome in outcomes:
                events += self._take(outcome)
            scraped = scraper.scrape(rest)
            events += [
                MetricEvent(self.name, metric, value, time.time(), scraped.epoch, scraped.step)
                for metric, value in scraped.values.items()
            ]
        for outcome in rules.poll():
            events += self._take(outcome)
        record.events(events)

    def _take(self, outcome: Any) -> list[Any]:
        from core.jobs.status import RuleStatus

        before = self._outcomes.get(outcome.rule)
        self._outcomes[outcome.rule] = outcome
        if before is None or before.status is not outcome.status:
            current = next((item for item in self.outcomes if item.rule == outcome.rule), outcome)
            if outcome.status is RuleStatus.ISSUES_FOUND or (before and before.status is RuleStatus.ISSUES_FOUND):
                self._on_finding(current)
            if outcome.status is RuleStatus.ISSUES_FOUND and outcome.rule in self._stop_on and not self._stopping:
                # A broken invariant ends the script from inside, at the step in which it was found.
                self._stopping = tr("The rule {rule} found an issue: {details}").format(
                    rule=outcome.rule, details=outcome.details
                )
        return [outcome]

    def _obey(self, process: Trained) -> None:
        """End the script where it was asked for, by a rule or by a person."""
        if not self._stopping and self.folder.stop_request.exists():
            with contextlib.suppress(OSError):
                self._stopping = self.folder.stop_request.read_text(encoding="utf-8").strip()
            self._stopping = self._stopping or tr("It was asked to stop.")
        if self._stopping and not self._asked:
            self._asked, self._kill_at = True, time.monotonic() + GRACE_S
            process.terminate()
        elif self._kill_at and time.monotonic() > self._kill_at:
            self._kill_at = 0.0
            process.kill()


class WatchedScript(WatchedJob):
    """One run of a script. `command` is what a shell would start; `stop_on` names rules whose finding ends it.

    `steps` ends it after so many steps of the optimizer, 0 never; `first` is a folder that Python looks into before
    others.
    """

    steps = 0
    first = ""

    def run(self) -> int:
        """Run the script to its end; returns its exit status, 128 and the signal's number if a signal ended it.

        Raises:
            UserFacingError: it could not be started.
        """
        self._begin()
        with signals_for_script() as forwarded:
            process = self._start()
            forwarded.process = process
            try:
                self._follow(process)
            except Exception as error:  # the script is worth more than the watching
                _logger.exception("%s is not watched any longer", self.name)
                print(tr("sagehound: the script runs on unwatched: {error}").format(error=error), file=sys.stderr)
            code = process.wait()
            process.end_rest()
        return 128 - code if code < 0 else code

    def _start(self) -> Script:
        environment = dict(os.environ)
        before = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (str(_STARTUP), self.first, before) if part)
        environment[_VARIABLE] = json.dumps(
            {
                "output": str(self.folder.output),
                "job": self.name,
                "stop_on": sorted(self._stop_on),
                "steps": self.steps,
                "classes": str(self._paths.watched_models),
            }
        )
        try:
            # What the shell handed on belongs to the script: python <(…) reads its program from there.
            return Script(self.command, env=environment, close_fds=False)
        except OSError as error:
            raise UserFacingError(
                tr("{command} could not be started.").format(command=self.command[0]),
                f"{error.strerror or error}.",
                tr("Write the command after `--` as you would in a shell."),
            ) from error


class AttachedTraining(WatchedJob):
    """A training within a process that was there before: a loop or a notebook that called `sagehound.watch`.

    It ends with `close` there, or with the process.
    """

    attached = True

    def __init__(self, pid: int, name: str, paths: AppPaths) -> None:
        import psutil

        self._pid = pid
        command: list[str] = []
        with contextlib.suppress(psutil.Error):
            command = psutil.Process(pid).cmdline()
        super().__init__(command or [f"process {pid}"], paths, name=name)

    def create(self) -> Path:
        """Make the job's folder; returns it."""
        self._begin()
        return self.folder.root

    def run(self) -> None:
        """Keep the record until the training ends."""
        self._follow(AttachedProcess(self._pid, self.folder.output / CLOSED))


def watched_spec(
    name: str, command: Sequence[str], stop_on: Collection[str], attached: bool, folder: str
) -> TrainingSpec:
    """Return what was asked for where a command was watched in `folder`."""
    from core.jobs.contract import default_metrics
    from core.jobs.specs import ATTACHED, DebuggerConfig, TrainingSpec

    told = {"command": " ".join(command), "folder": folder}
    told |= {ATTACHED: "true"} if attached else {}
    rules = DebuggerConfig(actions=dict.fromkeys(sorted(stop_on), "stop"))
    return TrainingSpec(name, {}, told, default_metrics(), debugger=rules, command=tuple(command))


class _Record:
    """The job's record in the store. A full disk or a lost database costs the record, never the script."""

    def __init__(self, store: Any, spec: TrainingSpec) -> None:
        self._store, self._name, self.spec = store, spec.name, spec
        self._epochs: dict[str, float] = {}

    def add(self) -> None:
        """Record the job as running, with this process to answer for it."""
        from core.engines.local.detached import this_process
        from core.jobs.status import JobStatus
        from core.store.rows import new_record

        self._store.add_job(new_record(self.spec), self.spec, this_process())
        self._change(status=JobStatus.IN_PROGRESS, secondary_status="Training", started=time.time())

    def events(self, events: Sequence[Any]) -> None:
        """Record what happened."""
        objective = [event.value for event in events if getattr(event, "name", "") == self.spec.objective.metric]
        if events:
            self._change(events, **({"objective": objective[-1]} if objective else {}))

    def update(self, status: Any, secondary: str, reason: str) -> None:
        """Record how it ended."""
        self._change(status=status, secondary_status=secondary, failure_reason=reason, ended=time.time())

    def _change(self, events: Sequence[Any] = (), **changes: Any) -> None:
        try:
            self._store.update_job(self._name, events, **changes)
        except SagehoundError as error:
            _logger.warning("%s: %s", self._name, error)


class _TensorRules:
    """The rules on tensors, evaluated on what the script saves, as for our own jobs."""

    def __init__(self, folder: JobFolder, name: str, stop_on: Collection[str]) -> None:
        from training_scripts.debugger.evaluate_beside import Watched
        from training_scripts.debugger.job_settings import Settings

        self._lines: list[str] = []
        self._watched = Watched(folder.output, name, Settings(), say=self._lines.append)
        self._due = 0.0

    def poll(self) -> list[Any]:
        """Evaluate what is new, if it is time to; returns the outcomes whose status changed."""
        from core.engines.local.runs import split_rule_line

        if not self._watched.done and (self._watched.ended or time.monotonic() >= self._due):
            used = time.thread_time()
            self._watched.poll()
            rest = _REST * (time.thread_time() - used)
            self._due = time.monotonic() + min(rest, _LONGEST_REST_S)
        lines, self._lines[:] = list(self._lines), []
        return [outcome for line in lines for outcome in split_rule_line(line)[1]]

    def finish(self) -> None:
        """Note that no more will come."""
        self._watched.ended = True


def _here() -> str:
    """Return the folder that the command was given in, "" where it is gone: the script may run all the same."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _script_name(command: Sequence[str]) -> str:
    """Return what to call a run: the script's name, else the program's."""
    for at, word in enumerate(command):
        if word.endswith(".py"):
            return Path(word).stem
        if word == "-m" and at + 1 < len(command):
            return command[at + 1].rsplit(".", 1)[-1]
    return Path(command[0]).stem
