"""The charts of the report, from an analysis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.profiler.results import Band, JobTimes, ProfilerAnalysis, StepStatistics
from core.profiler.traces import PHASES, Floats
from core.profiler.wording import PHASE_WORDS, seconds
from core.report.document import AreaChart, Chart, Histogram, Line, LineChart, ShareBar
from core.translation import tr

PHASE_COLOURS = {**{phase: index for index, phase in enumerate(PHASES)}, "other": 7, "untraced": 7}
"""Which colour of the series palette a phase has, here and in the window."""
MAX_NODES = 8
"""With more nodes a chart shows their mean, lowest and highest."""
_POINTS = 4800
_ALWAYS = ("CPU", "CPU of the job", "Memory", "Memory of the job", "GPU", "GPU memory")
"""What is drawn also where it was hardly used."""


def time_scale(duration: float) -> tuple[float, str]:
    """Return seconds per unit of a time axis, and its label."""
    if duration < 180:
        return 1.0, tr("seconds since the start")
    return (60.0, tr("minutes since the start")) if duration < 3 * 3600 else (3600.0, tr("hours since the start"))


def bands(analysis: ProfilerAnalysis, resource: str) -> tuple[Chart, ...]:
    """Return how much of one resource each node used over time; nothing where no node has it."""
    found = analysis.band(resource)
    if not found or max(len(band.times) for band in found) < 2:
        return ()
    if resource not in _ALWAYS and max(float(band.high.max()) for band in found) < 1:
        return ()  # an idle disk or network, and no waiting for it, is in the table
    origin = analysis.times.start if analysis.times.start is not None else float(found[0].times[0])
    scale, label = time_scale(analysis.times.duration or 0.0)
    most = max(80, _POINTS // (2 * max(1, min(len(found), MAX_NODES))))
    if len(found) > MAX_NODES:
        lines: tuple[Line, ...] = (_spread(found, origin, scale),)
        note = tr("Mean, lowest and highest of {count} nodes.").format(count=len(found))
    else:
        lines = tuple(_line(band, index, origin, scale, most) for index, band in enumerate(found))
        note = ""
    percent = found[0].unit == "%"
    return (
        LineChart(resource, lines, label, found[0].unit, 100.0 if percent else None, (), note, _range(analysis, scale)),
    )


def of_job(analysis: ProfilerAnalysis, resource: str) -> tuple[Chart, ...]:
    """Return the use of "CPU" or "Memory", the job's own apart from that of all programs where it was measured."""
    whole, own = bands(analysis, resource), bands(analysis, f"{resource} of the job")
    if not whole or not own:
        return whole
    chart, mine = whole[0], own[0]
    assert isinstance(chart, LineChart)
    assert isinstance(mine, LineChart)
    single = len(chart.lines) == 1
    every = tuple(replace(line, label=tr("all programs") if single else line.label) for line in chart.lines)
    jobs = tuple(
        replace(
            line,
            label=tr("this job") if single else tr("{line}, this job").format(line=line.label),
            colour=line.colour + len(every),
        )
        for line in mine.lines
    )
    return (replace(chart, lines=(*every, *jobs)),)


