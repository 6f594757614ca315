"""All that was found, as a table: a row for each rule of each run, and one for each thing that costs time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.profiler.findings import issues
from core.profiler.results import RuleResult, Verdict
from core.report.reported_run import ReadRun

COLUMNS = (
    "run",
    "kind",
    "name",
    "status",
    "first_step",
    "last_step",
    "triggered",
    "evaluated",
    "value",
    "threshold",
    "details",
    "meaning",
    "advice",
    "gain_s",
    "follows_from",
    "setting",
    "file",
    "line",
    "parameters",
    "tensors",
)
Row = dict[str, object]


def write_findings(runs: tuple[ReadRun, ...], path: Path) -> None:
    """Write what the Debugger's rules, the profiler's rules and the report said of each run."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        for run in runs:
            for row in _rows(run):
                writer.writerow({"run": run.name, **row})


def _rows(run: ReadRun) -> Iterator[Row]:
    for outcome in run.outcomes:
        yield _outcome(outcome)
    for rule in () if run.profile.is_empty else run.analysis.rules:
        yield _profiler_rule(rule)
    by_rules = {outcome.rule for outcome in issues(run.outcomes)}
    for finding in run.analysis.findings:
        if finding.title not in by_rules:
            yield {
                "kind": "finding",
                "name": finding.title,
                "status": finding.severity,
                "details": finding.text,
                "advice": finding.change,
                "gain_s": finding.gain_s or "",
            }


def _outcome(outcome: RuleOutcome) -> Row:
    _, value, threshold = outcome.values[-1] if outcome.values else (0, None, None)
    loud = outcome.status in (RuleStatus.ISSUES_FOUND, RuleStatus.ERROR)  # the others' meaning is what did not happen
    return {
        "kind": "rule",
        "name": outcome.rule,
        "status": str(outcome.status),
        "first_step": outcome.first_step,
        "last_step": outcome.last_step,
        "triggered": outcome.triggered,
        "evaluated": outcome.evaluated,
        "value": value,
        "threshold": threshold,
        "details": outcome.details,
        "meaning": outcome.meaning if loud else "",
        "advice": outcome.advice if loud else "",
        "follows_from": outcome.follows_from,
        "setting": outcome.setting,
        "file": outcome.file,
        "line": outcome.line,
        "parameters": _pairs(outcome.parameters),
        "tensors": " ".join(outcome.tensors),
    }


def _profiler_rule(rule: RuleResult) -> Row:
    return {
        "kind": "profiler_rule",
        "name": rule.name,
        "status": str(rule.verdict),
        "triggered": rule.triggered,
        "evaluated": rule.datapoints,
        "details": rule.detail,
        "meaning": rule.description,
        "advice": rule.recommendation if rule.verdict is Verdict.ISSUE else "",
        "parameters": _pairs(rule.parameters),
    }


def _pairs(values: Mapping[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())
