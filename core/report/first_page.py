"""The first page: the verdict in two sentences, what was trained on what, how it went, and what to change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from core.jobs.accuracy import interval_words, percent, share_words
from core.jobs.records import RuleOutcome, TrainingJob
from core.jobs.status import JobStatus
from core.profiler.findings import Standing, issues, standing
from core.profiler.results import Finding, ProfilerAnalysis
from core.profiler.wording import seconds
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
from core.translation import plural, tr

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
    blocks: list[Block] = [verdict(analysis, story, job, outcomes)]
    if figures := tuple(_figures(analysis, story)):
        blocks.append(Figures(figures))
    blocks += curves(story)
    if known := tuple(facts(analysis, story)):
        blocks.append(Facts(known))
    if analysis.findings:
        blocks.append(Findings(analysis.findings))
    return Section(KEY, tr("In short"), tuple(blocks))


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
        todo = tr("{rule} found why it could be better: {what}{what_2}.").format(
            rule=fired[0].rule, what=what[:1].lower(), what_2=what[1:]
        )
    elif warnings:
        todo = _what_to_change(warnings)
    elif failed:
        todo = tr("No rule found a cause in what it left behind.") if outcomes else tr("No rule has looked at it.")
    else:
        stands = standing(outcomes)
        todo = _nothing_found(stands, outcomes)
        silent = stands in (Standing.BLIND, Standing.UNKNOWN)
        tone = "good" if stands is Standing.CLEAR or (silent and story.results) else "plain"
    return Verdict((came, todo), tone)


def result_text(result: Result) -> str:
    """Return an accuracy with its interval: 77.4 % (64 to 87 %)."""
    return share_words(result.right, result.count)


def curves(story: Story) -> Iterator[LineChart]:
    """Yield the charts of loss and accuracy by epoch."""
    for measure, title, top in (("loss", "Loss", None), ("accuracy", "Accuracy", 100.0)):
        known = [(split, story.curve(f"{split}:{measure}")) for split in _SPLIT_COLOURS]
        lines = tuple(_line(split, curve, 1.0 if top is None else 100.0) for split, curve in known if curve is not None)
        lines = tuple(line for line in lines if len(line.x))
        broken = [
            tr("{split} is not a number from {axis} {first} on.").format(
                split=split, axis=story.axis, first=curve.broken_from
            )
            for split, curve in known
            if curve is not None and curve.broken_from is not None
        ]
        if not lines or (not broken and max(len(line.x) for line in lines) < 2):
            continue  # what was fitted at once has no curve: its values are among the figures
        note = " ".join(broken) or _best_epoch(story, measure)
        yield LineChart(title, lines, story.axis, "1" if top is None else "%", top, (), note)


def _line(split: str, curve: Curve, scale: float) -> Line:
    finite = np.isfinite(curve.y)
    return Line(split, _SPLIT_COLOURS[split], curve.x[finite], curve.y[finite] * scale)


def _best_epoch(story: Story, measure: str) -> str:
    curve = story.curve(f"valid:{measure}")
    if curve is None or measure != "loss" or story.axis != "epoch" or len(curve.x) < 2:
        return ""
    best = int(np.argmin(curve.y))
    return tr("The validation loss is lowest, {y:.4g}, in epoch {x:.0f} of {x_2:.0f}.").format(
        y=curve.y[best], x=curve.x[best], x_2=curve.x[-1]
    )


def _what_came(analysis: ProfilerAnalysis, story: Story, job: TrainingJob | None) -> tuple[str, bool]:
    """Return one sentence on what came of it, and whether the job failed."""
    if job is not None and job.status is JobStatus.FAILED:
        reason = job.failure_reason.strip().splitlines()
        return (
            tr("The job failed: {reason}.").format(reason=reason[-1].rstrip(".")) if reason else tr("The job failed.")
        ), True
    if (result := story.result) is not None:
        said = (
            tr(
                "The model is right on {right:,} of {count:,} {split} pictures, {accuracy} (95 % interval {interval}), "
                "which may be no better than always saying the largest class ({baseline})."
            )
            if result.interval[0] <= result.baseline
            else tr(
                "The model is right on {right:,} of {count:,} {split} pictures, {accuracy} (95 % interval {interval})."
            )
        )
        return said.format(
            right=result.right,
            count=result.count,
            split=result.split,
            accuracy=percent(result.accuracy),
            interval=interval_words(result.interval),
            baseline=percent(result.baseline),
        ), False
    if story.curves:
        curve = story.curve("valid:loss") or story.curves[0]
        what = tr("validation loss") if curve.name == "valid:loss" else curve.name.replace(":", " ")
        sentence = (
            tr("After {x:.0f} epochs the {what} is {last}.")
            if story.axis == "epoch"
            else tr("At step {x:.0f} the {what} is {last}.")
        )
        return sentence.format(x=curve.x[-1], what=what, last=_number(curve.last)), False
    return _what_ran(analysis), False


def _what_ran(analysis: ProfilerAnalysis) -> str:
    if analysis.is_empty:
        return tr("Neither a result nor a profile is here, only what the rules say.")
    duration, modes = analysis.times.duration, analysis.steps
    what = "profile" if analysis.activity is None else "trace"
    if modes:
        steps = tr("{count:,} {mode} steps of {p50} (median)").format(
            count=modes[0].count, mode=modes[0].mode.lower(), p50=quantity(modes[0].p50, "s")
        )
        return tr("The {what} covers {steps}{which}.").format(
            what=what, steps=steps, which=f" in {seconds(duration)}" if duration else ""
        )
    return f"The {what} covers {seconds(duration)}." if duration else tr("Only what AWS's own rules counted is here.")


def _what_to_change(warnings: Sequence[Finding]) -> str:
    first = warnings[0]
    title = f"{first.title[:1].lower()}{first.title[1:]}" if first.title[1:2].islower() else first.title
    gain = f" {first.gain[:1].lower()}{first.gain[1:]}" if first.gain_s else ""
    return (
        tr("What matters most: {title};{gain}").format(title=title, gain=gain)
        if gain
        else tr("What matters most: {title}.").format(title=title)
    )


def _nothing_found(stands: Standing, outcomes: Sequence[RuleOutcome]) -> str:
    if stands is Standing.UNKNOWN:
        return tr("No Debugger rule has looked at it.")
    if stands is Standing.BLIND:
        return tr("Nothing that rules look at was saved.")
    if stands is Standing.ERROR:
        return tr("No Debugger rule found an issue, but not all could be evaluated.")
    if stands is Standing.RUNNING:
        return tr("No Debugger rule has found an issue so far, but not all have come to their end.")
    looked = sum(outcome.evaluated > 0 for outcome in outcomes)
    return plural(
        "One Debugger rule has looked at it and found no issue.",
        "{count} Debugger rules have looked at it and found no issue.",
        looked,
    )


def _figures(analysis: ProfilerAnalysis, story: Story) -> Iterator[tuple[str, str, str]]:
    for result in story.results:
        note = f"{interval_words(result.interval)}, {result.right:,} of {result.count:,}"
        yield f"Accuracy, {result.split}", percent(result.accuracy), note
    for name, title in (("train:loss", tr("Loss, train")), ("valid:loss", tr("Loss, valid"))):
        if (curve := story.curve(name)) is not None:
            yield title, _number(curve.last), f"{story.axis} {curve.x[-1]:.0f}"
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
        what = tr("{classes} classes: {names}{more}").format(classes=len(story.classes), names=names, more=more)
        yield "Dataset", f"{story.dataset}, {what}" if story.dataset else what
    if story.pictures:
        yield "Pictures", ", ".join(f"{count:,} {split}" for split, count in story.pictures.items())
    others = [f"{name} {value}" for name, value in sorted(given.items()) if name not in _NETWORK]
    if others:
        yield "Hyperparameters", ", ".join(others)
    if not analysis.is_empty:
        yield "Machine", machine(analysis)


def machine(analysis: ProfilerAnalysis) -> str:
    """Return what the job ran on, as far as it is known."""
    devices = analysis.activity.devices if analysis.activity is not None else ()
    if devices:
        titles = sorted({device.title for device in devices if device.title})
        kind = f" ({', '.join(titles)})" if titles else ""
        return f"{len(devices)} {'GPU' if len(devices) == 1 else 'GPUs'}{kind}"
    if not analysis.nodes:
        return tr("not known")
    cores = plural("{count} core", "{count} cores", analysis.cores)
    gpus = plural("{count} GPU", "{count} GPUs", analysis.gpus) if analysis.gpus else tr("no GPU")
    if len(analysis.nodes) > 1:
        return tr("{nodes} nodes of {cores}, {gpus}").format(nodes=len(analysis.nodes), cores=cores, gpus=gpus)
    return f"{cores}, {gpus}"


def _number(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "not a number"


def _day(when: float | None) -> str:
    return "" if when is None or when < _OLDEST else f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(when))} UTC"


def problems(analysis: ProfilerAnalysis) -> tuple[Text, ...]:
    """Return what was missing or damaged, a sentence each."""
    return tuple(Text(problem, "warning") for problem in analysis.problems)
