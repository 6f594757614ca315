"""The charts of the report as inline SVG; colours are the style sheet's."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np

from core.profiler.traces import Floats
from core.report.document import (
    WHOLE,
    AreaChart,
    BoxPlot,
    Chart,
    Histogram,
    LineChart,
    ShareBar,
    nice_ticks,
    quantity,
)

_WIDTH, _HEIGHT = 540.0, 200.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 10.0, 8.0, 34.0


def draw(chart: Chart) -> str:
    """Return one chart as an element."""
    match chart:
        case LineChart():
            return _line_chart(chart)
        case AreaChart():
            return _area_chart(chart)
        case Histogram():
            return _histogram(chart)
        case BoxPlot():
            return _box_plot(chart)
        case ShareBar():
            return _share_bar(chart)


class _Frame:
    """Scales of a plot with axes: data to SVG units."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], height: float = _HEIGHT) -> None:
        self.x0, self.x1 = x if x[1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
        self.y0, self.y1 = y if y[1] > y[0] else (y[0], y[0] + 1.0)
        self.height = height

    def px(self, values: Floats) -> Floats:
        """Return (N,) horizontal positions."""
        return _LEFT + (values - self.x0) / (self.x1 - self.x0) * (_WIDTH - _LEFT - _RIGHT)

    def py(self, values: Floats) -> Floats:
        """Return (N,) vertical positions."""
        inner = self.height - _TOP - _BOTTOM
        return self.height - _BOTTOM - (np.clip(values, self.y0, self.y1) - self.y0) / (self.y1 - self.y0) * inner

    def axes(self, unit: str, x_label: str) -> str:
        """Return grid lines, tick labels and the label of the horizontal axis."""
        parts = []
        shown = set()
        for tick in nice_ticks(self.y0, self.y1, 4):
            label = escape(quantity(tick, unit))
            if label in shown:  # a scale of one byte or less
                continue
            shown.add(label)
            y = float(self.py(np.array([tick]))[0])
            parts.append(f'<path class="grid" d="M{_LEFT:.0f} {y:.1f}H{_WIDTH - _RIGHT:.0f}"/>')
            parts.append(f'<text class="tick" x="{_LEFT - 6:.0f}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>')
        base = self.height - _BOTTOM
        for tick in nice_ticks(self.x0, self.x1, 6, whole=x_label in WHOLE):
            x = float(self.px(np.array([tick]))[0])
            parts.append(f'<text class="tick" x="{x:.1f}" y="{base + 14:.0f}" text-anchor="middle">{tick:g}</text>')
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        label = escape(x_label)
        parts.append(f'<text class="tick" x="{middle:.0f}" y="{base + 29:.0f}" text-anchor="middle">{label}</text>')
        parts.append(f'<path class="axis" d="M{_LEFT:.0f} {base:.1f}H{_WIDTH - _RIGHT:.0f}"/>')
        return "".join(parts)


def _line_chart(chart: LineChart) -> str:
    lines = [line for line in chart.lines if len(line.x)]
    if not lines:
        return ""
    ends = (min(float(line.x.min()) for line in lines), max(float(line.x.max()) for line in lines))
    frame = _Frame(chart.x_range or ends, chart.span)
    parts = [frame.axes(chart.unit, chart.x_label)]
    for line in lines:
        x = frame.px(line.x)
        if line.low is not None and line.high is not None and len(lines) <= 4:
            outline = f"M{_points(x, frame.py(line.high))}L{_points(x[::-1], frame.py(line.low)[::-1])}Z"
            parts.append(f'<path class="band f{line.colour % 8}" d="{outline}"/>')
    for line in lines:
        across, up = frame.px(line.x), frame.py(line.y)
        if line.points or len(line.x) == 1:
            # A dot is a line of no length with round ends: it keeps its size when the picture is scaled.
            dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(across.tolist(), up.tolist(), strict=True))
            parts.append(f'<path class="dot s{line.colour % 8}" d="{dots}"/>')
        else:
            parts.append(f'<path class="line s{line.colour % 8}" d="M{_points(across, up)}"/>')
    for label, y in chart.limits:
        at = float(frame.py(np.array([y]))[0])
        parts.append(f'<path class="limit" d="M{_LEFT:.0f} {at:.1f}H{_WIDTH - _RIGHT:.0f}"/>')
        parts.append(
            f'<text class="tick" x="{_WIDTH - _RIGHT:.0f}" y="{at - 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )
    return _svg(chart.title, _HEIGHT, parts)


def _area_chart(chart: AreaChart) -> str:
    if not len(chart.x) or not chart.layers:
        return ""
    height = 150.0
    frame = _Frame(chart.x_range or (float(chart.x.min()), float(chart.x.max())), (0.0, 100.0), height)
    parts = [frame.axes("%", chart.x_label)]
    width = float(chart.x[1] - chart.x[0]) if len(chart.x) > 1 else 1.0
    edges = np.minimum(frame.px(np.append(chart.x, chart.x[-1] + width)), _WIDTH - _RIGHT)
    x = np.repeat(edges, 2)[1:-1]  # each bucket is flat from its beginning to its end
    base: Floats = np.zeros(len(chart.x))
    for _, colour, y in chart.layers:
        top: Floats = np.minimum(base + 100 * y, 100.0)
        upper, lower = (np.repeat(frame.py(edge), 2) for edge in (top, base))
        outline = f"M{_points(x, upper)}L{_points(x[::-1], lower[::-1])}Z"
        parts.append(f'<path class="area f{colour % 8}" d="{outline}"/>')
        base = top
    return _svg(chart.title, height, parts)


def _histogram(chart: Histogram) -> str:
    frame = _Frame((float(chart.edges[0]), float(chart.edges[-1])), (0.0, float(chart.counts.max()) * 1.08))
    parts = [frame.axes("1", chart.x_label)]
    left, right = frame.px(chart.edges[:-1]), frame.px(chart.edges[1:])
    top, base = frame.py(chart.counts), frame.height - _BOTTOM
    bars = "".join(
        f"M{a:.1f} {base:.1f}V{y:.1f}H{b - 0.8:.1f}V{base:.1f}Z"
        for a, b, y, count in zip(left, right, top, chart.counts, strict=True)
        if count
    )
    parts.append(f'<path class="area f{chart.colour % 8}" d="{bars}"/>')
    for row, (label, value) in enumerate(chart.marks):
        x = float(frame.px(np.array([value]))[0])
        parts.append(f'<path class="limit" d="M{x:.1f} {_TOP:.0f}V{base:.1f}"/>')
        parts.append(f'<text class="tick" x="{x + 4:.1f}" y="{_TOP + 10 + 13 * row:.0f}">{escape(label)}</text>')
    return _svg(chart.title, _HEIGHT, parts)


def _box_plot(chart: BoxPlot) -> str:
    """Return rows of words and pictures: only the pictures are stretched, so the words stay readable when narrow."""

    def at(value: float) -> float:
        return 100 * value / chart.end

    rows = []
    for label, p5, p25, p50, p75, p95 in chart.boxes:
        said = " ".join(quantity(value, chart.unit) for value in (p5, p25, p50, p75, p95))
        grid = "".join(f'<path class="grid" d="M{at(tick):.2f} 0V16"/>' for tick in nice_ticks(0.0, chart.end, 4))
        rows.append(
            f'<span>{escape(label)}</span><svg viewBox="0 0 100 16" preserveAspectRatio="none" role="img" '
            f'aria-label="{escape(f"{label}: {said}")}"><title>{escape(f"{label}: {said}")}</title>{grid}'
            f'<path class="line s0" d="M{at(p5):.2f} 8H{at(p95):.2f}"/>'
            f'<rect class="box" x="{at(p25):.2f}" y="1" width="{max(0.1, at(p75) - at(p25)):.2f}" height="14"/>'
            f'<path class="median" d="M{at(p50):.2f} 0v16"/></svg>'
        )
    ticks = "".join(
        f'<span style="left:{at(tick):.2f}%">{escape(quantity(tick, chart.unit))}</span>'
        for tick in nice_ticks(0.0, chart.end, 4)
    )
    return f'<div class="boxes">{"".join(rows)}<span></span><div class="ticks">{ticks}</div></div>'


def _share_bar(chart: ShareBar) -> str:
    total, x, width = sum(part[2] for part in chart.parts), 0.0, 1100.0
    parts = []
    for label, colour, value, text in chart.parts:
        share = value / total * width
        parts.append(
            f'<rect class="area f{colour % 8}" x="{x:.1f}" y="0" width="{max(0.0, share - 2):.1f}" height="26" rx="3">'
            f"<title>{escape(f'{label}: {text}')}</title></rect>"
        )
        x += share
    return (
        f'<svg class="bar" viewBox="0 0 {width:.0f} 26" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(chart.title)}">{"".join(parts)}</svg>'
    )


def _points(x: Floats, y: Floats) -> str:
    return "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _svg(title: str, height: float, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
