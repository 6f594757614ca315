"""The charts of the report on matplotlib axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.profiler.traces import Floats
from core.report.document import (
    SERIES,
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

_MUTED, _LINE, _TEXT = "#5C665E", "#E1E5DF", "#1C211D"
_SMALL = 6.5
_BELOW_LABEL = -22
"""Points from the horizontal axis down to below its numbers and its name, however high the chart is."""


def draw(chart: Chart, axes: Any) -> None:
    """Draw one chart on `axes` (`matplotlib.axes.Axes`)."""
    match chart:
        case LineChart():
            _line_chart(chart, axes)
        case AreaChart():
            _area_chart(chart, axes)
        case Histogram():
            _histogram(chart, axes)
        case BoxPlot():
            _box_plot(chart, axes)
        case ShareBar():
            _share_bar(chart, axes)


def _dress(axes: Any, unit: str, x_label: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_MUTED)
    axes.tick_params(labelsize=_SMALL, colors=_MUTED, length=0, pad=3)
    axes.grid(axis="y", color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_label, fontsize=_SMALL, color=_MUTED, labelpad=2)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value, unit)))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=x_label in WHOLE))


def _line_chart(chart: LineChart, axes: Any) -> None:
    lines = [line for line in chart.lines if len(line.x)]
    for line in lines:
        colour = SERIES[line.colour % len(SERIES)]
        if line.low is not None and line.high is not None and len(lines) <= 4:
            axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0)
        dots = line.points or len(line.x) == 1
        style = {"linestyle": "none", "marker": "o", "markersize": 2.5} if dots else {"linewidth": 0.8}
        axes.plot(line.x, line.y, color=colour, label=line.label, **style)
    for label, y in chart.limits:
        axes.axhline(y, color=_TEXT, linewidth=0.6, linestyle=(0, (3, 3)))
        axes.annotate(
            label, (1, y), (0, 2), ("axes fraction", "data"), "offset points", ha="right", fontsize=_SMALL, color=_MUTED
        )
    _dress(axes, chart.unit, chart.x_label)
    axes.set_ylim(*chart.span)
    if chart.x_range is not None:
        axes.set_xlim(*chart.x_range)
    if len(lines) > 1:
        _legend(axes)


def _area_chart(chart: AreaChart, axes: Any) -> None:
    base: Floats = np.zeros(len(chart.x))
    for label, colour, y in chart.layers:
        top: Floats = np.minimum(base + 100 * y, 100.0)
        axes.fill_between(chart.x, base, top, color=SERIES[colour % len(SERIES)], linewidth=0, step="post", label=label)
        base = top
    _dress(axes, "%", chart.x_label)
    axes.set_ylim(0, 100)
    if chart.x_range is not None:
        axes.set_xlim(*chart.x_range)
    _legend(axes)


def _histogram(chart: Histogram, axes: Any) -> None:
    axes.bar(
        chart.edges[:-1],
        chart.counts,
        width=np.diff(chart.edges) * 0.9,
        align="edge",
        color=SERIES[chart.colour % len(SERIES)],
    )
    for number, (label, x) in enumerate(chart.marks):
        axes.axvline(x, color=_TEXT, linewidth=0.6, linestyle=(0, (3, 3)))
        axes.annotate(
            label,
            (x, 1),
            (3, -7 - 8 * number),
            ("data", "axes fraction"),
            "offset points",
            fontsize=_SMALL,
            color=_MUTED,
        )
    _dress(axes, "1", chart.x_label)


def _box_plot(chart: BoxPlot, axes: Any) -> None:
    for row, (_, p5, p25, p50, p75, p95) in enumerate(chart.boxes):
        axes.plot((p5, p95), (row, row), color=SERIES[0], linewidth=0.9)
        axes.barh(row, p75 - p25, left=p25, height=0.55, color=SERIES[0], alpha=0.45)
        axes.plot((p50, p50), (row - 0.3, row + 0.3), color=_TEXT, linewidth=1.4)
    _dress(axes, "1", "")
    axes.spines["bottom"].set_visible(False)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=_LINE, linewidth=0.6)
    axes.set_yticks(range(len(chart.boxes)), [box[0] for box in chart.boxes])
    axes.set_ylim(len(chart.boxes) - 0.5, -0.5)
    axes.set_xlim(0, chart.end)
    ticks = nice_ticks(0.0, chart.end, 4)
    axes.set_xticks(ticks, [quantity(tick, chart.unit) for tick in ticks])


def _share_bar(chart: ShareBar, axes: Any) -> None:
    total, left = sum(part[2] for part in chart.parts), 0.0
    for _, colour, value, _ in chart.parts:
        axes.barh(
            0, value / total, left=left, height=1, color=SERIES[colour % len(SERIES)], edgecolor="white", linewidth=1
        )
        left += value / total
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.5, 0.5)
    axes.set_axis_off()


def _legend(axes: Any) -> None:
    from matplotlib.transforms import ScaledTranslation

    below_label = ScaledTranslation(0, _BELOW_LABEL / 72, axes.figure.dpi_scale_trans)
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.45, 0),
        bbox_transform=axes.transAxes + below_label,
        ncols=6,
        fontsize=_SMALL - 0.5,
        frameon=False,
        labelcolor=_MUTED,
        handlelength=1.0,
        columnspacing=0.9,
        borderaxespad=0.2,
    )
