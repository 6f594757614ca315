"""`sagehound rules` and `sagehound report`: of a job, or of what any job has saved anywhere."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from core.cli.console import Console, table
from core.cli.describe import finite_or_none
from core.errors import UsageError
from core.jobs.records import RuleOutcome, TrainingJob
from core.jobs.status import RuleStatus
from core.paths import AppPaths
from core.progress import CancelToken
from core.translation import tr
from core.workbench import Workbench


def rules(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print what each rule says; what it says is the result, so issues are not a failure of the command.

    A rule that could not be evaluated because files are damaged is one.
    """
    workbench = Workbench(paths)
    try:
        changes = rule_changes(options.rule) if options.rule else None
        outcomes = workbench.reports.rule_outcomes(options.job, console.progress, CancelToken(), changes)
        output = Path(options.output).expanduser() if options.output else None
        if output is not None:
            workbench.reports.write_findings(outcomes, output)
        if options.try_remedy:
            return _try_remedy(workbench, outcomes, changes, console)
    finally:
        workbench.close()
    console.result([outcome_json(outcome) for outcome in outcomes], lambda: _as_text(outcomes, output))
    for job, files in _unreadable(outcomes).items():
        print(f"sagehound: {job}: {len(files)} damaged: {', '.join(files)}.", file=sys.stderr)
    return int(any(outcome.status is RuleStatus.ERROR and outcome.unreadable for outcome in outcomes))


def _try_remedy(
    workbench: Workbench,
    outcomes: list[RuleOutcome],
    changes: dict[str, dict[str, str]] | None,
    console: Console,
) -> int:
    """Train once more with the remedy of the finding that leads, and say whether it is found again."""
    from core.cli.wait import watch_to_end
    from core.jobs.status import JobStatus

    remedy, name = workbench.jobs.try_remedy(outcomes, console.progress, CancelToken())
    console.note(
        tr("{rule} in {job}: trying {setting} {value} instead of {before}, as {name}.").format(
            rule=remedy.outcome.rule,
            job=remedy.outcome.job,
            setting=remedy.setting,
            value=remedy.value,
            before=remedy.before or tr("none"),
            name=name,
        )
    )
    job = watch_to_end(workbench, name, console)
    if job.status is not JobStatus.COMPLETED:
        console.note(f"sagehound: {name}: {job.status}. {job.failure_reason}".rstrip())
        return 1
    after = {item.rule: item for item in workbench.reports.evaluated(name, console.progress, changes)}
    found = [rule for rule, item in after.items() if item.status is RuleStatus.ISSUES_FOUND]
    found_again = _found_again(after.get(remedy.outcome.rule))
    others = [rule for rule in found if rule != remedy.outcome.rule]
    said = _what_came(remedy.outcome.rule, found_again, name, others)
    before = workbench.engine.job(remedy.outcome.job)
    result = {
        "rule": remedy.outcome.rule,
        "job": remedy.outcome.job,
        "setting": remedy.setting,
        "before": remedy.before,
        "value": remedy.value,
        "trial": name,
        "found_again": found_again,
        "also_found": others,
        "objective_before": finite_or_none(before.objective) if isinstance(before, TrainingJob) else None,
        "objective": finite_or_none(job.objective) if isinstance(job, TrainingJob) else None,
    }
    if result["objective_before"] is not None and result["objective"] is not None:
        compared = tr("Its objective is {after:.4g}; it was {before:.4g}.")
        said = "\n".join((said, compared.format(after=result["objective"], before=result["objective_before"])))
    console.result(result, said)
    return 0


def _found_again(outcome: RuleOutcome | None) -> bool | None:
    """Whether a rule finds with the remedy what it found before; None where it could not look."""
    if outcome is None or not outcome.evaluated:
        return None
    return {RuleStatus.ISSUES_FOUND: True, RuleStatus.NO_ISSUES_FOUND: False}.get(outcome.status)


def _what_came(rule: str, found_again: bool | None, name: str, others: list[str]) -> str:
    """Return in a sentence or two what the rules say of the training with the remedy."""
    if found_again is None:
        said = tr("With the remedy {rule} had nothing to look at ({name}).").format(rule=rule, name=name)
    elif found_again:
        said = tr("{rule} is found with the remedy too: it was not this alone ({name}).").format(rule=rule, name=name)
    else:
        said = tr("With the remedy {rule} is not found any more ({name}).").format(rule=rule, name=name)
    beside = tr("Beside it: {others}.").format(others=", ".join(others)) if others else ""
    return f"{said} {beside}".rstrip()


