"""The first page: the verdict in two sentences, what was trained on what, how it went, and what to change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from core.jobs.records import RuleOutcome, TrainingJob
from core.jobs.status import JobStatus, RuleStatus
from core.predict.records import percent
from core.profiler.findings import issues, seconds
from core.profiler.results import Finding, ProfilerAnalysis
from core.report.document import (
    Block,
    Facts,
    Figures,
    Findings,
    Line,
    LineChart,
    Section,
    Text,
    Tone,
    Verdict,
    quantity,
)
from core.report.story import Curve, Result, Story

KEY = "summary"
_NETWORK = ("backbone", "mode", "head")
_SPLIT_COLOURS = {"train": 0, "valid": 1}
_SHOWN_CLASSES = 8
_OLDEST = 1e9
"""Seconds: a trace without a clock counts from the machine's start."""


def first_page(
    analysis: ProfilerAnalysis, story: Story, job: TrainingJob | None = None, outcomes: Sequence[RuleOutcome] = ()
) -> Section:
    """Return the section that the report begins with."""
    blocks: list[Block] = [verdict(analysis, story, job, outcomes), Figures(tuple(_figures(analysis, story)))]
    blocks += curves(story)
    blocks.append(Facts(tuple(facts(analysis, story))))
    if analysis.findings:
        blocks.append(Findings(analysis.findings))
    return Section(KEY, "In short", tuple(blocks))


def verdict(
    analysis: ProfilerAnalysis, story: Story, job: TrainingJob | None, outcomes: Sequence[RuleOutcome]
) -> Verdict:
    """Return what came of the training, and what to do about it, a sentence each."""
    came, failed = _what_came(analysis, story, job)
    fired = issues(outcomes)
    warnings = [finding for finding in analysis.findings if finding.severity == "warning"]
    tone: Tone = "warning" if failed or fired or warnings else "good"
    if fired:
        what = (fired[0].meaning or fired[0].details).rstrip(".")
        todo = f"{fired[0].rule} found why it could be better: {what[:1].lower()}{what[1:]}."
    elif warnings:
        todo = _what_to_change(warnings)
    elif failed:
        todo = "No rule found a cause in what it left behind."
    else:
        todo = _nothing_found(analysis, outcomes)
        tone = "good" if outcomes or story.results else "plain"
    return Verdict((came, todo), tone)


def result_text(result: Result) -> str:
    """Return an accuracy with its interval: 77.4 % (64.5 to 86.5 %)."""
    low, high = result.interval
    return f"{percent(result.accuracy)} ({100 * low:.1f} to {100 * high:.1f} %)"


def curves(story: Story) -> Iterator[LineChart]:
    """Yield the charts of loss and accuracy by epoch."""
    for measure, title, top in (("loss", "Loss", None), ("accuracy", "Accuracy", 100.0)):
        known = [(split, story.curve(f"{split}:{measure}")) for split in _SPLIT_COLOURS]
        lines = tuple(_line(split, curve, 1.0 if top is None else 100.0) for split, curve in known if curve is not None)
        lines = tuple(line for line in lines if len(line.x))
        if not lines:
            continue
        broken = [f"{split} is not a number from epoch {curve.broken_from} on" for split, curve in known
                  if curve is not None and curve.broken_from is not None]  # fmt: skip
        note = f"{'; '.join(broken)}." if broken else _best_epoch(story, measure)
        yield LineChart(title, lines, "epoch", "1" if top is None else "%", top, (), note)


def _line(split: str, curve: Curve, scale: float) -> Line:
    finite = np.isfinite(curve.y)
    return Line(split, _SPLIT_COLOURS[split], curve.x[finite], curve.y[finite] * scale)


def _best_epoch(story: Story, measure: str) -> str:
    curve = story.curve(f"valid:{measure}")
    if curve is None or measure != "loss" or len(curve.x) < 2:
        return ""
    best = int(np.argmin(curve.y))
    return f"The validation loss is lowest, {curve.y[best]:.4g}, in epoch {curve.x[best]:.0f} of {curve.x[-1]:.0f}."


def _what_came(analysis: ProfilerAnalysis, story: Story, job: TrainingJob | None) -> tuple[str, bool]:
    """Return one sentence on what came of it, and whether the job failed."""
    if job is not None and job.status is JobStatus.FAILED:
        reason = job.failure_reason.strip().splitlines()
        return (f"The job failed: {reason[-1].rstrip('.')}." if reason else "The job failed."), True
    if (result := story.result) is not None:
        low, high = result.interval
        text = (
            f"The model is right on {result.right:,} of {result.count:,} {result.split} pictures, "
            f"{percent(result.accuracy)} (95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
        )
        if low <= result.baseline:
            text += f", which may be no better than always saying the largest class ({percent(result.baseline)})"
        return f"{text}.", False
    if story.curves:
        curve = story.curve("valid:loss") or story.curves[0]
        what = "validation loss" if curve.name == "valid:loss" else curve.name.replace(":", " ")
        return f"After {curve.x[-1]:.0f} epochs the {what} is {_number(curve.last)}.", False
    return _what_ran(analysis), False


