"""How figures are written for people: numbers, durations, moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from core import durations
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
    """Return seconds as `core.durations` has them."""
    return durations.duration(seconds, NONE)


def moment(time: float | None) -> str:
    """Return Unix seconds as local date and time to the minute."""
    return NONE if time is None else datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M")


def some_lines(sentences: Sequence[str], most: int) -> str:
    """Return the first sentences, a line each, and how many more there are."""
    more = len(sentences) - most
    last = [tr("And {count:,} more: sagehound show has them all.").format(count=more)] if more > 0 else []
    return "\n".join([*sentences[:most], *last])


def short_count(count: int) -> str:
    """Return a count in at most four letters: 999, 1.4k, 14k, 1.2M."""
    if count < 1000:
        return str(count)
    if count < 10_000:
        return f"{count // 100 / 10:.1f}k"
    return f"{count // 1000}k" if count < 1_000_000 else f"{count / 1e6:.1f}M"


def short_folder(folder: Path | str) -> str:
    """Return the end of a folder's path, by which people know it."""
    parts = Path(folder).parts
    return str(folder) if len(parts) <= 3 else str(Path("…", *parts[-2:]))