def phase_area(analysis: ProfilerAnalysis) -> tuple[Chart, ...]:
    """Return the phases of the training over time."""
    track = analysis.track
    if track is None or not track.shares:
        return ()
    origin = analysis.times.start if analysis.times.start is not None else float(track.times[0])
    scale, label = time_scale(analysis.times.duration or 0.0)
    merged = {phase: _merge(values, 150) for phase, values in track.shares.items()}
    times = track.times[:: max(1, len(track.times) // 150)][: len(next(iter(merged.values())))]
    layers = tuple((PHASE_WORDS[phase], PHASE_COLOURS[phase], values) for phase, values in merged.items())
    note = tr("Shares of the first worker's time; what is missing to 100% is time outside the traced phases.")
    return (
        AreaChart(tr("Phases of the training"), (times - origin) / scale, layers, label, note, _range(analysis, scale)),
    )


def share_bar(analysis: ProfilerAnalysis) -> tuple[Chart, ...]:
    """Return the shares of the training loop as one bar."""
    total = sum(analysis.shares.values())
    if not total:
        return ()
    parts = tuple(
        (PHASE_WORDS[phase], PHASE_COLOURS[phase], spent, f"{spent / total:.0%}")
        for phase, spent in analysis.shares.items()
    )
    return (ShareBar(tr("The training loop"), parts),)


def job_bar(times: JobTimes) -> tuple[Chart, ...]:
    """Return initialization, training loop and finalization as one bar."""
    parts = (
        ("Initialization", 5, times.initialization),
        ("Training loop", 2, times.loop),
        ("Finalization", 4, times.finalization),
    )
    known = tuple((label, colour, spent, seconds(spent)) for label, colour, spent in parts if spent)
    return (ShareBar(tr("The job"), known),) if len(known) > 1 else ()


def step_charts(mode: StepStatistics) -> tuple[Chart, ...]:
    """Return the durations of one mode's steps, one after the other and as a histogram."""
    colour = 1 if mode.mode == "TRAIN" else 4
    x, y = mode.curve
    scale = 1000.0 if mode.p99 < 1 else 1.0
    unit = "ms" if scale == 1000.0 else "s"
    edges, counts = mode.histogram
    marks = (("median", mode.p50 * scale), ("p95", mode.p95 * scale))
    curve = LineChart(
        tr("{mode} steps, one after the other").format(mode=mode.mode),
        (Line("duration", colour, x, y * scale),),
        "step",
        unit,
        None,
        ((tr("outliers begin"), mode.limit * scale),) if mode.outlier_count else (),
    )
    if len(x) < 3:
        return ()
    histogram = Histogram(
        tr("Durations of {mode} steps").format(mode=mode.mode),
        edges * scale,
        counts,
        colour,
        unit,
        marks,
        tr("The last bar holds all that is longer.") if mode.max > edges[-1] else "",
    )
    return (curve, histogram)


def _range(analysis: ProfilerAnalysis, scale: float) -> tuple[float, float] | None:
    return (0.0, analysis.times.duration / scale) if analysis.times.duration else None


def _line(band: Band, colour: int, origin: float, scale: float, most: int) -> Line:
    x, low, mean, high = _rebucket(band, most)
    x = np.asarray((x - origin) / scale, dtype=np.float64)
    spread = bool((high > low).any())
    return Line(band.node, colour, x, mean, low if spread else None, high if spread else None)


def _rebucket(band: Band, most: int) -> tuple[Floats, Floats, Floats, Floats]:
    if len(band.times) <= most:
        return band.times, band.low, band.mean, band.high
    edges = np.linspace(0, len(band.times), most + 1).astype(np.intp)[:-1]
    counts = np.diff(np.append(edges, len(band.times)))
    mean = np.add.reduceat(band.mean, edges) / counts
    return band.times[edges], np.minimum.reduceat(band.low, edges), mean, np.maximum.reduceat(band.high, edges)


def _spread(found: tuple[Band, ...], origin: float, scale: float) -> Line:
    start = min(float(band.times[0]) for band in found)
    end = max(float(band.times[-1]) for band in found)
    grid = np.linspace(start, end, 300)
    table = np.array([np.interp(grid, band.times, band.mean) for band in found])
    x: Floats = np.asarray((grid - origin) / scale, dtype=np.float64)
    return Line("mean", 0, x, table.mean(axis=0), table.min(axis=0), table.max(axis=0))


def _merge(values: Floats, most: int) -> Floats:
    stride = max(1, len(values) // most)
    usable = len(values) // stride * stride
    merged: Floats = values[:usable].reshape(-1, stride).mean(axis=1)
    return merged
