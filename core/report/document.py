"""The report as a document: sections of blocks, which HTML and PDF draw alike.

A block says what is to be seen, never how: colours are numbers of a palette, and sizes are the renderer's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from core.profiler.results import Finding
from core.profiler.traces import Floats

Tone = Literal["plain", "good", "warning", "muted"]

SERIES = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#999999")
"""The palette of curves and parts (Okabe and Ito 2008; grey for their black), the window's own."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph of plain text."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the report comes to, in two sentences."""

    sentences: tuple[str, ...]
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a run: (name, value) pairs."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """A row of key figures: (label, value, note)."""

    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings, as cards."""

    items: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `right` are the indexes of columns of numbers; `tones` colours the first cell of a row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    widths: tuple[float, ...] = ()
    tones: tuple[Tone, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One curve of a chart, with a band from `low` to `high` where given; or single `points` that nothing joins."""

    label: str
    colour: int
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None
    points: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LineChart:
    """Curves over time or steps. `limits` are (label, y) horizontal lines; `y_max` and `x_range` fix the scales.

    Without `from_zero` the vertical scale is as long as the values differ, for points of which each may be the best.
    """

    title: str
    lines: tuple[Line, ...]
    x_label: str
    unit: str
    y_max: float | None = None
    limits: tuple[tuple[str, float], ...] = ()
    note: str = ""
    x_range: tuple[float, float] | None = None
    from_zero: bool = True

    @property
    def span(self) -> tuple[float, float]:
        """Return where the vertical scale begins and ends."""
        if self.y_max is not None:
            return 0.0, self.y_max
        parts = [values for line in self.lines for values in (line.y, line.low, line.high) if values is not None]
        every = np.concatenate([*parts, np.array([y for _, y in self.limits])])
        low, high = float(every.min(initial=np.inf)), float(every.max(initial=-np.inf))
        if not len(every) or (self.from_zero and low >= 0):
            return 0.0, high * 1.06 if high > 0 else 1.0
        pad = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
        return low - pad, high + pad


@dataclass(frozen=True, slots=True, eq=False)
class AreaChart:
    """Layers that add up, over time: (label, colour, y) with y in 0…1, on the common `x`."""

    title: str
    x: Floats
    layers: tuple[tuple[str, int, Floats], ...]
    x_label: str
    note: str = ""
    x_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ShareBar:
    """One bar of parts that make a whole: (label, colour, value, value as text)."""

    title: str
    parts: tuple[tuple[str, int, float, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts between `edges` (B + 1,); `marks` are (label, x) vertical lines."""

    title: str
    edges: Floats
    counts: Floats
    colour: int
    x_label: str
    marks: tuple[tuple[str, float], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class BoxPlot:
    """Five quantiles of several things: (label, p5, p25, p50, p75, p95), on a common scale from 0 to `top`.

    Without `top` the scale ends at the largest quantile.
    """

    title: str
    boxes: tuple[tuple[str, float, float, float, float, float], ...]
    unit: str = "%"
    top: float | None = 100.0
    note: str = ""

    @property
    def end(self) -> float:
        """Return where the scale ends."""
        return self.top or max((box[-1] for box in self.boxes), default=0.0) * 1.05 or 1.0


Chart = LineChart | AreaChart | Histogram | BoxPlot | ShareBar
Block = Text | Verdict | Facts | Figures | Findings | Table | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of the report; `key` names it in links, which are unique within a document."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report; the first section is its first page."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: str
    facts: tuple[str, ...] = field(default_factory=tuple)


WHOLE = frozenset(("epoch", "step", "trial"))
"""Labels of axes that count: nothing is between 1 and 2."""


def nice_ticks(low: float, high: float, count: int = 5, *, whole: bool = False) -> list[float]:
    """Return about `count` round numbers from `low` to `high`; `whole` ones only where asked."""
    if not high > low:
        return [low]
    if whole and high - low <= count:
        return [float(tick) for tick in range(int(np.ceil(low)), int(np.floor(high)) + 1)]
    rough = (high - low) / count
    magnitude = 10.0 ** np.floor(np.log10(rough))
    step = float(next((m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough), 10 * magnitude))
    first = np.ceil(low / step - 1e-9) * step
    return [float(first + i * step) for i in range(int((high - first) / step + 1e-6) + 1)]


def quantity(value: float, unit: str) -> str:
    """Return a value with its unit for people: 12%, 3.4 MB/s, 250/s, 12.5 ms; the unit "1" is a plain count."""
    if not np.isfinite(value):
        return "—"
    if unit == "%":
        return f"{value:.0f}%" if abs(value) >= 9.95 or value == round(value) else f"{value:.1f}%"
    if unit == "s":
        return _duration(value)
    if unit.startswith("B"):
        for prefix, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if abs(value) >= factor:
                return f"{value / factor:.3g} {prefix}{unit}"
        return f"{value:,.0f} {unit}"
    number = f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
    return f"{number} {unit}" if unit and unit[0] != "1" else number + unit.removeprefix("1")


def _duration(value: float) -> str:
    if value == 0:
        return "0 s"
    if abs(value) < 1e-3:
        return f"{1e6 * value:.3g} µs"
    return f"{1e3 * value:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
