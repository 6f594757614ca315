"""What a job on SageMaker will cost, in words and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.jobs.specs import CloudResources, Spec, TuningSpec
from core.translation import plural, tr
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
    worst = plural(
        "{dollars} if it takes its longest run",
        "{dollars} if each of {count:,} jobs takes its longest run",
        cost.all_jobs,
        dollars=dollars(cost.worst),
    )
    rows = [
        (tr("Per hour"), tr("{dollars} each instance").format(dollars=dollars(cost.price.usd_per_hour))),
        (tr("At most"), worst),
    ]
    if (machines := forecast.machines) is not None and (machines.count > 1 or forecast.proposed is not None):
        on = tr("{count:,} x {instance_type}: {figures}")
        rows.append(
            (
                tr("Features on"),
                on.format(count=machines.count, instance_type=machines.instance_type, figures=_way(machines.way)),
            )
        )
    if forecast.packed is not None:
        rows.append((tr("As one job"), _way(forecast.packed)))
    if forecast.each is not None:
        once = tr("not possible here") if forecast.once is None else _way(forecast.once)
        rows += [(tr("Features once"), once), (tr("In every trial"), _way(forecast.each))]
    return rows


def source_text(forecast: CloudForecast) -> str:
    """Return where the price is from, and what the figures leave out."""
    price = forecast.cost.price
    if price.usd_per_hour is None:
        return tr("The price is not known: {source}.").format(source=price.source)
    said = [tr("Price: {source}. Storage and transfer come on top.").format(source=price.source)]
    if forecast.cost.spot:
        said.append(tr("Spot instances usually cost far less; these are on-demand prices."))
    return " ".join(said)


def time_text(forecast: CloudForecast | None) -> str:
    """Return how long it takes from the launch to the end."""
    way = None if forecast is None else forecast.chosen
    if way is None:
        return "…"
    duration = formatting.duration(way.seconds)
    return tr("About {duration}, with the wait for machines (estimate)").format(duration=duration)


def cost_text(forecast: CloudForecast | None) -> str:
    """Return the cost in one line."""
    if forecast is None:
        return tr("Asking for the price…")
    cost = forecast.cost
    if cost.worst is None:
        return tr("Not known: no price was found")
    sentence = tr("At most {worst}") if cost.likely is None else tr("Likely {likely}, at most {worst}")
    return sentence.format(likely=dollars(cost.likely), worst=dollars(cost.worst))


def confirmation(spec: Spec, forecast: CloudForecast) -> list[str]:
    """Return the sentences that are read before a job is started."""
    cloud = spec.training.cloud or CloudResources()
    cost = forecast.cost
    what = [_what(spec, cost.jobs, cloud.instance_count, cloud.instance_type)]
    if cost.features:
        machines = cloud.for_features
        what.append(
            plural(
                "Before them, one job on one {instance_type} computes the frozen features.",
                "Before them, one job on {count:,} {instance_type} computes the frozen features, and one more those "
                "that it may leave out.",
                machines.instance_count,
                instance_type=machines.instance_type,
            )
        )
    price = []
    if cost.worst is None:
        price.append(tr("What it costs is not known: no price was found for this instance type."))
    else:
        if cost.likely is not None:
            price.append(tr("It will likely cost {dollars}.").format(dollars=dollars(cost.likely)))
        most = tr("At most it costs {dollars}: every job is ended after {longest}.")
        price.append(most.format(dollars=dollars(cost.worst), longest=formatting.duration(spec.training.max_runtime_s)))
    if cloud.cap_usd is not None:
        cap = tr("It is stopped once it has cost about {dollars}, while this computer runs.")
        price.append(cap.format(dollars=dollars(cloud.cap_usd)))
    return [" ".join(what), " ".join(price), source_text(forecast)]


def _what(spec: Spec, jobs: int, instances: int, instance_type: str) -> str:
    """Return what is started, in one sentence."""
    if not isinstance(spec, TuningSpec):
        return plural(
            "One training job, on one {instance_type} in your AWS account.",
            "One training job, on {count:,} {instance_type} in your AWS account.",
            instances,
            instance_type=instance_type,
        )
    if spec.packed:
        return plural(
            "One job with all trials, on one {instance_type} in your AWS account.",
            "One job with all trials, on {count:,} {instance_type} in your AWS account.",
            instances,
            instance_type=instance_type,
        )
    return plural(
        "{trials}, {at_once:,} at once, each on one {instance_type} in your AWS account.",
        "{trials}, {at_once:,} at once, each on {count:,} {instance_type} in your AWS account.",
        instances,
        trials=plural("{count:,} trial", "{count:,} trials", jobs),
        at_once=min(spec.max_parallel_jobs, jobs),
        instance_type=instance_type,
    )


def packed_offer(forecast: CloudForecast) -> str:
    """Return the words that offer one job, whose time and cost are among the rows, where it is better; "" elsewhere."""
    return tr("Run it as one job") if forecast.better_packed and forecast.packed is not None else ""


def machines_offer(forecast: CloudForecast) -> str:
    """Return what more machines would take and cost where they have the features sooner; "" where they have not."""
    if (machines := forecast.proposed) is None:
        return ""
    return tr("Features on {count:,} x {instance_type}:\n{figures}").format(
        count=machines.count, instance_type=machines.instance_type, figures=_way(machines.way)
    )


def _way(way: Way) -> str:
    cost = "" if way.usd is None else f", {dollars(way.usd)}"
    return f"{formatting.duration(way.seconds)}{cost}"
