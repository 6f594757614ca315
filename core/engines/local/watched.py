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
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from core.errors import SagehoundError, UserFacingError
from core.jobs.contract import JobFolder
from core.jobs.job_names import unique_name
from core.paths import ROOT, AppPaths
from core.translation import tr

_STARTUP = ROOT / "training_scripts" / "watch" / "startup"
_VARIABLE = "SAGEHOUND_WATCH"
CLOSED = "watch-closed"
"""The file that `close` leaves in the output folder of a training that was attached to."""
_POLL_S = 0.25
_REST = 50
"""How much longer than an evaluation of the rules the rest after it is: beside the script they may cost a fiftieth."""
_LONGEST_REST_S = 10.0
_GRACE_S = 30.0
_logger = logging.getLogger(__name__)


class Trained(Protocol):
    """The process that trains, as far as it has to be known: what `subprocess.Popen` has of it."""

    returncode: int

    def poll(self) -> int | None:
        """Return its exit status once it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


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
            record = _Record(store, self.name, self.command, self._stop_on, self.attached)
            record.add()
            tail, scraper = LogTail(self.folder.log), Scraper(record.spec.metrics)
            rules = _TensorRules(self.folder, self.name, self._stop_on)
            while process.poll() is None:
                self._look(record, tail.new_lines(), scraper, rules)
                self._obey(process)
                _wait(process, _POLL_S)
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
            self._asked, self._kill_at = True, time.monotonic() + _GRACE_S
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
        self._paths.create()
        self.folder.create()
        with _signals() as forwarded:
            process = self._start()
            forwarded.process = process
            try:
                self._follow(process)
            except Exception as error:  # the script is worth more than the watching
                _logger.exception("%s is not watched any longer", self.name)
                print(tr("sagehound: the script runs on unwatched: {error}").format(error=error), file=sys.stderr)
            code = process.wait()
        return 128 - code if code < 0 else code

    def _start(self) -> subprocess.Popen[bytes]:
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
            return subprocess.Popen(self.command, env=environment, close_fds=False)
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
        self._paths.create()
        self.folder.create()
        return self.folder.root

    def run(self) -> None:
        """Keep the record until the training ends."""
        self._follow(_Attached(self._pid, self.folder.output / CLOSED))


class _Attached:
    """A process that is not a child of this one. Asked to end it hears Ctrl-C, which a notebook survives."""

    returncode = 0

    def __init__(self, pid: int, closed: Path) -> None:
        from core.engines.local.detached import identity_of

        self._process, self._closed = identity_of(pid), closed

    def poll(self) -> int | None:
        if self._closed.exists():
            return 0
        if self._process.is_alive:
            return None
        self.returncode = 1
        return 1

    def wait(self, timeout: float | None = None) -> int:
        end = math.inf if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired("", timeout or 0)
            time.sleep(min(_POLL_S, max(0.0, end - time.monotonic())))
        return code

    def terminate(self) -> None:
        if self._process.is_alive:
            os.kill(self._process.pid, signal.SIGINT)

    kill = terminate


class _Record:
    """The job's record in the store. A full disk or a lost database costs the record, never the script."""

    def __init__(
        self, store: Any, name: str, command: Sequence[str], stop_on: Collection[str], attached: bool = False
    ) -> None:
        from core.jobs.contract import default_metrics
        from core.jobs.specs import ATTACHED, DebuggerConfig, TrainingSpec

        self._store, self._name = store, name
        told = {"command": " ".join(command), "folder": os.getcwd()}
        told |= {ATTACHED: "true"} if attached else {}
        rules = DebuggerConfig(actions=dict.fromkeys(sorted(stop_on), "stop"))
        self.spec = TrainingSpec(name, {}, told, default_metrics(), debugger=rules, command=tuple(command))
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


class _Forwarded:
    process: subprocess.Popen[bytes] | None = None


@contextlib.contextmanager
def _signals() -> Iterator[_Forwarded]:
    """Leave Ctrl-C to the script, which hears it too, and hand on a request to end."""
    forwarded = _Forwarded()

    def hand_on(number: int, frame: object) -> None:
        if forwarded.process is not None and forwarded.process.poll() is None:
            forwarded.process.send_signal(number)

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before: Mapping[int, Any] = {number: signal.signal(number, hand_on) for number in numbers}
    interrupted = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield forwarded
    finally:
        signal.signal(signal.SIGINT, interrupted)
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(process: Trained, seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _script_name(command: Sequence[str]) -> str:
    """Return what to call a run: the script's name, else the program's."""
    for at, word in enumerate(command):
        if word.endswith(".py"):
            return Path(word).stem
        if word == "-m" and at + 1 < len(command):
            return command[at + 1].rsplit(".", 1)[-1]
    return Path(command[0]).stem
