"""Tables of labels over drawn pictures."""

from __future__ import annotations

import csv
import io

from tests.core.formats.drawn import SAID


def table(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()


def of_all(*columns: str) -> list[list[str]]:
    """A header, and a row for each of the eight pictures."""
    return [list(columns), *([name, label] for name, label in SAID.items())]
