"""How long the watching of jobs on AWS waits for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds.

    Attributes:
        interval: between two looks at AWS, at least.
        settle: how long the log of a job that has ended must be silent before its record is final.
        late: after so long since its end, the log of a job is complete, silent or not.
        start: how long AWS may take to answer that it has created a job.
        login: between two looks whether the user has logged in again.
        silence: how long the process that asks AWS for all others may give no sign of life.
        delete: between two tries to delete an endpoint that is busy.
    """

    interval: float = 5.0
    settle: float = 10.0
    late: float = 30.0
    start: float = 300.0
    login: float = 15.0
    silence: float = 300.0
    delete: float = 5.0
