"""The words of profiles: phases of a step, and times from milliseconds to hours."""

from __future__ import annotations

PHASE_WORDS = {
    "data_loading": "Data loading",
    "forward": "Forward",
    "backward": "Backward",
    "optimizer": "Optimizer",
    "evaluation": "Evaluation",
    "other": "Other",
    "untraced": "Not traced",
}


def seconds(value: float) -> str:
    """Return a duration for people: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if value < 0.0995:
        return f"{1000 * value:.3g} ms"
    if value < 99.5:
        return f"{value:.2g} s" if value < 9.95 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
