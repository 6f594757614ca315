"""What a command prints: its result on stdout, progress on stderr."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from core.progress import Progress

_BAR = 24
_TERMINAL_INTERVAL = 0.1
_PLAIN_INTERVAL = 5.0


class Console:
    """Text for people or, with `as_json`, one JSON document for machines."""

    def __init__(self, as_json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._terminal = self._err.isatty()
        # A pipe gets no line before the first interval is over: what is quick leaves no noise in a log.
        self._last_shown = 0.0 if self._terminal else time.monotonic()
        self._line_open = False

    @property
    def side(self) -> TextIO:
        """Return where everything goes that is not the result."""
        return self._err

    def result(self, data: Any, text: str | Callable[[], str]) -> None:
        """Print a command's result: `data` as JSON, or `text`."""
        self.end_progress()
        if self.as_json:
            json.dump(data, self._out, ensure_ascii=False, indent=2, allow_nan=False, default=str)
            self._out.write("\n")
        else:
            self._out.write((text if isinstance(text, str) else text()).rstrip("\n") + "\n")
        self._out.flush()

    def note(self, text: str) -> None:
        """Say something on the side (stderr)."""
        self.end_progress()
        print(text, file=self._err, flush=True)

    def progress(self, progress: Progress) -> None:
        """Show how far the work is: a bar on a terminal, now and then a line elsewhere. A `Report`."""
        now = time.monotonic()
        finished = progress.total is not None and progress.done >= progress.total
        interval = _TERMINAL_INTERVAL if self._terminal else _PLAIN_INTERVAL
        if now - self._last_shown < interval and not (finished and self._terminal):
            return
        self._last_shown = now
        if not self._terminal:
            print(_plain(progress), file=self._err, flush=True)
            return
        width = shutil.get_terminal_size().columns - 1
        self._err.write("\r\x1b[K" + _bar(progress)[:width])
        self._err.flush()
        self._line_open = True

    def end_progress(self) -> None:
        """Clear the bar."""
        if self._line_open:
            self._err.write("\r\x1b[K")
            self._err.flush()
            self._line_open = False


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows as aligned text; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(header), *(len(row[i]) for row in cells), 0) for i, header in enumerate(headers)]
    numeric = [bool(rows) and all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(headers))]

    def line(values: Sequence[str]) -> str:
        parts = [
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line(headers), line(["-" * width for width in widths]), *(line(row) for row in cells)])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return str(value)


def _plain(progress: Progress) -> str:
    if progress.unit == "%":
        return f"{progress.message}: {progress.done} %"
    if progress.total:
        return f"{progress.message}: {progress.done}/{progress.total} {progress.unit}"
    return f"{progress.message}: {progress.done} {progress.unit}" if progress.done else progress.message


def _bar(progress: Progress) -> str:
    if not progress.total:
        return _plain(progress)
    share = min(1.0, progress.done / progress.total)
    filled = round(share * _BAR)
    return f"{'█' * filled}{'·' * (_BAR - filled)} {share:4.0%}  {_plain(progress)}"
