"""Which supervisor answers for which job: it is started, it takes the job over, and its end is noticed."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from core.engines.local.context import helper_file
from core.engines.local.detached import kill_tree, start_detached, this_process
from core.errors import JobNotFound, NoRoom
from core.jobs.contract import JobFolder
from core.jobs.records import Job
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import INTERRUPTED, Store
from core.translation import tr
from training_scripts.processes import ProcessIdentity
from training_scripts.watchdog import Watchdog, end_at_once

_logger = logging.getLogger(__name__)
SUPERVISOR_LOG = "supervisor.log"
_SUPERVISOR = "core.engines.local.supervise"
_BEGINS = "A supervisor begins: "
_STOOD_STILL = "This supervisor was ended: it "


def start_supervisor(store: Store, paths: AppPaths, name: str) -> None:
    """Start the supervisor of a job that this process answers for, and hand the job over to it.

    Raises:
        OSError: the process could not be started.
    """
    me, log = this_process(), paths.jobs / name / SUPERVISOR_LOG
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{_BEGINS}{time.strftime('%Y-%m-%d %H:%M:%S')}\n")
    arguments = [name, str(paths.home), str(me.pid), me.started]
    store.hand_over(name, start_detached(_SUPERVISOR, arguments, log, paths.home), me)


def take_over(store: Store, job: str, starter: ProcessIdentity) -> bool:
    """Whether this process may do the job: its starter still answered for it, or named this process already."""
    me = this_process()
    try:
        return store.hand_over(job, me, starter, me)
    except JobNotFound:
        return False


class SupervisorWatch:
    """Ends supervisors that stand still, as long as someone looks at their jobs; what they leave is an orphan's.

    Args:
        paths: where their logs are, which they touch while they work.
        silence_s: how long one may give no sign of life; what it waits for has its own watch, which comes first.
    """

    def __init__(self, paths: AppPaths, silence_s: float) -> None:
        self._paths, self._silence_s = paths, silence_s
        self._watchdogs: dict[tuple[str, ProcessIdentity], Watchdog] = {}

    def look(self, owners: Mapping[str, ProcessIdentity]) -> None:
        """Look at the processes that answer for the unfinished jobs."""
        self._watchdogs = {key: dog for key, dog in self._watchdogs.items() if owners.get(key[0]) == key[1]}
        for key in owners.items():
            log = self._paths.jobs / key[0] / SUPERVISOR_LOG
            if key not in self._watchdogs:
                self._watchdogs[key] = Watchdog(key[1], self._silence_s, log)
            elif (finding := self._watchdogs[key].finding) and is_supervisor(key[1]):
                with contextlib.suppress(OSError), log.open("a", encoding="utf-8") as file:
                    file.write(f"{_STOOD_STILL}{finding}\n")
                end_at_once(key[1])


def is_supervisor(process: ProcessIdentity) -> bool:
    """Whether it is one: for a moment, the process that starts or clears up after a job answers for it."""
    with contextlib.suppress(psutil.Error):
        return any(_SUPERVISOR in word for word in psutil.Process(process.pid).cmdline())
    return False


def reap_orphans(store: Store, paths: AppPaths, engine: str, watch: SupervisorWatch | None = None) -> set[str]:
    """Find the jobs whose supervisor is gone, end what it left running, and say so in their records.

    `watch` looks at the supervisors that are there.

    Returns those of which the full disk lets nothing be said.
    """
    unsaid: set[str] = set()
    living: dict[str, ProcessIdentity] = {}
    for name in store.unfinished(engine):
        try:
            owner = store.process(name)
            if owner is not None and owner.is_alive:
                living[name] = owner
                continue
            unsaid.add(name)
            # Of all processes that see it, one clears up, and records all of it or nothing.
            with store.transaction():
                if store.hand_over(name, this_process(), owner):
                    _mark_interrupted(store, paths, name)
            unsaid.remove(name)
        except JobNotFound:
            unsaid.discard(name)
        except NoRoom as error:
            _logger.warning("%s: %s", name, error)
    if watch is not None:
        watch.look(living)
    return unsaid


def _mark_interrupted(store: Store, paths: AppPaths, name: str) -> None:
    job, ended = store.job(name), time.time()
    with contextlib.suppress(OSError, ValueError, TypeError):
        kill_tree(ProcessIdentity(**json.loads(helper_file(JobFolder(paths.jobs / name)).read_text(encoding="utf-8"))))
    stopping = job.status is JobStatus.STOPPING
    store.end_rules(name)
    for trial in store.trials(name):
        store.end_rules(trial.name)
        if trial.status.is_final:
            continue
        if (process := store.process(trial.name)) is not None:
            kill_tree(process)
        store.update_job(
            trial.name,
            status=JobStatus.STOPPED,
            secondary_status=INTERRUPTED,
            failure_reason=tr("The process that watched over it was gone."),
            ended=ended,
        )
    store.update_job(
        name,
        status=JobStatus.STOPPED,
        secondary_status="Stopped" if stopping else INTERRUPTED,
        failure_reason="" if stopping else _why(JobFolder(paths.jobs / name).root / SUPERVISOR_LOG, job),
        ended=ended,
    )


def _why(log: Path, job: Job) -> str:
    """Return why the supervisor is gone, as far as the last lines of its own run tell."""
    if job.kind == "watched":
        return tr("The process that watched it was ended from outside; the script itself may still run.")
    resume = tr("Resume it to run the trials it still has.") if job.kind == "tuning" else tr("Train it again.")
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    except OSError:
        lines = []
    begun = max((at for at, line in enumerate(lines) if line.startswith(_BEGINS)), default=0)
    for line in lines[begun:]:
        if line.startswith(_STOOD_STILL):
            last = line.removeprefix(_STOOD_STILL)
            return tr("Its supervisor process {last} and was ended. {resume}").format(last=last, resume=resume)
    last = lines[-1] if lines else ""
    # A process that the supervisor was just starting writes to the same log that it has lost it.
    if "Error" in last and last != "EOFError":
        return tr("Its supervisor process broke off: {last} {resume}").format(last=last[:500], resume=resume)
    return tr(
        "Its supervisor process was ended from outside or broke off; {name} in its folder may tell more. {resume}"
    ).format(name=log.name, resume=resume)
