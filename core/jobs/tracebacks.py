"""The last exception in a log."""

from __future__ import annotations

import re
from collections.abc import Sequence

_EXCEPTION = re.compile(r"(\w+\.)*[A-Z]\w*(: .*)?")
"""A traceback's last line: a class, and perhaps what it says."""


def traceback_of(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the last Python traceback of a log, its exception included; empty if there is none."""
    starts = [place for place, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if not starts:
        return ()
    found = [lines[starts[-1]]]
    rest = lines[starts[-1] + 1 :]
    flat = bool(rest) and rest[0].startswith('File "')  # AWS's toolkit takes the spaces before every line away
    for line in rest:
        found.append(line)
        if line and not line[0].isspace() and (not flat or _EXCEPTION.fullmatch(line)):
            return tuple(found)
    return tuple(found)
