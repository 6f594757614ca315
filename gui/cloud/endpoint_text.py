"""Endpoints in words: how old, what they cost an hour, so far, and a day, and when their life ends."""

from __future__ import annotations

from collections.abc import Sequence

from core.engine import Endpoint
from core.translation import tr
from gui.shared import formatting
from gui.shared.cost_text import dollars

SERVERLESS = "serverless"


def age(endpoint: Endpoint, now: float) -> str:
    """Return how long it is there."""
    return formatting.duration(max(0.0, now - endpoint.created))


def hourly(endpoint: Endpoint) -> str:
    """Return what an hour costs; a serverless one costs nothing while it is not asked."""
    if endpoint.instance_type == SERVERLESS:
        return tr("only while it answers")
    return (
        tr("price not known")
        if endpoint.hourly_usd is None
        else tr("{hourly_usd} an hour").format(hourly_usd=dollars(endpoint.hourly_usd))
    )


def place(endpoint: Endpoint) -> str:
    """Return what it runs on, and in which container."""
    where = (
        tr("Serverless")
        if endpoint.instance_type == SERVERLESS
        else tr("On {instance_type}").format(instance_type=endpoint.instance_type)
    )
    from core.cloud.hosting import Container  # here: the window is painted before

    known = endpoint.container in list(Container)
    return f"{where}, {Container(endpoint.container).label}" if known else where


def so_far(endpoint: Endpoint, now: float) -> str:
    """Return what it has cost since it was made, by its hourly price."""
    if endpoint.hourly_usd is None:
        return formatting.NONE
    return dollars(endpoint.hourly_usd * max(0.0, now - endpoint.created) / 3600)


def end(endpoint: Endpoint, now: float) -> str:
    """Return when it is deleted by itself."""
    if endpoint.deletion_pending:
        return tr("deleted as soon as AWS lets it, while this computer runs")
    if endpoint.expires is None:
        return tr("stays until you delete it") if endpoint.ours else ""
    left = endpoint.expires - now
    return (
        tr("being deleted")
        if left <= 0
        else tr("deleted in {left} while this computer runs").format(left=formatting.duration(left))
    )


def bill(endpoints: Sequence[Endpoint]) -> str:
    """Return what several cost together an hour; "" where that is nothing."""
    known = [item.hourly_usd for item in endpoints if item.hourly_usd is not None]
    return tr("{dollars} an hour").format(dollars=dollars(sum(known))) if known else ""


def costly(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return those of ours that cost money whether somebody asks or not."""
    return tuple(
        item for item in endpoints if item.ours and item.instance_type != SERVERLESS and item.status != "Deleting"
    )


def daily_sentence(endpoint: Endpoint) -> str:
    """Return what an endpoint costs a day when it is left alone."""
    if endpoint.hourly_usd is None:
        return tr("{name} runs on {instance_type}; its price is not known.").format(
            name=endpoint.name, instance_type=endpoint.instance_type
        )
    return tr("{name} costs {dollars} a day on {instance_type}.").format(
        name=endpoint.name, dollars=dollars(24 * endpoint.hourly_usd), instance_type=endpoint.instance_type
    )
