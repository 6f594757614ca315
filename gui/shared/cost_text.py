"""What a job on SageMaker will cost, in words and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.jobs.specs import CloudResources, Spec, TuningSpec
from gui.shared import formatting

if TYPE_CHECKING:
    from core.cloud.money import CloudForecast, Way


def dollars(amount: float | None) -> str:
    """Return an amount as "$1.25", "$0.0031" or "—"."""
    if amount is None:
        return formatting.NONE
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.4f}"


def cost_rows(forecast: CloudForecast) -> list[tuple[str, str]]:
    """Return (what, figures) of a forecast: price, worst case, and both ways to get at the features."""
    cost = forecast.cost
    jobs = formatting.counted(cost.all_jobs, "job")
    when = "it" if cost.all_jobs == 1 else f"each of {jobs}"
    rows = [
        ("Per hour", f"{dollars(cost.price.usd_per_hour)} each instance"),
        (
            "At most",
            f"{dollars(cost.worst)} if {when} takes its longest run",
        ),
    ]
    if forecast.packed is not None:
        rows.append(("As one job", _way(forecast.packed)))
    if forecast.each is not None:
        once = "not possible here" if forecast.once is None else _way(forecast.once)
        rows += [("Features once", once), ("In every trial", _way(forecast.each))]
    return rows


def source_text(forecast: CloudForecast) -> str:
    """Return where the price is from, and what the figures leave out."""
    price = forecast.cost.price
    if price.usd_per_hour is None:
        return f"The price is not known: {price.source}."
    spot = " Spot instances usually cost far less; these are on-demand prices." if forecast.cost.spot else ""
    return f"Price: {price.source}. Storage and transfer come on top.{spot}"


def time_text(forecast: CloudForecast | None) -> str:
    """Return how long it takes from the launch to the end."""
    way = None if forecast is None else forecast.chosen
    if way is None:
        return "…"
    return f"About {formatting.duration(way.seconds)}, with the wait for machines (estimate)"


def cost_text(forecast: CloudForecast | None) -> str:
    """Return the cost in one line."""
    if forecast is None:
        return "Asking for the price…"
    cost = forecast.cost
    if cost.worst is None:
        return "Not known: no price was found"
    likely = "" if cost.likely is None else f"Likely {dollars(cost.likely)}, "
    return f"{likely}at most {dollars(cost.worst)}"


def confirmation(spec: Spec, forecast: CloudForecast) -> list[str]:
    """Return the sentences that are read before a job is started."""
    cloud = spec.training.cloud or CloudResources()
    instance = f"{'one' if cloud.instance_count == 1 else cloud.instance_count} {cloud.instance_type}"
    cost = forecast.cost
    if isinstance(spec, TuningSpec):
        what = (
            "one job with all trials, on"
            if spec.packed
            else f"{formatting.counted(cost.jobs, 'trial')}, {min(spec.max_parallel_jobs, cost.jobs)} at once, each on"
        )
    else:
        what = "one training job, on"
    if cost.worst is None:
        price = "What it costs is not known: no price was found for this instance type."
    else:
        likely = "" if cost.likely is None else f"It will likely cost {dollars(cost.likely)}. "
        longest = formatting.duration(spec.training.max_runtime_s)
        price = f"{likely}At most it costs {dollars(cost.worst)}: every job is ended after {longest}."
    if cloud.cap_usd is not None:
        price += f" It is stopped once it has cost about {dollars(cloud.cap_usd)}, while this computer runs."
    first = " Before them, one job computes the frozen features." if cost.features else ""
    return [f"{what[0].upper()}{what[1:]} {instance} in your AWS account.{first}", price, source_text(forecast)]


def packed_offer(forecast: CloudForecast) -> str:
    """Return what one job would take and cost where that is better than what was asked for; "" where it is not."""
    if not forecast.better_packed or forecast.packed is None:
        return ""
    return f"Run it as one job: {_way(forecast.packed)}"


def _way(way: Way) -> str:
    cost = "" if way.usd is None else f", {dollars(way.usd)}"
    return f"{formatting.duration(way.seconds)}{cost}"
