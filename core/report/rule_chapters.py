"""The chapter on rules: the Debugger's, on what was learnt, and the profiler's, on time and machines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.profiler.findings import where
from core.profiler.results import ProfilerAnalysis, RuleResult, Verdict
from core.report.document import Block, Line, LineChart, Section, Table, Text, Tone
from core.translation import tr

_MOST_EVIDENCE = 8
"""Charts of evidence in one chapter."""
_TONES: dict[str, Tone] = {
    Verdict.ISSUE: "warning",
    Verdict.CLEAR: "good",
    Verdict.TOO_FEW: "muted",
    Verdict.NOT_APPLICABLE: "muted",
    RuleStatus.ISSUES_FOUND: "warning",
    RuleStatus.ERROR: "warning",
    RuleStatus.NO_ISSUES_FOUND: "good",
}


def rules(analysis: ProfilerAnalysis, outcomes: Sequence[RuleOutcome]) -> Section:
    """Return what every rule said, with its parameters."""
    if analysis.is_empty:
        return Section("rules", "Rules", outcome_blocks(outcomes))
    order = list(Verdict)
    results = sorted(analysis.rules, key=lambda rule: (order.index(rule.verdict), -rule.triggered))
    with_aws = any(rule.aws for rule in results)
    columns = ("Rule", "Verdict", "Triggered", "Datapoints", "Parameters", *((tr("AWS counted"),) if with_aws else ()))
    table = Table(
        columns,
        tuple(_row(rule, with_aws) for rule in results),
        frozenset((2, 3)),
        (2, 1.2, 1, 1.1, 3, *((2,) if with_aws else ())),
        tuple(_TONES[rule.verdict] for rule in results),
    )
    advice = Table(
        ("Rule", tr("Looks for"), tr("What it saw"), tr("What to do when it fires")),
        tuple(
            (rule.name, rule.description, rule.detail or tr("Nothing to remark."), rule.recommendation)
            for rule in results
            if rule.verdict is not Verdict.NOT_APPLICABLE
        ),
        widths=(1.9, 2.2, 2.6, 3),
    )
    blocks: list[Block] = [
        *outcome_blocks(outcomes),
        Text(tr("Profiler rules, on the time and the machines of this job:")),
    ]
    blocks += [table, advice] if advice.rows else [table]
    left_out = [rule for rule in results if rule.verdict is Verdict.NOT_APPLICABLE]
    if left_out:
        reasons = " ".join(f"{rule.name}: {rule.detail}" for rule in left_out)
        blocks.append(Text(tr("Rules that do not apply here. {reasons}").format(reasons=reasons), "muted"))
    return Section("rules", "Rules", tuple(blocks))


def verdict_of(analysis: ProfilerAnalysis, name: str) -> tuple[Block, ...]:
    """Return what one of the profiler's rules said, for the chapter that shows what it looked at."""
    result = next(rule for rule in analysis.rules if rule.name == name)
    if result.verdict is Verdict.NOT_APPLICABLE:
        return ()
    text = f"{name}: {result.verdict.lower()}. {result.detail}".strip()
    if result.verdict is Verdict.ISSUE:
        return (Text(f"{text} {result.recommendation}", "warning"),)
    return (Text(text, "plain" if result.verdict is Verdict.CLEAR else "muted"),)


def _row(rule: RuleResult, with_aws: bool) -> tuple[str, ...]:
    parameters = ", ".join(f"{name} {value:g}" for name, value in rule.parameters.items()) or "none"
    row = (rule.name, str(rule.verdict), f"{rule.triggered:,}", f"{rule.datapoints:,}", parameters)
    return (*row, rule.aws or "—") if with_aws else row


def outcome_blocks(outcomes: Sequence[RuleOutcome]) -> tuple[Block, ...]:
    """Return the Debugger rules: those with something to say as a table, the others in one sentence."""
    if not outcomes:
        return ()
    unmoved = [outcome for outcome in outcomes if outcome.status == RuleStatus.NO_ISSUES_FOUND]
    quiet = sorted(outcome.rule for outcome in unmoved if outcome.evaluated)
    blind = sorted(outcome.rule for outcome in unmoved if not outcome.evaluated)
    loud = [outcome for outcome in outcomes if outcome.status != RuleStatus.NO_ISSUES_FOUND]
    blocks: list[Block] = [Text(tr("Debugger rules, on the tensors of this job:"))]
    if loud:
        rows = tuple(
            (
                f"└ {outcome.rule}" if outcome.follows_from else outcome.rule,
                str(outcome.status),
                _step_range(outcome),
                " ".join(part for part in (outcome.meaning, outcome.details, where(outcome)) if part) or "—",
                outcome.advice
                or (
                    tr("Follows from {follows_from}.").format(follows_from=outcome.follows_from)
                    if outcome.follows_from
                    else "—"
                ),
            )
            for outcome in loud
        )
        tones = tuple(_TONES.get(outcome.status, "muted") for outcome in loud)
        columns = ("Rule", "Status", "Steps", "Meaning", "Advice")
        blocks.append(Table(columns, rows, frozenset(), (1.6, 1.3, 0.9, 3, 2.4), tones))
        blocks += islice(_evidence(loud), _MOST_EVIDENCE)
    if quiet:
        blocks.append(
            Text(tr("✓ {count} found no issue: {quiet}.").format(count=len(quiet), quiet=", ".join(quiet)), "muted")
        )
    if blind:
        blocks.append(
            Text(tr("Nothing that these look at was saved: {names}.").format(names=", ".join(blind)), "muted")
        )
    return tuple(blocks)


def _evidence(outcomes: Sequence[RuleOutcome]) -> Iterator[LineChart]:
    """Yield what each rule looked at, step by step, with its threshold."""
    for outcome in outcomes:
        steps, values, limits = (
            np.array([math.nan if entry[at] is None else entry[at] for entry in outcome.values], np.float64)
            for at in range(3)
        )
        lines = [
            Line(label, colour, steps[known], numbers[known])
            for label, colour, numbers in ((tr("value"), 0, values), (tr("threshold"), 7, limits))
            if (known := np.isfinite(numbers)).any()
        ]
        if len(values) > 1 and np.isfinite(values).any():
            yield LineChart(tr("What {rule} saw").format(rule=outcome.rule), tuple(lines), "step", "1")


def _step_range(outcome: RuleOutcome) -> str:
    if outcome.first_step is None:
        return "—"
    last = outcome.last_step
    return f"{outcome.first_step}" if last in (None, outcome.first_step) else f"{outcome.first_step} to {last}"
