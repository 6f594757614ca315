"""The report of one training job: its first page, then its chapters."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from core.jobs.records import RuleOutcome
from core.profiler.results import ProfilerAnalysis
from core.report import machine_chapters, time_chapters
from core.report.document import Document, Section, Text
from core.report.first_page import first_page, machine, problems
from core.report.reported_run import ReadRun
from core.report.rule_chapters import rules
from core.translation import tr

TITLE = tr("Training report")


def job_document(run: ReadRun) -> Document:
    """Return the report of one training job."""
    status = (str(run.job.status),) if run.job is not None else ()
    facts = status if run.analysis.is_empty else (*status, f"machine: {machine(run.analysis)}")
    first = first_page(run.analysis, run.story, run.job, run.outcomes)
    return Document(TITLE, run.name, (first, *chapters(run.analysis, run.outcomes)), footer(), facts)


def chapters(analysis: ProfilerAnalysis, outcomes: Sequence[RuleOutcome] = ()) -> tuple[Section, ...]:
    """Return all chapters after the first page."""
    if analysis.is_empty:
        missing = Text(tr("There is no profile of it, so nothing is said about time and machines."), "muted")
        said = rules(analysis, outcomes)
        return (replace(said, blocks=(*said.blocks, missing, *problems(analysis))),)
    times = time_chapters.times(analysis)
    sections = (
        Section(times.key, times.title, (*times.blocks, *problems(analysis))),
        machine_chapters.system(analysis),
        time_chapters.steps(analysis),
        time_chapters.operators(analysis),
        time_chapters.loading(analysis),
        machine_chapters.gpu(analysis),
        machine_chapters.memory(analysis),
        rules(analysis, outcomes),
    )
    return tuple(section for section in sections if section.blocks)


def footer() -> str:
    """Return who made the report, and when."""
    return tr("Made by Sagehound on {strftime} UTC.").format(strftime=time.strftime("%Y-%m-%d %H:%M", time.gmtime()))
