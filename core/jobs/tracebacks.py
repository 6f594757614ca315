"""The last exception in a log."""

from __future__ import annotations

from collections.abc import Sequence


def traceback_of(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the last Python traceback of a log, its exception included; empty if there is none."""
    starts = [place for place, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return ()
    found = [lines[starts[-1]]]
    for line in lines[starts[-1] + 1 :]:
        found.append(line)
        if line and not line[0].isspace():
            return tuple(found)
    return tuple(found)
