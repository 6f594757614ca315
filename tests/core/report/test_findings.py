"""What rules said, without a profile: as a report, and as tables of all findings at once."""

import csv
import json
import shutil
from dataclasses import replace

import pytest

from core.errors import UsageError
from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus, RuleStatus
from core.profiler.read import NoProfile
from core.report import Run, export, export_findings
from core.report.document import Findings, LineChart, Table, Text
from core.report.findings_report import findings_document
from core.report.reported_run import bare_run, read_run
from core.report.rule_chapters import outcome_blocks
from core.report.sections import job_document
from tests.core.debugger.test_foreign_curves import FALLING, RISING, tensorboard


def rows_of(file):
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture
def outcomes(found_issue):
    loud = replace(found_issue(job="a"), values=((0, 1.5, 9.0), (1, 20.0, 9.0), (2, float("nan"), None)))
    quiet = replace(found_issue("Overfit", "a"), status=RuleStatus.NO_ISSUES_FOUND, evaluated=4)
    return [loud, quiet, replace(quiet, job="b")]


def test_all_findings_of_all_jobs_are_one_table(outcomes, tmp_path):
    rows = rows_of(export_findings(outcomes, tmp_path / "x.csv"))
    assert [(row["run"], row["name"], row["status"]) for row in rows] == [
        ("a", "LearningRateTooHigh", "IssuesFound"),
        ("a", "Overfit", "NoIssuesFound"),
        ("b", "Overfit", "NoIssuesFound"),
    ]
    assert (rows[0]["first_step"], rows[0]["advice"]) == ("2", "Try a learning rate of 0.01.")
    assert rows[1]["advice"] == ""  # nothing is to be done about what was not found


def test_they_are_json_and_a_page_too_and_nothing_else(outcomes, tmp_path):
    told = json.loads(export_findings(outcomes, tmp_path / "x.json").read_text())
    assert [(run["name"], len(run["rules"])) for run in told["runs"]] == [("a", 2), ("b", 1)]
    assert "Rules found issues in 1 of 2 jobs." in export_findings(outcomes, tmp_path / "x.html").read_text()
    with pytest.raises(UsageError, match=r"\.html, \.pdf, \.json or \.csv"):
        export_findings(outcomes, tmp_path / "x.txt")


def test_each_cause_on_the_first_page_leads_to_its_jobs_evidence(outcomes):
    document = findings_document([bare_run("b", outcomes[2:]), bare_run("a", outcomes[:2])])
    (cards,) = (block for block in document.sections[0].blocks if isinstance(block, Findings))
    section = next(section for section in document.sections if section.key == cards.items[0].evidence)
    assert section.title == "a"
    assert any(isinstance(block, LineChart) for block in section.blocks)
    assert document.sections[-1].title == "Without an issue"


def test_only_jobs_that_rules_looked_at_to_the_end_are_without_an_issue(outcomes):
    clear = outcomes[1]
    jobs = {
        "clear": [clear, replace(clear, evaluated=0)],
        "error": [clear, replace(clear, status=RuleStatus.ERROR)],
        "running": [clear, replace(clear, status=RuleStatus.IN_PROGRESS)],
        "blind": [replace(clear, evaluated=0)],
        "none": [],
    }
    document = findings_document([bare_run(name, said) for name, said in jobs.items()])
    said = {section.title: [block.text for block in section.blocks] for section in document.sections[-2:]}
    assert said == {
        "Without an issue": ["✓ clear."],
        "Without a verdict": [
            "A rule could not be evaluated: error.",
            "Rules have not come to their end: running.",
            "Nothing that rules look at was saved: blind.",
            "No rule has looked at it: none.",
        ],
    }
    verdict = document.sections[0].blocks[0]
    assert verdict.tone == "plain"
    assert verdict.sentences[1].startswith("Of 4 of them there is no verdict")
    assert findings_document([bare_run("a", [clear]), bare_run("b", [clear])]).sections[0].blocks[0].tone == "good"
    alone = [findings_document([bare_run(name, jobs[name])]).sections[0].blocks[0] for name in ("error", "running")]
    assert [verdict.tone for verdict in alone] == ["plain", "plain"]
    assert [verdict.sentences[1].partition(", but ")[2] for verdict in alone] == [
        "not all could be evaluated.",
        "not all have come to their end.",
    ]