def rule_changes(given: list[list[str]]) -> dict[str, dict[str, str]]:
    """Return the rules that are asked for, with the parameters that were given for them.

    Raises:
        UsageError: a pair cannot be read.
        SpecError: a rule or a parameter does not exist, or its value makes no sense.
    """
    from core.cli.spec_options import split_pair
    from core.debugger.job_rules import ALIASES, check
    from core.jobs.specs import DebuggerConfig

    changes = {
        ALIASES.get(name, name): dict(split_pair(text, f"--rule {name} KEY=VALUE") for text in pairs)
        for name, *pairs in given
    }
    check(DebuggerConfig(rules=changes))
    return changes


def report(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Write the report of a job, or of two side by side, or save AWS's own.

    Raises:
        UsageError: more than two are named, or two for AWS's report, which is of one.
    """
    others = [other for other in (options.other, options.compare) if other]
    if others and options.aws:
        raise UsageError(
            tr("AWS's own report is of one job."), fix=tr("Name one, or leave --aws out to compare two jobs.")
        )
    if len(others) > 1:
        raise UsageError(
            tr("A report compares two jobs."), fix=tr("Name two, or write the report of a tuning job over its trials.")
        )
    workbench, output = Workbench(paths), Path(options.output).expanduser()
    try:
        if options.aws:
            file = workbench.reports.save_aws_report(options.job, output)
        elif others:
            file = workbench.reports.write_comparison(options.job, others[0], output, console.progress, CancelToken())
        else:
            file = workbench.reports.write(options.job, output, console.progress, CancelToken())
    finally:
        workbench.close()
    from core.report.formats import format_of
    from core.report.mlflow_server import address_of

    if format_of(file).server:
        console.result({"url": address_of(file)}, tr("Sent to {address_of}.").format(address_of=address_of(file)))
        return 0
    size = file.stat().st_size
    console.result({"path": str(file), "bytes": size}, f"{file} ({size / 1024:.0f} KB)")
    return 0


def outcome_json(outcome: RuleOutcome) -> dict[str, Any]:
    """Return a rule's outcome as plain JSON: `name`, `status` and what else it knows."""
    return {
        "name": outcome.rule,
        "status": str(outcome.status),
        "job": outcome.job,
        "first_step": outcome.first_step,
        "last_step": outcome.last_step,
        "triggered": outcome.triggered,
        "evaluated": outcome.evaluated,
        "tensors": list(outcome.tensors),
        "values": [
            [step, finite_or_none(value), finite_or_none(threshold)] for step, value, threshold in outcome.values
        ],
        "details": outcome.details,
        "meaning": outcome.meaning,
        "advice": outcome.advice,
        "setting": outcome.setting,
        "change": outcome.change,
        "parameters": dict(outcome.parameters),
        "action": outcome.action,
        "follows_from": outcome.follows_from,
        "file": outcome.file,
        "line": outcome.line,
        "unreadable": list(outcome.unreadable),
    }


def _as_text(outcomes: list[RuleOutcome], output: Path | None) -> str:
    if not outcomes:
        return tr("No rule has looked at this.")
    rows = [(_name(outcome), _status(outcome), outcome.first_step, outcome.job) for outcome in outcomes]
    lines = [table(("rule", "status", tr("since step"), "job"), rows)]
    for outcome in outcomes:
        if outcome.status in (RuleStatus.ISSUES_FOUND, RuleStatus.ERROR):
            lines += ["", f"{outcome.rule}: {outcome.details}".rstrip(": ")]
            lines += [f"    {text}" for text in (outcome.meaning, _where(outcome), outcome.advice) if text]
    if output is not None:
        lines += ["", tr("All of it is in {file}.").format(file=output)]
    return "\n".join(lines)


def _name(outcome: RuleOutcome) -> str:
    """Return a rule's name; one whose finding follows from another's stands under it."""
    return f"  {outcome.rule}" if outcome.follows_from else outcome.rule


def _status(outcome: RuleOutcome) -> str:
    """Return a rule's status, and whether it found nothing or saw nothing."""
    nothing = outcome.status is RuleStatus.NO_ISSUES_FOUND and not outcome.evaluated
    return tr("{status}, saw nothing").format(status=outcome.status) if nothing else str(outcome.status)


def _where(outcome: RuleOutcome) -> str:
    if outcome.follows_from:
        return tr("This follows from {follows_from}.").format(follows_from=outcome.follows_from)
    return f"{outcome.file}:{outcome.line}" if outcome.file else ""


def _unreadable(outcomes: list[RuleOutcome]) -> dict[str, list[str]]:
    """Return the damaged files of each job, once."""
    files: dict[str, dict[str, None]] = {}
    for outcome in outcomes:
        if outcome.unreadable:
            files.setdefault(outcome.job, {}).update(dict.fromkeys(outcome.unreadable))
    return {job: list(names) for job, names in files.items()}
