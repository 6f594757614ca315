"""What was learnt of a job on SageMaker, written down in the store and in the job's folder."""

from __future__ import annotations

import time
from collections.abc import Callable

from core.debugger.aws_output import SUFFIX
from core.engines.local.recovery import write_record
from core.jobs.contract import JobFolder
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import JobChanges, Store


class Recording:
    """Writes down how jobs are and how they ended; remembers what it said, which is no event again.

    Args:
        on_end: hears of each job that has ended.
    """

    def __init__(self, paths: AppPaths, store: Store, on_end: Callable[[str], None]) -> None:
        self._paths, self._store, self._on_end = paths, store, on_end
        self._told: dict[str, tuple[JobStatus, str, float | None]] = {}

    def tell(
        self,
        name: str,
        status: JobStatus,
        secondary: str,
        started: float | None = None,
        progress: float | None = None,
    ) -> None:
        """Write down a change; what is known already is not an event."""
        if self._told.get(name) == (status, secondary, started):
            return
        record = self._store.job(name)
        if record.status is JobStatus.STOPPING and not status.is_final:
            status, secondary = JobStatus.STOPPING, "Stopping"  # it was asked to, AWS just does not say so yet
        changes: JobChanges = {"status": status, "secondary_status": secondary}
        if started is not None:
            changes["started"] = started
        if progress is not None:
            changes["progress"] = progress
        if (record.status, record.secondary_status) != (status, secondary) or record.started != started:
            self._store.update_job(name, **changes)
        self._told[name] = (status, secondary, started)

    def fail(self, name: str, reason: str) -> None:
        """Record that a job failed."""
        self.finish(name, JobStatus.FAILED, "Failed", reason)

    def finish(
        self,
        name: str,
        status: JobStatus,
        secondary: str,
        reason: str = "",
        ended: float = 0.0,
        changes: JobChanges | None = None,
    ) -> None:
        """Record how a job ended, in its folder first; rules that still run for it end with it."""
        record, changes = self._store.job(name), changes or {}
        if status is JobStatus.STOPPED:
            reason = reason or record.failure_reason  # why it was stopped
        changes |= {"status": status, "secondary_status": secondary, "failure_reason": reason[:1024]}
        # AWS's clock and this one may differ.
        changes["ended"] = max(ended or time.time(), changes.get("started") or record.started or record.created)
        write_record(self._store, JobFolder(self._paths.jobs / name), name, **changes)
        self._store.update_job(name, **changes)
        for job in (name, *(trial.name for trial in self._store.trials(name))):
            self._store.end_rules(job, spared=SUFFIX)
        self._told.pop(name, None)
        self._on_end(name)
