"""The report of what rules said alone: of one job, or of many, those with issues first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from core.jobs.status import RuleStatus
from core.profiler.findings import Standing, issues, standing
from core.profiler.results import Finding
from core.report.document import Block, Document, Findings, Section, Table, Text, Verdict
from core.report.first_page import KEY
from core.report.reported_run import ReadRun
from core.report.rule_chapters import outcome_blocks
from core.report.sections import footer, job_document
from core.translation import plural, tr

_SHOWN = 3
"""Jobs whose root cause stands on the first page."""


def findings_document(runs: Sequence[ReadRun]) -> Document:
    """Return one report of the rules' outcomes of all `runs`, which have no profile."""
    title = tr("What the rules found")
    if len(runs) == 1:
        return replace(job_document(runs[0]), title=title)
    ordered = sorted(runs, key=lambda run: -len(issues(run.outcomes)))
    keys = {run.name: f"job-{number}" for number, run in enumerate(ordered, 1)}
    sections = [_first_page(ordered, keys)]
    sections += [Section(keys[run.name], run.name, outcome_blocks(run.outcomes)) for run in ordered if _is_loud(run)]
    standings = {run.name: standing(run.outcomes) for run in ordered if not issues(run.outcomes)}
    if clear := [name for name, stands in standings.items() if stands is Standing.CLEAR]:
        sections.append(Section("quiet", tr("Without an issue"), (Text(f"✓ {', '.join(clear)}."),)))
    if unknown := tuple(_without_verdict(standings)):
        sections.append(Section("unknown", tr("Without a verdict"), unknown))
    subtitle = plural("{count} job", "{count} jobs", len(runs)) if runs else ""
    return Document(title, subtitle, tuple(sections), footer())


def _without_verdict(standings: Mapping[str, Standing]) -> Iterator[Text]:
    """Yield a sentence for each reason why nothing can be said of jobs, with their names."""
    sentences = {
        Standing.ERROR: tr("A rule could not be evaluated: {jobs}."),
        Standing.RUNNING: tr("Rules have not come to their end: {jobs}."),
        Standing.BLIND: tr("Nothing that rules look at was saved: {jobs}."),
        Standing.UNKNOWN: tr("No rule has looked at it: {jobs}."),
    }
    for stands, sentence in sentences.items():
        if jobs := [name for name, found in standings.items() if found is stands]:
            yield Text(sentence.format(jobs=", ".join(jobs)), "warning" if stands is Standing.ERROR else "plain")


def _is_loud(run: ReadRun) -> bool:
    return any(outcome.status in (RuleStatus.ISSUES_FOUND, RuleStatus.ERROR) for outcome in run.outcomes)


def _first_page(runs: Sequence[ReadRun], keys: dict[str, str]) -> Section:
    loud = [run for run in runs if issues(run.outcomes)]
    causes = [_cause(run, keys[run.name]) for run in loud]
    blocks: list[Block] = [_verdict(runs, loud)]
    if rows := tuple((run.name, str(len(issues(run.outcomes))), issues(run.outcomes)[0].rule) for run in loud):
        blocks.append(Table(("Job", "Issues", tr("Root cause")), rows, frozenset((1,)), (3, 1, 3)))
    if causes:
        blocks.append(Findings(tuple(causes[:_SHOWN])))
    return Section(KEY, tr("In short"), tuple(blocks))


def _verdict(runs: Sequence[ReadRun], loud: Sequence[ReadRun]) -> Verdict:
    if not runs:
        return Verdict((tr("No rule has looked at it."),))
    if not loud:
        clear = sum(standing(run.outcomes) is Standing.CLEAR for run in runs)
        said = tr("No rule found an issue in {count} jobs.").format(count=len(runs))
        if clear == len(runs):
            return Verdict((said, tr("There is nothing to change by what they saw.")), "good")
        unknown = plural(
            "Of one of them there is no verdict, though; the last chapter says why.",
            "Of {count} of them there is no verdict, though; the last chapter says why.",
            len(runs) - clear,
        )
        return Verdict((said, unknown))
    causes = Counter(issues(run.outcomes)[0].rule for run in loud)
    rule, count = causes.most_common(1)[0]
    return Verdict(
        (
            tr("Rules found issues in {loud} of {count} jobs.").format(loud=len(loud), count=len(runs)),
            plural(
                "The most frequent root cause is {rule}, in one of them.",
                "The most frequent root cause is {rule}, in {count} of them.",
                count,
                rule=rule,
            ),
        ),
        "warning",
    )


def _cause(run: ReadRun, key: str) -> Finding:
    first = issues(run.outcomes)[0]
    text = " ".join(part for part in (first.details, first.meaning) if part)
    title = tr("{rule} in {job}").format(rule=first.rule, job=run.name)
    return Finding(title, text, first.advice, "", severity="warning", evidence=key)
