"""AWS's managed Debugger on a training job: what is asked, AWS's answers live, its report, and its refusal."""

from __future__ import annotations

import dataclasses
import datetime
import time

import pytest

from core.cloud.managed import ManagedRefused
from core.debugger.outcomes import job_outcomes
from core.engines.sagemaker.connection.eligibility import is_refusal
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.jobs.definition import check
from core.engines.sagemaker.jobs.training_source import Source
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking.evaluations import outcomes_in
from core.errors import JobNotFound, SpecError
from core.jobs.managed_rules import parse_rules
from core.jobs.specs import CloudResources, DebuggerConfig, ManagedDebugger, spec_from_json, spec_to_json
from core.jobs.status import JobStatus, RuleStatus
from core.paths import AppPaths
from core.profiler.read import find_report
from core.store import Store
from tests.cloud.rule_jobs import CLOSED, wants_managed

FEATURES = b"""
import os, pathlib
pathlib.Path(os.environ.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints"), "features.json").write_text("{}")
"""
CHOSEN = ManagedDebugger({"VanishingGradient": {"threshold": "1e-6"}, "UnchangedTensor": {}, "Overfit": {}})


@pytest.fixture
def spec_of(sagemaker_mini):
    def make(name, managed=CHOSEN, **changes):
        made = sagemaker_mini.training(name, cloud=CloudResources("ml.m5.large", managed=managed), **changes)
        return dataclasses.replace(made, debugger=DebuggerConfig(save_intervals={"losses": 1}, save_interval=10))

    return make


def statuses(engine, name):
    return {outcome.rule: outcome.status for outcome in job_outcomes(engine, name)}


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.03)


def test_it_is_asked_for_read_back_and_told_live_to_the_report(sagemaker_mini, spec_of, cloud, golden, workspace):
    engine, rules = sagemaker_mini.engine, cloud.training.rules
    rules.verdicts = {
        "VanishingGradient": ("IssuesFound", "RuleEvaluationConditionMet: Evaluation of the rule at step 20 was met."),
        "UnchangedTensor": ("Error", "ClientError: no tensors"),
        "ProfilerReport": ("IssuesFound", ""),
    }
    rules.go_on.clear()
    spec = spec_of("watched")
    assert spec_from_json(spec_to_json(spec)) == spec
    engine.start(spec)
    assert engine.differences("watched") == ()
    (request,) = cloud.asked("CreateTrainingJob")
    asked = {key: value for key, value in request.items() if "Debug" in key or "Profiler" in key}
    golden("managed_debugger", asked, {workspace.bucket: "BUCKET"})

    sagemaker_mini.finished("watched")  # the job's end waits for no rule
    names = {f"{name} (AWS)" for name in (*CHOSEN.rules, "ProfilerReport")}
    assert statuses(engine, "watched") == dict.fromkeys(names, RuleStatus.IN_PROGRESS)
    assert find_report(engine.job_folder("watched")) is None
    rules.go_on.set()
    until(lambda: RuleStatus.IN_PROGRESS not in statuses(engine, "watched").values())
    found = {outcome.rule: outcome for outcome in job_outcomes(engine, "watched")}
    fired = found["VanishingGradient (AWS)"]
    assert (fired.status, fired.first_step) == (RuleStatus.ISSUES_FOUND, 20)
    assert fired.details.startswith("RuleEvaluationConditionMet")
    assert fired.parameters == {"threshold": "1e-6"}
    assert found["Overfit (AWS)"].details == "AWS found no issue."  # a status without any file
    assert "watched-unchangedtensor" in found["UnchangedTensor (AWS)"].advice
    assert found["ProfilerReport (AWS)"].status is RuleStatus.ISSUES_FOUND
    assert found["CPUBottleneck (AWS)"].evaluated == 120  # what the report's own rules wrote
    report = find_report(engine.job_folder("watched") / "rule-output")
    assert "SageMaker Debugger Profiling Report" in report.read_text(encoding="utf-8")
    assert engine._poller._watched() == []  # all is known: nothing is asked any more
    assert engine.eligibility.of("123456789012").taken


def test_a_refusal_is_told_remembered_and_can_be_reset(sagemaker_mini, spec_of, cloud):
    engine = sagemaker_mini.engine
    cloud.faults.add("CreateTrainingJob", CLOSED, when=wants_managed)
    with pytest.raises(ManagedRefused, match="no longer open to new customers"):
        engine.start(spec_of("one"))
    with pytest.raises(JobNotFound):
        engine.job("one")
    with pytest.raises(ManagedRefused, match="AWS refused its managed Debugger to this account on 20"):
        engine.start(spec_of("one"))
    assert len(cloud.asked("CreateTrainingJob")) == 1  # AWS is not asked twice
    engine.start(spec_of("one", managed=None))
    engine.eligibility.forget("123456789012")
    engine.start(spec_of("two"))
    assert {sagemaker_mini.finished(name).status for name in ("one", "two")} == {JobStatus.COMPLETED}
    assert job_outcomes(engine, "one") == []


