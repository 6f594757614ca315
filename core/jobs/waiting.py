"""What has to be said of jobs that are left alone before the cloud has them."""

from __future__ import annotations

from collections.abc import Sequence

from core.engine_names import LOCAL
from core.jobs.records import Job
from core.translation import tr


def waits_for_features(jobs: Sequence[Job]) -> str:
    """Return what becomes of the jobs in the cloud that wait for their frozen features; "" where none does."""
    waiting = [job.name for job in jobs if job.engine != LOCAL and job.secondary_status == "PreparingFeatures"]
    if not waiting:
        return ""
    return tr(
        "The frozen features of {waiting} are computed first. After that Sagehound creates the "
        "rest in the background, while this computer runs and is logged in; else when Sagehound "
        "is used the next time."
    ).format(waiting=", ".join(waiting))
