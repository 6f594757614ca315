"""The report that compares two runs: what differs between them, and what that did to the result and to the time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from core.jobs.accuracy import share_words
from core.jobs.status import RuleStatus
from core.profiler.findings import issues
from core.profiler.results import Verdict as RuleVerdict
from core.profiler.wording import PHASE_WORDS, seconds
from core.report.charts import PHASE_COLOURS, bands
from core.report.document import (
    Block,
    BoxPlot,
    Document,
    Findings,
    Line,
    LineChart,
    Section,
    ShareBar,
    Table,
    Text,
    Verdict,
    quantity,
)
from core.report.first_page import KEY, machine, result_text
from core.report.reported_run import ReadRun
from core.report.sections import footer
from core.report.story import Result, Story
from core.translation import tr

_SURE = 1.96
"""Standard errors that a difference must have to be called one (95 %)."""


def comparison_document(first: ReadRun, second: ReadRun) -> Document:
    """Return one report over two runs."""
    one, two = _names(first, second)
    sections = (
        _first_page(first, second, one, two),
        _time(first, second, one, two),
        _machines(first, second, one, two),
        _rules(first, second, one, two),
    )
    shown = tuple(section for section in sections if section.blocks)
    return Document(tr("Comparison of two runs"), f"{one} and {two}", shown, footer())


def _names(first: ReadRun, second: ReadRun) -> tuple[str, str]:
    if first.name != second.name:
        return first.name, second.name
    return f"{first.name} (1)", f"{second.name} (2)"


def _first_page(first: ReadRun, second: ReadRun, one: str, two: str) -> Section:
    rows = [*_results(first, second), *_settings(first, second), *_times(first, second)]
    blocks: list[Block] = [
        Verdict((_which_is_better(first, second, one, two), _which_is_faster(first, second, one, two))),
        *_curves(first, second, one, two),
        Table(("", one, two), tuple(rows), frozenset((1, 2)), (2, 2, 2)),
    ]
    for name, run in ((one, first), (two, second)):
        if run.analysis.findings:
            blocks += [Text(f"{name}:"), Findings(run.analysis.findings)]
    return Section(KEY, tr("In short"), tuple(blocks))


def _which_is_better(first: ReadRun, second: ReadRun, one: str, two: str) -> str:
    for split in ("test", "valid"):
        a, b = (_result(run, split) for run in (first, second))
        if a is None or b is None:
            continue
        gap = a.accuracy - b.accuracy
        error = math.sqrt(sum(r.accuracy * (1 - r.accuracy) / r.count for r in (a, b)))
        better, worse = (one, two) if gap > 0 else (two, one)
        best, least = sorted((a, b), key=lambda result: -result.accuracy)
        if a.accuracy == b.accuracy:
            return tr("Both are right on {accuracy} of the {split} pictures.").format(
                accuracy=share_words(a.right, a.count), split=split
            )
        if abs(gap) <= _SURE * error:
            said = tr(
                "{better} has {most} against {least} on {split}, which {count:,} pictures are too few to call better."
            )
        else:
            said = tr("{better} is better than {worse}: {most} against {least} on {split}.")
        return said.format(
            better=better,
            worse=worse,
            most=share_words(best.right, best.count),
            least=share_words(least.right, least.count),
            split=split,
            count=min(a.count, b.count),
        )
    return tr("Neither run has kept results on the same pictures.")


def _which_is_faster(first: ReadRun, second: ReadRun, one: str, two: str) -> str:
    fired = [
        f"{issues(run.outcomes)[0].rule} in {name}"
        for name, run in ((one, first), (two, second))
        if issues(run.outcomes)
    ]
    rules = tr("Rules found: {fired}.").format(fired=" and ".join(fired)) if fired else ""
    return f"{_how_long(first, second, one, two)} {rules}".rstrip()


def _how_long(first: ReadRun, second: ReadRun, one: str, two: str) -> str:
    a, b = first.analysis.times.duration, second.analysis.times.duration
    if not a or not b:
        return tr("How long they took is not known of both.")
    fast, slow = (one, two) if a <= b else (two, one)
    if max(a, b) < 1.05 * min(a, b):
        return tr("Both took about {time}.").format(time=seconds(a))
    return tr("{fast} took {less}, {slow} {more}.").format(
        fast=fast, less=seconds(min(a, b)), slow=slow, more=seconds(max(a, b))
    )


def _curves(first: ReadRun, second: ReadRun, one: str, two: str) -> Iterator[LineChart]:
    for name, title, scale in (
        ("valid:loss", tr("Loss, valid"), 1.0),
        ("valid:accuracy", tr("Accuracy, valid"), 100.0),
    ):
        lines = []
        for colour, (label, run) in enumerate(((one, first), (two, second))):
            curve = run.story.curve(name)
            if curve is not None and np.isfinite(curve.y).any():
                finite = np.isfinite(curve.y)
                lines.append(Line(label, colour, curve.x[finite], curve.y[finite] * scale))
        if lines:
            yield LineChart(title, tuple(lines), "epoch", "1" if scale == 1 else "%", None if scale == 1 else 100.0)


def _results(first: ReadRun, second: ReadRun) -> Iterator[tuple[str, str, str]]:
    for split in ("valid", "test"):
        a, b = (_result(run, split) for run in (first, second))
        if a is not None or b is not None:
            left, right = ("—" if r is None else result_text(r) for r in (a, b))
            yield f"Accuracy, {split}", left, right
    for name, title in (("train:loss", tr("Loss, train")), ("valid:loss", tr("Loss, valid"))):
        left, right = ("—" if c is None else f"{c.last:.4g}" for c in (r.story.curve(name) for r in (first, second)))
        if (left, right) != ("—", "—"):
            yield title, left, right


def _settings(first: ReadRun, second: ReadRun) -> Iterator[tuple[str, str, str]]:
    """Yield the hyperparameters that differ, and the data and machine where they do."""
    a, b = first.story.hyperparameters, second.story.hyperparameters
    for name in sorted({*a, *b}):
        if a.get(name) != b.get(name):
            yield name, _setting(first.story, name), _setting(second.story, name)
    pictures = [
        ", ".join(f"{n:,} {split}" for split, n in run.story.pictures.items()) or "—" for run in (first, second)
    ]
    if pictures[0] != pictures[1]:
        yield "Pictures", pictures[0], pictures[1]
    machines = [machine(run.analysis) for run in (first, second)]
    if machines[0] != machines[1]:
        yield "Machine", machines[0], machines[1]


def _setting(story: Story, name: str) -> str:
    if name in story.hyperparameters:
        return story.hyperparameters[name]
    return tr("{value} (default)").format(value=story.defaults[name]) if name in story.defaults else "—"


def _times(first: ReadRun, second: ReadRun) -> Iterator[tuple[str, str, str]]:
    spans = [run.analysis.times for run in (first, second)]
    for title, values in (
        ("Duration", [span.duration for span in spans]),
        ("Initialization", [span.initialization for span in spans]),
        ("Training loop", [span.loop for span in spans]),
    ):
        left, right = ("—" if value is None else seconds(value) for value in values)
        if (left, right) != ("—", "—"):
            yield title, left, right
    modes = [{mode.mode: mode for mode in run.analysis.steps} for run in (first, second)]
    for name in [name for name in modes[0] if name in modes[1]]:
        yield (
            tr("{name} step, median").format(name=name),
            quantity(modes[0][name].p50, "s"),
            quantity(modes[1][name].p50, "s"),
        )


def _time(first: ReadRun, second: ReadRun, one: str, two: str) -> Section:
    blocks: list[Block] = []
    for name, run in ((one, first), (two, second)):
        total = sum(run.analysis.shares.values())
        if total:
            parts = tuple(
                (PHASE_WORDS[phase], PHASE_COLOURS[phase], spent, f"{seconds(spent)}, {spent / total:.0%}")
                for phase, spent in run.analysis.shares.items()
            )
            blocks.append(ShareBar(tr("The training loop of {name}").format(name=name), parts))
    boxes = tuple(
        (f"{name} {mode.mode}", *spread)
        for name, run in ((one, first), (two, second))
        for mode in run.analysis.steps
        for spread in list(mode.spread.values())[:1]
    )
    if boxes:
        blocks.append(BoxPlot(tr("Steps of the first worker"), boxes, "s", None))
    return Section("time", tr("Where the time went"), tuple(blocks))


def _machines(first: ReadRun, second: ReadRun, one: str, two: str) -> Section:
    blocks: list[Block] = []
    for resource in ("CPU", "Memory", "GPU", "GPU memory"):
        lines = []
        label, unit = "", "%"
        for colour, (name, run) in enumerate(((one, first), (two, second))):
            for chart in bands(run.analysis, resource):
                assert isinstance(chart, LineChart)
                label, unit = chart.x_label, chart.unit
                lines.append(Line(name, colour, chart.lines[0].x, chart.lines[0].y))
        if lines:
            blocks.append(LineChart(resource, tuple(lines), label, unit, 100.0))
    return Section("system", tr("System usage"), tuple(blocks))


def _rules(first: ReadRun, second: ReadRun, one: str, two: str) -> Section:
    table: dict[str, list[str]] = {}
    for place, run in enumerate((first, second)):
        statuses = {outcome.rule: str(outcome.status) for outcome in run.outcomes}
        statuses |= {rule.name: str(rule.verdict) for rule in run.analysis.rules}
        for name, status in statuses.items():
            table.setdefault(name, ["—", "—"])[place] = status
    loud = {str(RuleStatus.ISSUES_FOUND), str(RuleStatus.ERROR), str(RuleVerdict.ISSUE)}
    rows = sorted(((name, *said) for name, said in table.items()), key=lambda row: (not loud & {*row[1:]}, row[0]))
    return Section("rules", "Rules", (Table(("Rule", one, two), tuple(rows), frozenset(), (2, 2, 2)),) if rows else ())


def _result(run: ReadRun, split: str) -> Result | None:
    return next((result for result in run.story.results if result.split == split), None)
