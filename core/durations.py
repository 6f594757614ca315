"""How long something took or takes, in words: one wording for the window, the command line and reports."""

from __future__ import annotations

import math

from core.translation import tr


def duration(seconds: float | None, unknown: str = "-") -> str:
    """Return seconds as "0.4 s", "12 s", "3 min 20 s", "2 h 5 min" or "1 d 3 h"; `unknown` where there are none."""
    if seconds is None or not math.isfinite(seconds):
        return unknown
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
