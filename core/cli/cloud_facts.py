"""What is to be said of a job on SageMaker besides its record: what it costs, and what AWS recorded otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.engine_names import LOCAL
from core.jobs.records import Job
from core.translation import tr
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.cloud.interface import Cloud


def cloud_facts(workbench: Workbench, job: Job) -> dict[str, Any]:
    """Return members of the job's JSON: `differences` and `cost`; none for a job that ran on this computer."""
    engine = workbench.cloud if job.engine != LOCAL else None
    if engine is None:
        return {}
    cost: dict[str, Any] = {"usd": engine.spent(job.name), "final": False}
    if job.status.is_final:
        bill = engine.bill(job.name)
        cost = {"usd": bill.usd, "final": True, "billable_seconds": bill.billable_seconds, "spot_saved": bill.saved}
    return {"differences": list(engine.differences(job.name)), "cost": cost}


def cloud_lines(workbench: Workbench, job: Job) -> list[str]:
    """Return the same in sentences."""
    engine = workbench.cloud if job.engine != LOCAL else None
    if engine is None:
        return []
    money = bill_text(engine, job.name) if job.status.is_final else meter_text(engine, job.name)
    return [money, *engine.differences(job.name)]


def meter_text(engine: Cloud, name: str) -> str:
    """Return what a running job has cost so far, in a sentence."""
    usd = engine.spent(name)
    return (
        tr("What it has cost so far is not known.")
        if usd is None
        else tr("It has cost about ${usd:.2f} so far.").format(usd=usd)
    )


def bill_text(engine: Cloud, name: str) -> str:
    """Return what a finished job was billed, in a sentence."""
    bill = engine.bill(name)
    if bill.usd is None:
        said = (
            tr("Billed: {seconds} s of training; spot saved {saved:.0%}.")
            if bill.saved
            else tr("Billed: {seconds} s of training.")
        )
    else:
        said = (
            tr("Billed: {seconds} s of training, about ${usd:.2f}; spot saved {saved:.0%}.")
            if bill.saved
            else tr("Billed: {seconds} s of training, about ${usd:.2f}.")
        )
    return said.format(seconds=bill.billable_seconds, usd=bill.usd, saved=bill.saved)
