"""One thread that asks AWS how the jobs of a store are, politely, and writes what it learns into the store.

However many windows and commands run, one of them asks about a region (a lock file decides); the others read the
store. A round takes at least `interval` seconds and as long as its calls need to stay under `MAX_CALLS_PER_MINUTE`: 100
jobs that all run are looked at every 15 to 30 seconds. Throttling doubles the pause. When the AWS session has ended the
poller says so, waits, and resumes by itself after a new login.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from filelock import FileLock, Timeout

from core.debugger.aws_output import SUFFIX
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failure_table import LOGIN_CODES, THROTTLED_CODES
from core.engines.sagemaker.connection.failures import LoginNeeded, code_of, explain, is_unanswered, message_of
from core.engines.sagemaker.cost.pricing import PriceList
from core.engines.sagemaker.endpoints.lifetimes import EndpointLifetimes
from core.engines.sagemaker.jobs.job_creator import JobCreator
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking.tracking import Tracker
from core.errors import StoreError, UserFacingError
from core.paths import AppPaths
from core.store import Store
from core.translation import tr
from training_scripts.processes import NO_PROCESS
from training_scripts.watchdog import Heartbeat, Watchdog

MAX_CALLS_PER_MINUTE = 400
LOCK = "sagemaker-{}.lock"
_SETTLING_S = 1.0
_LONGEST_PAUSE_S = 60.0
_IDLE_S = 30.0
_logger = logging.getLogger(__name__)


class Poller:
    """The thread; started by `ensure`, ended by `close`.

    Args:
        timing: how long it waits for what.
        attend: called once when it starts; lets a process in the background do what is left when this one ends.
    """

    def __init__(
        self,
        aws: Aws,
        paths: AppPaths,
        store: Store,
        creator: JobCreator,
        lifetimes: EndpointLifetimes,
        prices: PriceList,
        timing: Timing,
        attend: Callable[[], None] = lambda: None,
    ) -> None:
        self._aws, self._paths, self._store, self._lifetimes = aws, paths, store, lifetimes
        self._timing, self._attend = timing, attend
        self._tracker = Tracker(aws, paths, store, creator, prices, self.ask, timing)
        self._lock = threading.Lock()
        self._wake, self._stop, self._looked = threading.Event(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._calls, self._patience = 0, 1.0
        self._heartbeat: Heartbeat | None = None
        self._evaluating: list[str] = []
        self._rules_at = 0.0
        self.calls = 0
        self.notice = ""

    def ensure(self) -> None:
        """Start the thread if it does not run and there is something to watch."""
        with self._lock:
            if self._stop.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            if not (self._watched() or self._lifetimes.is_needed()):
                return
            self._thread = threading.Thread(target=self._run, name="sagehound-sagemaker-poller", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Look at once: something was started or stopped."""
        self._wake.set()
        self.ensure()

    def refresh(self, timeout: float) -> None:
        """Look at once and wait, at most `timeout` seconds, until all is known; nothing to watch: no wait.

        That is the end of a round, or a little later where a job has just ended and the end of its log is on its way.
        """
        if not self._watched():
            return
        self._looked.clear()
        self.wake()
        self._looked.wait(timeout)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._wake.set()
        thread = self._thread
        if thread is not None:
            thread.join(30)

    def ask(self, method: Callable[..., Any], **arguments: Any) -> Any:
        """Call AWS, and count it."""
        self._calls += 1
        return method(**arguments)

    def unfinished(self) -> list[str]:
        """Return the jobs of this region and account that are to be watched."""
        return [name for name in self._watched() if self._is_here(name)]

    def _watched(self) -> list[str]:
        """Return the jobs that are not finished, and those that AWS's rules are not done with."""
        unfinished = self._store.unfinished("sagemaker")
        now = time.monotonic()
        # This is asked several times a second; rules of a job begin before it ends.
        if unfinished or self._evaluating or now >= self._rules_at:
            self._evaluating = self._store.evaluating("sagemaker", f"%{SUFFIX}")
            self._rules_at = 0.0 if unfinished else now + _IDLE_S
        return [*unfinished, *self._evaluating]

    def _is_here(self, name: str) -> bool:
        state = CloudJobState.load(self._paths.jobs / name)
        return state.region in ("", self._aws.region) and state.account in ("", self._aws.account)

    def _run(self) -> None:
        lock: FileLock | None = None
        leader: Watchdog | None = None
        try:
            self._attend()
            while not self._stop.is_set():
                pause = _IDLE_S
                try:
                    file = self._paths.home / LOCK.format(self._aws.region)
                    lock = lock or FileLock(file)
                    # The process that has the lock touches it: that is all that another process can see of it.
                    leader = leader or Watchdog(NO_PROCESS, self._timing.silence, file)
                    lock.acquire(timeout=0)
                    self._heartbeat = Heartbeat(file, self._timing.silence / 10)
                    pause = self._round()
                except Timeout:
                    pause = self._timing.interval  # another process asks AWS
                    self.notice = _LEADER_STANDS_STILL if leader is not None and leader.finding else ""
                except StoreError:
                    return  # the program is ending
                except UserFacingError as error:
                    self.notice, pause = str(error), _LONGEST_PAUSE_S  # no region, no profile
                if self._tracker.settling:
                    pause = min(pause, _SETTLING_S)  # the last lines of a log are on their way
                else:
                    self._looked.set()
                self._wake.wait(pause)
                self._wake.clear()
        finally:
            self._looked.set()
            if lock is not None:
                lock.release()

    def _round(self) -> float:
        """Look at every unfinished job once; returns how long to rest."""
        self._calls, started = 0, time.monotonic()
        self._beat()
        try:
            trouble = self._watch_endpoints()
            names = self.unfinished()
        except LoginNeeded as error:
            return self._wait_for_login(str(error))
        for name in names:
            if self._stop.is_set():
                return 0.0
            self._beat()
            try:
                self._tracker.look(name)
            except LoginNeeded as error:
                return self._wait_for_login(str(error))
            except StoreError:
                raise
            except UserFacingError as error:
                if code_of(error.__cause__ or error) in THROTTLED_CODES:
                    self._patience = min(self._patience * 2, 16)
                trouble = str(error)
                _logger.warning("%s could not be looked at: %s", name, error)
            except Exception as error:
                code = code_of(error)
                if code in LOGIN_CODES:
                    return self._wait_for_login(str(explain(code, message_of(error), _STOPPED, self._aws.profile)))
                if code in THROTTLED_CODES:
                    self._patience = min(self._patience * 2, 16)
                trouble = str(explain(code, message_of(error), tr("{name} could not be looked at.").format(name=name)))
                _logger.warning("%s could not be looked at", name, exc_info=error)
                if is_unanswered(error):
                    break  # nor will it answer for the others
            else:
                self._patience = max(1.0, self._patience / 2)
        self.notice = trouble
        self.calls += self._calls
        polite = self._calls * 60 / MAX_CALLS_PER_MINUTE - (time.monotonic() - started)
        rest = max(self._timing.interval, polite) * self._patience
        return min(rest, _LONGEST_PAUSE_S) if names else _IDLE_S

    def _beat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.beat()

    def _watch_endpoints(self) -> str:
        """Let the lifetimes do what is due; returns why they could not. A login that has ended is raised."""
        try:
            if self._lifetimes.is_needed():
                self._lifetimes.run_due()
        except LoginNeeded:
            raise
        except UserFacingError as error:  # jobs are followed all the same
            _logger.warning("the endpoints could not be looked after: %s", error)
            return str(error)
        return ""

    def _wait_for_login(self, notice: str) -> float:
        if notice != self.notice:
            _logger.warning("%s", notice)
        self.notice = notice
        self._aws.renew()
        self._tracker.forget()
        return self._timing.login


_LEADER_STANDS_STILL = tr(
    "Another process of Sagehound follows the jobs on AWS and stands still: nothing new is known "
    "of them. Close it, or end it if it does not close; then this one takes over."
)
_STOPPED = tr("The jobs on AWS cannot be watched at the moment.")
