"""What AWS's rule jobs wrote, as outcomes: in folders, in S3, damaged, and beside our own."""

import json

import pytest

from core.debugger.aws_output import aws_outcomes
from core.debugger.evaluate_rules import evaluate
from core.errors import UserFacingError
from core.jobs.status import RuleStatus
from core.paths import AppPaths
from core.workbench import Workbench
from tests.training_scripts.debugger.faults import head_training

REPORTS = "rule-output/ProfilerReport-1795300020/profiler-output/profiler-reports"
FIRED = {
    "RuleTriggered": 7,
    "Violations": 14,
    "Details": {"algo-1": {"gpu0": {"p95": 31.25, "p5": 0}}, "last_timestamp": "2026-11-22"},
    "Datapoints": 1200,
    "RuleParameters": "threshold_p95:70\nthreshold_p5:10\nwindow:500\npatience:1000",
}
QUIET = {"RuleTriggered": 0, "Violations": 0, "Details": {}, "Datapoints": 1, "RuleParameters": {"threshold": 0.5}}


def put(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


@pytest.fixture
def job(tmp_path):
    folder = tmp_path / "pictures-2026"
    put(folder, f"{REPORTS}/LowGPUUtilization.json", FIRED)
    put(folder, f"{REPORTS}/LoadBalancing.json", QUIET)
    put(folder, "rule-output/VanishingGradient-b439637b/report.json", {"RuleTriggered": 1, "Datapoints": 1})
    return folder


def by_rule(outcomes):
    return {outcome.rule: outcome for outcome in outcomes}


@pytest.mark.parametrize("below", ["", "rule-output"])
def test_verdicts_become_outcomes(job, below):
    found = by_rule(evaluate(job / below))
    assert set(found) == {"LowGPUUtilization (AWS)", "LoadBalancing (AWS)", "VanishingGradient (AWS)"}
    low = found["LowGPUUtilization (AWS)"]
    assert low.status is RuleStatus.ISSUES_FOUND
    assert low.job == "pictures-2026"
    assert (low.triggered, low.evaluated) == (7, 1200)
    assert low.details == (
        "AWS triggered it 7 times in 1,200 datapoints, with 14 violations: algo-1 gpu0 p95 31.25, algo-1 gpu0 p5 0."
    )
    assert low.parameters == {"threshold_p95": "70", "threshold_p5": "10", "window": "500", "patience": "1000"}
    assert "batch size" in low.advice
    assert low.time == pytest.approx((job / REPORTS / "LowGPUUtilization.json").stat().st_mtime)
    quiet = found["LoadBalancing (AWS)"]
    assert quiet.status is RuleStatus.NO_ISSUES_FOUND
    assert quiet.details == "AWS did not trigger it in 1 datapoint."
    assert quiet.parameters == {"threshold": "0.5"}
    assert "learning" in found["VanishingGradient (AWS)"].advice + found["VanishingGradient (AWS)"].meaning


@pytest.mark.parametrize("below", [REPORTS, REPORTS.rsplit("/", 1)[0], REPORTS.rsplit("/", 2)[0]])
def test_a_part_of_the_rule_output(job, below, tmp_path):
    wanted = {"LowGPUUtilization (AWS)", "LoadBalancing (AWS)"}
    assert set(by_rule(evaluate(job / below))) == wanted
    alone = (job / below).rename(tmp_path / below.rsplit("/", 1)[-1])  # as someone fetched it
    assert set(by_rule(aws_outcomes(alone, "job"))) == wanted


def test_damage_is_said_and_the_rest_shown(job):
    put(job, f"{REPORTS}/BatchSize.json", '{"RuleTriggered": 3, "Viol')
    (job / REPORTS / "CPUBottleneck.json").write_bytes(b"\xff\xfe\x00")
    put(job, f"{REPORTS}/IOBottleneck.json", {"RuleTriggered": None, "Violations": "x", "Datapoints": -4, "Details": 3})
    put(job, f"{REPORTS}/StepOutlier.json", {"RuleTriggered": "2", "Details": {"a": float("nan")}, "RuleParameters": 5})
    put(job, "rule-output/CreateReport-1795300020/metrics.json", [1, 2, 3])
    put(job, "rule-output/Deep/report.json", "[" * 100_000)
    found = by_rule(evaluate(job))
    assert {name for name, outcome in found.items() if outcome.status is RuleStatus.ERROR} == {
        "BatchSize (AWS)",
        "CPUBottleneck (AWS)",
        "Deep (AWS)",
    }
    assert "could not be read" in found["BatchSize (AWS)"].details
    assert found["IOBottleneck (AWS)"].details == "AWS looked at no datapoints."
    assert (found["StepOutlier (AWS)"].triggered, dict(found["StepOutlier (AWS)"].parameters)) == (2, {})
    assert "CreateReport (AWS)" not in found
    assert found["LowGPUUtilization (AWS)"].triggered == 7


def test_of_a_rule_that_ran_twice_the_later_verdict_counts(job):
    import os

    put(job, "rule-output/ProfilerReport-1/profiler-output/profiler-reports/LowGPUUtilization.json", QUIET)
    os.utime(job / "rule-output/ProfilerReport-1/profiler-output/profiler-reports/LowGPUUtilization.json", (1, 1))
    assert by_rule(evaluate(job))["LowGPUUtilization (AWS)"].triggered == 7


def test_beside_our_own_evaluation_of_the_tensors(job):
    head_training(50.0, epochs=4).run(job / "debug-output")
    found = by_rule(evaluate(job))
    assert found["LearningRateTooHigh"].status is RuleStatus.ISSUES_FOUND
    assert found["VanishingGradient (AWS)"].status is RuleStatus.ISSUES_FOUND
    assert [outcome.rule for outcome in evaluate(job, {"NotANumber": {}})] == ["NotANumber"]


def test_the_command_line_says_them(job, tmp_path, monkeypatch, capsys):
    from core.cli.main import run

    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    assert run(["rules", str(job)]) == 0
    said = capsys.readouterr().out
    assert "LowGPUUtilization (AWS)" in said
    assert "AWS triggered it 7 times" in said
    workbench = Workbench(AppPaths(tmp_path / "home"))
    assert len(workbench.reports.rule_outcomes(str(job))) == 3
    workbench.close()


@pytest.mark.parametrize("below", ["", "/", "/rule-output", f"/{REPORTS}"])
def test_in_s3_as_in_the_folder(bucket, job, below):
    for file in job.rglob("*.json"):
        bucket.upload_file(str(file), f"runs/pictures-2026/{file.relative_to(job).as_posix()}")
    here = by_rule(evaluate(job / below.strip("/")))
    there = by_rule(evaluate(f"s3://{bucket.name}/runs/pictures-2026{below}"))
    assert set(there) == set(here)
    for rule, outcome in there.items():
        told = here[rule]
        assert (outcome.job, outcome.status, outcome.details, outcome.parameters) == (
            "pictures-2026",
            told.status,
            told.details,
            told.parameters,
        )
        assert outcome.time == pytest.approx(told.time, abs=120)


def test_what_s3_refuses_is_said(bucket):
    with pytest.raises(UserFacingError, match="could not be read"):
        aws_outcomes("s3://no-such-bucket/job", "job")
    assert aws_outcomes(f"s3://{bucket.name}/nothing", "job") == []
