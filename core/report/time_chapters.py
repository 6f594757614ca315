"""The chapters on where the time went: the job, its steps, what they were made of, and waiting for data."""

from __future__ import annotations

import time

from core.profiler.results import ProfilerAnalysis, StepStatistics
from core.profiler.wording import PHASE_WORDS, seconds
from core.report import charts
from core.report.activity_chapters import operator_tables
from core.report.document import Block, BoxPlot, Figures, Histogram, Section, Table, Text, quantity
from core.report.rule_chapters import verdict_of
from core.translation import tr

_SHOWN_ROWS = 20
_OLDEST = 1e9


def times(analysis: ProfilerAnalysis) -> Section:
    """Return when the job did what, and the shares of its training loop."""
    found = analysis.times
    items = [
        ("Start", *_day_and_time(found.start)),
        ("End", *_day_and_time(found.end)),
        ("Duration", _seconds(found.duration), "" if analysis.activity is None else "traced"),
    ]
    if analysis.activity is None:
        items += [
            ("Initialization", _seconds(found.initialization), _percent(found.initialization, found.duration)),
            ("Training loop", _seconds(found.loop), _percent(found.loop, found.duration)),
            ("Finalization", _seconds(found.finalization), _percent(found.finalization, found.duration)),
        ]
    blocks: list[Block] = [Figures(tuple(items)), *charts.job_bar(found), *charts.share_bar(analysis)]
    total, workers = sum(analysis.shares.values()), max((len(mode.by_worker) for mode in analysis.steps), default=0)
    if total:
        blocks.append(
            Table(
                (tr("Part of the training loop"), "Time" if workers < 2 else tr("Time, mean of the workers"), "Share"),
                tuple(
                    (PHASE_WORDS[phase], seconds(spent), quantity(100 * spent / total, "%"))
                    for phase, spent in analysis.shares.items()
                ),
                frozenset((1, 2)),
                (3, 1, 1),
            )
        )
        blocks.append(
            Text(
                tr("Times are the training thread's: what a GPU does meanwhile counts where the thread waits for it."),
                "muted",
            )
        )
        if analysis.shares.get("other"):
            blocks.append(Text(tr("Other is what lies between them: saving, printing, watching, starting."), "muted"))
    elif analysis.steps:
        blocks.append(
            Text(tr("The trace has steps but not their phases, so what they were spent on is not known."), "muted")
        )
    blocks += verdict_of(analysis, "MaxInitializationTime")
    return Section("time", tr("Where the time went"), tuple(blocks))


def steps(analysis: ProfilerAnalysis) -> Section:
    """Return how long the steps of each mode took, and which stand out."""
    blocks: list[Block] = []
    stddev = next(rule.parameters["stddev"] for rule in analysis.rules if rule.name == "StepOutlier")
    for mode in analysis.steps:
        blocks += _mode(mode, stddev)
    if analysis.steps:
        blocks += verdict_of(analysis, "StepOutlier")
    return Section("steps", "Steps", tuple(blocks))


def _mode(mode: StepStatistics, stddev: float) -> list[Block]:
    values = (mode.mean, mode.p50, mode.p95, mode.p99, mode.max)
    names = ("mean", "p50", "p95", "p99", "max")
    figures = (
        (f"{mode.mode} steps", f"{mode.count:,}", ""),
        *((name, quantity(value, "s"), "") for name, value in zip(names, values, strict=True)),
    )
    blocks: list[Block] = [Figures(figures), *charts.step_charts(mode)]
    if len(mode.spread) > 1:
        boxes = tuple((worker, *spread) for worker, spread in mode.spread.items())
        blocks.append(BoxPlot(tr("{mode} steps of each worker").format(mode=mode.mode), boxes, "s", None))
    if mode.outliers:
        limit = tr("the mean plus {stddev:g} standard deviations of their worker").format(stddev=stddev)
        count = f"{mode.outlier_count:,} {'outlier' if mode.outlier_count == 1 else 'outliers'}"
        blocks.append(Text(tr("{count}, longer than {limit}.").format(count=count, limit=limit)))
        blocks.append(
            Table(
                ("Worker", "Step", "Began (UTC)", "Duration", tr("Times the median")),
                tuple(
                    (worker, f"{step:,}", clock(start), quantity(lasted, "s"), f"{lasted / mode.p50:.1f}")
                    for worker, step, start, lasted in mode.outliers
                ),
                frozenset((1, 3, 4)),
            )
        )
    return blocks


def operators(analysis: ProfilerAnalysis) -> Section:
    """Return what the steps were made of: the rows of the trace, longest first."""
    if analysis.activity is not None:
        return Section("operators", "Operators", (*charts.phase_area(analysis), *operator_tables(analysis.activity)))
    if not analysis.framework:
        return Section("operators", "Operators", ())
    table = Table(
        ("Event", "Count", "Total", "Mean"),
        tuple(
            (name, f"{n:,}", seconds(spent), seconds(spent / n)) for name, n, spent in analysis.framework[:_SHOWN_ROWS]
        ),
        frozenset((1, 2, 3)),
        (3, 1, 1, 1),
    )
    return Section("operators", "Operators", (*charts.phase_area(analysis), table))


def loading(analysis: ProfilerAnalysis) -> Section:
    """Return how long the training waited for data."""
    blocks: list[Block] = []
    total, waited = sum(analysis.shares.values()), analysis.shares.get("data_loading")
    if waited and total:
        blocks.append(
            Text(
                tr(
                    "The training loop waited {waited} for data, {waited_2:.0%} of its time. With "
                    "loading entirely hidden behind the computing it would take {total}."
                ).format(waited=seconds(waited), waited_2=waited / total, total=seconds(total - waited))
            )
        )
    elif analysis.framework:
        blocks.append(Text(tr("The trace says nothing of the time spent on loading data."), "muted"))
    loads = analysis.loads
    if loads is not None:
        names, values = ("p50", "p95", "p99", "max"), (loads.p50, loads.p95, loads.p99, loads.max)
        figures = (("Batches", f"{loads.count:,}", ""), ("Waited", quantity(loads.total, "s"), tr("all workers")))
        named = ((name, quantity(value, "s"), "") for name, value in zip(names, values, strict=True))
        blocks.append(Figures((*figures, *named)))
        blocks.append(
            Histogram(
                tr("How long each batch was waited for"),
                loads.edges * 1e3,
                loads.counts,
                0,
                "ms",
                (("median", loads.p50 * 1e3), ("p95", loads.p95 * 1e3)),
                tr("The last bar holds all that is longer.") if loads.max > loads.edges[-1] else "",
            )
        )
    if analysis.framework:
        blocks += verdict_of(analysis, "Dataloader")
    if analysis.nodes:
        blocks += verdict_of(analysis, "IOBottleneck")
        blocks += charts.bands(analysis, "I/O wait")
    return Section("loading", "Data loading", tuple(blocks))


def clock(when: float | None) -> str:
    """Return a time in UTC, with its day."""
    # A trace without a clock counts from the machine's start.
    return "—" if when is None or when < _OLDEST else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when))


def _day_and_time(when: float | None) -> tuple[str, str]:
    day, _, hour = clock(when).partition(" ")
    return (hour, f"{day} UTC") if hour else (day, "")


def _seconds(value: float | None) -> str:
    return "—" if value is None else seconds(value)


def _percent(part: float | None, whole: float | None) -> str:
    return "" if part is None or not whole else tr("{share:.0%} of the job").format(share=part / whole)
