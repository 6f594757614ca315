"""How figures are written for people: numbers, durations, moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from core.translation import tr

NONE = "—"
"""Stands for a figure that is not known."""


def number(value: float | None, digits: int = 4) -> str:
    """Return a value with `digits` significant figures; very small and large ones in powers of ten."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return tr("not a number") if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if 1e-3 <= abs(value) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:.{min(decimals, digits)}f}"
    return f"{value:.{digits - 1}g}"


def parameter(text: str) -> str:
    """Return a hyperparameter's string, shortened where it is a long float."""
    if len(text) <= 8:
        return text
    try:
        return number(float(text))
    except ValueError:
        return text


def duration(seconds: float | None) -> str:
    """Return seconds as "0.4 s", "12 s", "3 min 20 s", "2 h 5 min" or "1 d 3 h"."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return tr("{seconds:.1f} s").format(seconds=seconds)
    whole = round(seconds)
    if whole < 60:
        return tr("{seconds} s").format(seconds=whole)
    if whole < 3600:
        return tr("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60)
    if whole < 86400:
        return tr("{hours} h {minutes} min").format(hours=whole // 3600, minutes=whole % 3600 // 60)
    return tr("{days} d {hours} h").format(days=whole // 86400, hours=whole % 86400 // 3600)


def moment(time: float | None) -> str:
    """Return Unix seconds as local date and time to the minute."""
    return NONE if time is None else datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M")


def some_lines(sentences: Sequence[str], most: int) -> str:
    """Return the first sentences, a line each, and how many more there are."""
    more = len(sentences) - most
    last = [tr("And {count:,} more: sagehound show has them all.").format(count=more)] if more > 0 else []
    return "\n".join([*sentences[:most], *last])