def _what_ran(analysis: ProfilerAnalysis) -> str:
    duration, modes = analysis.times.duration, analysis.steps
    what = "profile" if analysis.activity is None else "trace"
    if modes:
        steps = f"{modes[0].count:,} {modes[0].mode.lower()} steps of {quantity(modes[0].p50, 's')} (median)"
        return f"The {what} covers {steps}{f' in {seconds(duration)}' if duration else ''}."
    return f"The {what} covers {seconds(duration)}." if duration else "Only what AWS's own rules counted is here."


def _what_to_change(warnings: Sequence[Finding]) -> str:
    first = warnings[0]
    title = f"{first.title[:1].lower()}{first.title[1:]}" if first.title[1:2].islower() else first.title
    gain = f" {first.gain[:1].lower()}{first.gain[1:]}" if first.gain_s else ""
    return f"What matters most: {title};{gain}" if gain else f"What matters most: {title}."


def _nothing_found(analysis: ProfilerAnalysis, outcomes: Sequence[RuleOutcome]) -> str:
    looked = sum(outcome.status is RuleStatus.NO_ISSUES_FOUND for outcome in outcomes)
    if not looked:
        return "No Debugger rule has looked at it."
    rules = "One Debugger rule has" if looked == 1 else f"{looked} Debugger rules have"
    return f"{rules} looked at it and found no issue."


def _figures(analysis: ProfilerAnalysis, story: Story) -> Iterator[tuple[str, str, str]]:
    for result in story.results:
        low, high = result.interval
        note = f"{100 * low:.1f} to {100 * high:.1f} %, {result.right:,} of {result.count:,}"
        yield f"Accuracy, {result.split}", percent(result.accuracy), note
    for name, title in (("train:loss", "Loss, train"), ("valid:loss", "Loss, valid")):
        if (curve := story.curve(name)) is not None:
            yield title, _number(curve.last), f"epoch {curve.x[-1]:.0f}"
    if analysis.times.duration is not None:
        yield "Duration", seconds(analysis.times.duration), _day(analysis.times.start)
    if analysis.steps and not story.curves:
        mode = analysis.steps[0]
        yield f"{mode.mode} steps", f"{mode.count:,}", f"median {quantity(mode.p50, 's')}"


def facts(analysis: ProfilerAnalysis, story: Story) -> Iterator[tuple[str, str]]:
    """Yield what was trained on what, as far as it is known."""
    given = story.hyperparameters
    if given.get("backbone"):
        mode = {"head": "frozen", "fine_tune": "fine-tuned"}.get(given.get("mode", "head"), given.get("mode", ""))
        yield "Network", f"{given['backbone']}, {mode}, head {given.get('head', 'linear')}"
    if story.dataset or story.classes:
        names = ", ".join(story.classes[:_SHOWN_CLASSES])
        more = f" and {len(story.classes) - _SHOWN_CLASSES} more" if len(story.classes) > _SHOWN_CLASSES else ""
        what = f"{len(story.classes)} classes: {names}{more}"
        yield "Dataset", f"{story.dataset}, {what}" if story.dataset else what
    if story.pictures:
        yield "Pictures", ", ".join(f"{count:,} {split}" for split, count in story.pictures.items())
    others = [f"{name} {value}" for name, value in sorted(given.items()) if name not in _NETWORK]
    if others:
        yield "Hyperparameters", ", ".join(others)
    yield "Machine", machine(analysis)


def machine(analysis: ProfilerAnalysis) -> str:
    """Return what the job ran on, as far as it is known."""
    devices = analysis.activity.devices if analysis.activity is not None else ()
    if devices:
        titles = sorted({device.title for device in devices if device.title})
        kind = f" ({', '.join(titles)})" if titles else ""
        return f"{len(devices)} {'GPU' if len(devices) == 1 else 'GPUs'}{kind}"
    if not analysis.nodes:
        return "not known"
    nodes = f"{len(analysis.nodes)} nodes of " if len(analysis.nodes) > 1 else ""
    cores = f"{analysis.cores} {'core' if analysis.cores == 1 else 'cores'}"
    gpus = f"{analysis.gpus} {'GPU' if analysis.gpus == 1 else 'GPUs'}" if analysis.gpus else "no GPU"
    return f"{nodes}{cores}, {gpus}"


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "not a number"


def _day(when: float | None) -> str:
    return "" if when is None or when < _OLDEST else f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(when))} UTC"


def problems(analysis: ProfilerAnalysis) -> tuple[Text, ...]:
    """Return what was missing or damaged, a sentence each."""
    return tuple(Text(problem, "warning") for problem in analysis.problems)