def test_without_any_outcome_nothing_good_is_said(tmp_path):
    page = export_findings([], tmp_path / "x.html").read_text(encoding="utf-8")
    assert "No rule has looked at it." in page
    assert "found an issue" not in page


def test_evidence_is_drawn_with_its_threshold_and_without_what_is_not_a_number(outcomes):
    (chart,) = (block for block in outcome_blocks(outcomes[:2]) if isinstance(block, LineChart))
    assert [(line.label, line.x.tolist(), line.y.tolist()) for line in chart.lines] == [
        ("value", [0, 1], [1.5, 20]),
        ("threshold", [0, 1], [9, 9]),
    ]


def test_a_profile_adds_its_rules_and_what_costs_time(make_job, writer, found_issue, tmp_path):
    writer.system(duration=300)
    writer.trace(steps=200, phases={"data_loading": 1.0, "forward": 0.1})
    made = make_job()
    shutil.copytree(writer.root, made / "output" / "profiler")
    rows = rows_of(export(Run(made, outcomes=[found_issue()]), tmp_path / "all-findings.csv"))
    assert {row["kind"] for row in rows} == {"rule", "profiler_rule", "finding"}
    assert [row["name"] for row in rows if row["kind"] == "rule"] == ["LearningRateTooHigh"]
    (loading,) = (row for row in rows if row["name"] == "Training waits for data")
    assert float(loading["gain_s"]) > 60


def test_a_job_without_a_profile_has_a_report_all_the_same(make_job, found_issue):
    made = make_job()
    document = job_document(read_run(Run(made, outcomes=[found_issue()]), made))
    assert [section.key for section in document.sections] == ["summary", "rules"]


def test_a_job_that_failed_before_it_left_anything_has_a_report_of_why(tmp_path):
    job = TrainingJob("job", JobStatus.FAILED, 0.0, failure_reason="The dataset is gone.")
    document = job_document(read_run(Run(tmp_path, job), tmp_path))
    assert document.sections[0].blocks[0].sentences == (
        "The job failed: The dataset is gone.",
        "No rule has looked at it.",
    )
    with pytest.raises(NoProfile):
        read_run(Run(tmp_path, replace(job, status=JobStatus.IN_PROGRESS)), tmp_path)


def test_curves_of_another_tool_are_a_report(tmp_path):
    place = tensorboard(tmp_path / "run", train_loss=FALLING, val_loss=RISING)
    document = job_document(read_run(Run(place), place))
    (chart,) = (block for block in document.sections[0].blocks if isinstance(block, LineChart))
    assert chart.x_label == "step"
    assert chart.lines[1].x.tolist() == [10 * step for step in range(12)]
    table = next(block for block in document.sections[1].blocks if isinstance(block, Table))
    assert table.rows[0][0] == "Overfit"


def test_files_of_other_tools_that_cannot_be_read_deny_no_report(tmp_path):
    place = tensorboard(tmp_path / "run", train_loss=FALLING)
    (place / "run-abc.wandb").write_bytes(b"")
    (section,) = job_document(read_run(Run(place), place)).sections[1:]
    texts = [block.text for block in section.blocks if isinstance(block, Text)]
    assert "run-abc.wandb (it is no run of W&B's) could not be read." in texts
    ended = tmp_path / "ended"
    ended.mkdir()
    (ended / "run-abc.wandb").write_bytes(b"")
    job = TrainingJob("job", JobStatus.FAILED, 0.0, failure_reason="The dataset is gone.")
    assert read_run(Run(ended, job), ended).job is job