def test_what_aws_leaves_open_is_not_followed_for_ever():
    def describe(**changes):
        asked = {"RuleConfigurationName": "Overfit-1795300020", "RuleParameters": {"rule_to_invoke": "Overfit"}}
        done = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        ended = {"TrainingJobStatus": "Completed", "TrainingEndTime": done, "LastModifiedTime": done}
        return {**ended, "DebugRuleConfigurations": [asked], **changes}

    (missing,) = outcomes_in("old", describe())
    assert (missing.rule, missing.status) == ("Overfit (AWS)", RuleStatus.ERROR)
    assert missing.details == "The job has ended, and AWS gave no status of this rule."
    (waiting,) = outcomes_in("new", describe(TrainingJobStatus="InProgress", TrainingEndTime=None))
    assert (waiting.status, waiting.details) == (RuleStatus.IN_PROGRESS, "AWS has not begun to evaluate it.")
    stuck = {"RuleConfigurationName": "Overfit-1795300020", "RuleEvaluationStatus": "InProgress"}
    (overdue,) = outcomes_in("old", describe(DebugRuleEvaluationStatuses=[stuck]))
    assert overdue.status is RuleStatus.ERROR
    assert overdue.details == "A day after the job's end AWS still says InProgress: AWS is evaluating it."


def test_a_job_that_waited_for_its_features_goes_on_without_and_says_so(
    cloud, aws, workspace, paths, store, bench_of, manifest
):
    scripts = {"mini.py": b"print('Average loss: 0.5')", "features.py": FEATURES}
    source = Source(scripts, program="mini.py", features="features.py")
    cloud.forget()
    engine = SageMakerEngine(paths, store, aws, workspace, source, timing=Timing(0.1, 0.3, login=0.3))
    try:
        bench = bench_of(engine, manifest)
        resources = CloudResources("ml.m5.large", managed=CHOSEN)
        made = bench.training("waited", hyperparameters={"weights": "none"}, cloud=resources)
        cloud.faults.add("CreateTrainingJob", CLOSED, when=wants_managed)
        engine.start(dataclasses.replace(made, debugger=DebuggerConfig()))
        assert bench.finished("waited").status is JobStatus.COMPLETED
        first, *rest = cloud.asked("CreateTrainingJob")
        assert (first["TrainingJobName"], wants_managed(first)) == ("waited-features", False)
        assert [wants_managed(request) for request in rest] == [True, False]
        (told,) = engine.differences("waited")
        assert told.startswith("It runs without AWS's Debugger. AWS refused its managed Debugger: Amazon SageMaker")
    finally:
        engine.close()
        cloud.forget()


@pytest.mark.parametrize(
    ("code", "message", "refused"),
    [
        (CLOSED[0], CLOSED[1], True),
        ("AccessDeniedException", "Profiler rules are not available for your account", True),
        ("ValidationException", "1 validation error detected: Value at 'debugHookConfig.s3OutputPath' is bad", False),
        ("AccessDeniedException", "User: arn:aws:iam::1:user/debugger is not authorized to perform: x on y", False),
        ("ValidationException", "No S3 objects found under S3 URL s3://debugger/train", False),
        ("ValidationException", "debug-job cannot be created", False),
        ("ResourceLimitExceeded", "Number of instances across all processing jobs for Debugger", False),
    ],
)
def test_what_counts_as_a_refusal(code, message, refused):
    assert is_refusal(code, message, "debug-job") is refused


def test_what_cannot_be_is_said(sagemaker_mini, spec_of):
    tuning = sagemaker_mini.tuning("search")
    cloud = CloudResources(managed=CHOSEN)
    training = dataclasses.replace(tuning.training, cloud=cloud)
    nothing, unknown = ManagedDebugger({}, report=False), ManagedDebugger({"NotANumber": {}})
    wrong, ours = ManagedDebugger({"Overfit": {"patience": "x"}}), ManagedDebugger({"Overfit": {"min_gap": "1"}})
    off = dataclasses.replace(spec_of("off"), debugger=DebuggerConfig(enabled=False))
    for spec, said in (
        (dataclasses.replace(tuning, training=training), "trials of a tuning job"),
        (spec_of("a", nothing), "nothing to do"),
        (spec_of("a", unknown), "is not a rule of AWS's"),
        (spec_of("a", wrong), "patience must be a number"),
        (spec_of("a", ours), "no parameter min_gap"),
        (spec_of("a", ManagedDebugger(interval_ms=7)), "every 7 ms"),
        (off, "wait for tensors in vain"),
    ):
        with pytest.raises(SpecError, match=said) as raised:
            check(spec)
        assert raised.value.field == "managed"
    assert parse_rules(["Overfit", "AllZero:tensor_regex=a,b,threshold=50"]) == {
        "Overfit": {},
        "AllZero": {"tensor_regex": "a,b", "threshold": "50"},
    }
    with pytest.raises(SpecError, match="is not a rule with parameters"):
        parse_rules(["Overfit:patience"])


def test_an_adopted_jobs_rules_are_followed_too(sagemaker_mini, spec_of, cloud, aws, workspace, tmp_path):
    cloud.training.rules.verdicts = {"Overfit": ("IssuesFound", "met")}
    sagemaker_mini.engine.start(spec_of("theirs"))
    sagemaker_mini.finished("theirs")
    home = AppPaths(tmp_path / "elsewhere").create()
    store = Store(home.database)
    engine = SageMakerEngine(home, store, aws, workspace, timing=Timing(0.1, 0.3, login=0.3))
    try:
        engine.adopt("theirs")
        until(lambda: statuses(engine, "theirs").get("Overfit (AWS)") is RuleStatus.ISSUES_FOUND)
        until(lambda: engine.job("theirs").status.is_final)
        assert find_report(engine.job_folder("theirs")) is not None
        assert engine.spec("theirs").cloud.managed.rules["VanishingGradient"] == {"threshold": "1e-6"}
    finally:
        engine.close()
        store.close()
