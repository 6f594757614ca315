"""The start of a supervisor: its fork server first, which takes longest, then the supervisor itself."""

from __future__ import annotations

import contextlib
from pathlib import Path


def main(job: str, home: str, starter_pid: str, starter_started: str) -> int:
    """Do a job; see `core.engines.local.supervisor.main`."""
    with contextlib.suppress(ImportError, OSError, ValueError, LookupError):  # then it is started when it is needed
        from core.engines.local.fork_server import start_early

        start_early(Path(home) / "jobs" / job / "runtime.json")
    from core.engines.local.supervisor import main as supervise

    return supervise(job, home, starter_pid, starter_started)
