"""What jobs and endpoints on a cloud cost: prices, what a job will cost, what it was billed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from core.translation import plural, tr

Use = Literal["Training", "Hosting"]


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per hour of one instance; None where it is not known. `source` is a phrase that says where it is from."""

    usd_per_hour: float | None
    source: str
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job will cost, in dollars: `likely` and `worst` (every job to its longest run time).

    `jobs` counts trials, `features` the jobs that may compute the frozen features before them.
    """

    price: Price
    likely: float | None
    worst: float | None
    jobs: int
    spot: bool
    features: int = 0

    @property
    def all_jobs(self) -> int:
        """Return how many training jobs may run."""
        return self.jobs + self.features

    @property
    def text(self) -> str:
        """Return one or two sentences for people."""
        if self.price.usd_per_hour is None or self.worst is None:
            return tr("What this costs is not known: {source}.").format(source=self.price.source)
        parts = [
            tr("{usd_per_hour} per instance and hour ({source})").format(
                usd_per_hour=_usd(self.price.usd_per_hour), source=self.price.source
            )
        ]
        if self.likely is not None:
            parts.append(tr("likely {usd}").format(usd=_usd(self.likely)))
        parts.append(
            plural(
                "at most {worst} for {count} job",
                "at most {worst} for {count} jobs",
                self.all_jobs,
                worst=_usd(self.worst),
            )
        )
        said = f"{', '.join(parts)}."
        if self.spot:
            spot = tr("Spot instances usually cost far less; the figures are those of on-demand.")
            said = f"{said} {spot}"
        return said


@cache
def snapshot() -> Mapping[str, Any]:
    """Return resources/prices.json."""
    text = resources.files("resources").joinpath("prices.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do a job: from start to end in seconds, machine time in seconds, and dollars (None: unknown)."""

    seconds: float
    machine_seconds: float
    usd: float | None


@dataclass(frozen=True, slots=True)
class Machines:
    """So many machines of a type that compute the frozen features, and what they take and cost."""

    count: int
    instance_type: str
    way: Way


@dataclass(frozen=True, slots=True)
class CloudForecast:
    """The ways in which a job may be done.

    `once`: features computed once (None where trials cannot share them); `each`: pictures in every trial; `packed`: a
    whole search as one job (None where it is none). `is_packed`: that is what was asked for. `trials` is their number.
    `machines` compute the features as it was asked for, `proposed` ones would have them sooner; None where there are
    none to compute, or nothing is gained.
    """

    cost: Cost
    once: Way | None
    each: Way | None
    packed: Way | None = None
    is_packed: bool = False
    trials: int = 1
    machines: Machines | None = None
    proposed: Machines | None = None

    @property
    def separate(self) -> Way | None:
        """Return the way with a job for each trial."""
        return self.once or self.each

    @property
    def chosen(self) -> Way | None:
        """Return the way that was asked for."""
        return self.packed if self.is_packed else self.separate

    @property
    def better_packed(self) -> bool:
        """Whether one job would cost less machine time and end sooner than what was asked for."""
        one, many = self.packed, self.separate
        if self.is_packed or one is None or many is None:
            return False
        return one.machine_seconds < many.machine_seconds and one.seconds < many.seconds

    @property
    def text(self) -> str:
        """Return what it takes and costs, in sentences."""
        lines = [self.cost.text]
        if not self.is_packed and self.once is not None and self.each is not None:
            lines.append(
                tr("Features once: {once}. Pictures in every trial: {each}.").format(
                    once=_way(self.once), each=_way(self.each)
                )
            )
        if self.packed is not None and self.separate is not None:
            lines.append(
                tr("{trials} jobs: about {separate}; as one job: about {packed}.").format(
                    trials=self.trials, separate=_way(self.separate), packed=_way(self.packed)
                )
            )
        if self.machines is not None and (self.proposed is not None or self.machines.count > 1):
            lines.append(tr("Features on {machines}.").format(machines=machines_text(self.machines)))
        if self.proposed is not None:
            lines.append(
                tr("With --feature-machines {count} --feature-instance-type {instance_type}: about {figures}.").format(
                    count=self.proposed.count,
                    instance_type=self.proposed.instance_type,
                    figures=_way(self.proposed.way),
                )
            )
        if self.better_packed:
            lines.append(tr("Add --packed to run it as one job."))
        return " ".join(lines)


@dataclass(frozen=True, slots=True)
class Bill:
    """What finished jobs were billed: seconds, dollars (None: unknown) and the share that spot saved (0…1)."""

    billable_seconds: int
    usd: float | None
    saved: float


def machines_text(machines: Machines) -> str:
    """Return what computes the features, and what it takes and costs."""
    return tr("{count} x {instance_type}: about {figures}").format(
        count=machines.count, instance_type=machines.instance_type, figures=_way(machines.way)
    )


def _usd(amount: float) -> str:
    return f"${amount:.2f}" if amount >= 0.1 else f"${amount:.4f}"


def _way(way: Way) -> str:
    minutes = f"{way.seconds / 60:.0f} min"
    return minutes if way.usd is None else f"{minutes}, ${way.usd:.2f}"
