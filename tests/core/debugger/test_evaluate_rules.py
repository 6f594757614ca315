import json
import math
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.cli.main import run
from core.debugger import evaluate_rules
from core.debugger.evaluate_rules import evaluate, open_trial
from core.debugger.s3_storage import S3Storage
from core.debugger.saved_jobs import saved_jobs, trial_storages
from core.errors import Cancelled, UserFacingError
from core.jobs.records import RuleOutcome, TrainingJob
from core.jobs.status import JobStatus, RuleStatus
from core.paths import AppPaths
from core.progress import CancelToken
from core.workbench import Workbench
from tests.gui.fakes import FakeEngine
from tests.training_scripts.debugger.faults import cnn_training, head_training
from training_scripts.debugger import hook
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.writer import Saved, TrialWriter


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs") / "high-rate"
    head_training(50.0, epochs=4).run(folder / "output" / "tensors")
    return folder


@pytest.mark.parametrize("below", ["", "output", "output/tensors"])
def test_a_job_folder_or_anything_in_it(job, below):
    outcomes = {outcome.rule: outcome for outcome in evaluate(job / below)}
    high = outcomes["LearningRateTooHigh"]
    assert high.status is RuleStatus.ISSUES_FOUND
    assert high.job == "high-rate"
    assert high.values[-1][2] == pytest.approx(2 * math.exp(1.5) * high.values[0][1])
    assert "instead of 50" in high.advice
    assert outcomes["NotANumber"].status is RuleStatus.NO_ISSUES_FOUND


def test_of_trials_that_were_evaluated_no_file_stays_in_memory(job, monkeypatch):
    found = saved_jobs(job)
    monkeypatch.setattr(evaluate_rules, "saved_jobs", lambda source: found)
    assert evaluate(job)
    (storage,) = found[0].trials
    assert len(pickle.dumps(storage)) < 2000
    name = next(name for name in os.listdir(job / "output/tensors/events"))
    (file,) = (job / "output/tensors/events" / name).iterdir()
    storage.read(f"events/{name}/{file.name}", 0, 10)
    assert len(pickle.dumps(storage)) > 2000, "what a trial reads is kept in its storage"


def test_of_a_long_trial_the_first_steps_are_found_too(tmp_path):
    writer = TrialWriter(tmp_path / "output" / "tensors")
    writer.write_collections({}, {"losses": ["loss"]}, 1)
    for step in range(0, 4000, 500):
        writer.write_step(step, "TRAIN", step, [Saved("loss", np.float32(1))])
    writer.close()
    assert open_trial(tmp_path).steps() == list(range(0, 4000, 500))


def test_an_unfinished_trial_is_evaluated_as_far_as_it_goes(job, tmp_path):
    import shutil

    shutil.copytree(job, tmp_path / "cut")
    (tmp_path / "cut/output/tensors/training_job_end.ts").unlink()
    (events,) = (tmp_path / "cut/output/tensors/events").rglob("*.tfevents")
    os.truncate(events, events.stat().st_size // 2)
    outcomes = evaluate(tmp_path / "cut", {"LearningRateTooHigh": {}})
    assert [outcome.status for outcome in outcomes] == [RuleStatus.ISSUES_FOUND]


@pytest.mark.parametrize("part", ["index", "events", "collections"])
def test_what_cannot_be_read_is_an_error_that_names_the_files(tmp_path, monkeypatch, part):
    monkeypatch.setattr(hook, "_SMALL", 0)  # each step has a file of its own
    head_training(epochs=1).run(tmp_path / "job" / "tensors")
    damaged = [file for file in sorted((tmp_path / "job" / "tensors" / part).rglob("*")) if file.is_file()]
    for file in damaged:
        file.write_bytes(file.read_bytes()[:20])
    outcomes = evaluate(tmp_path / "job", {"VanishingGradient": {}, "ExplodingTensor": {"collection_names": "weights"}})
    assert {outcome.status for outcome in outcomes} == {RuleStatus.ERROR}
    first = f"{part}/{damaged[0].relative_to(tmp_path / 'job' / 'tensors' / part).as_posix()}"
    assert outcomes[0].details.startswith(f"Nothing of what it looks at could be read: {first} (")
    assert len(outcomes[0].unreadable) == (4 if part == "events" else len(damaged))


def test_one_damaged_file_is_named_and_the_others_are_evaluated(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(hook, "_SMALL", 0)
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    head_training(epochs=1).run(tmp_path / "job" / "tensors")
    victim = min((tmp_path / "job" / "tensors" / "events").rglob("*.tfevents"))
    victim.write_bytes(b"")
    assert run(["rules", str(tmp_path / "job"), "--json"]) == 0
    printed = capsys.readouterr()
    assert f"job: 1 damaged: events/000000000000/{victim.name} (it holds no record)." in printed.err
    by_name = {outcome["name"]: outcome for outcome in json.loads(printed.out)}
    assert by_name["NotANumber"]["status"] == "NoIssuesFound"
    assert by_name["NotANumber"]["evaluated"] > 0
    shutil.rmtree(victim.parent.parent)
    assert run(["rules", str(tmp_path / "job")]) == 1
    assert "Error" in capsys.readouterr().out


def test_a_rule_that_saw_nothing_is_told_from_one_that_found_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    cnn_training(epochs=1).run(tmp_path / "job" / "tensors")
    assert run(["rules", str(tmp_path / "job")]) == 0
    lines = {line.split()[0]: " ".join(line.split()[1:-2]) for line in capsys.readouterr().out.splitlines() if line}
    assert lines["NotANumber"] == "NoIssuesFound"
    assert lines["SaturatedActivation"] == "NoIssuesFound, saw nothing"


def test_trials_are_found_at_any_depth_and_told_apart(tmp_path):
    for name in ("first", "second"):
        head_training(epochs=1).run(tmp_path / "bucket" / "copies" / "of" / "mine" / name / "debug-output")
    outcomes = evaluate(tmp_path / "bucket", {"NotANumber": {}})
    assert [(outcome.job, outcome.status) for outcome in outcomes] == [
        ("first", RuleStatus.NO_ISSUES_FOUND),
        ("second", RuleStatus.NO_ISSUES_FOUND),
    ]


def test_a_folder_named_index_of_another_kind_is_no_trial(tmp_path):
    (tmp_path / "site" / "index").mkdir(parents=True)
    (tmp_path / "site" / "index" / "page.html").write_text("x", encoding="utf-8")
    assert trial_storages(tmp_path) == []


def test_a_jobs_name_wins_over_a_folder_that_happens_to_be_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").mkdir()
    engine = FakeEngine()
    workbench = Workbench(AppPaths(tmp_path / "home"), engine)
    try:
        with pytest.raises(UserFacingError, match="There are no saved tensors in flowers"):
            workbench.reports.rule_outcomes("flowers")
        engine.put(TrainingJob("flowers", JobStatus.COMPLETED, 1.0))
        engine.tell([RuleOutcome("flowers", "Overfit", RuleStatus.NO_ISSUES_FOUND, 1.0)])
        assert [outcome.rule for outcome in workbench.reports.rule_outcomes("flowers")] == ["Overfit"]
        with pytest.raises(UserFacingError, match=re.escape("saved tensors in ./flowers")):
            workbench.reports.rule_outcomes("./flowers")
    finally:
        workbench.close()


def test_chosen_rules_and_one_that_cannot_run(job):
    outcomes = evaluate(job, {"AllZero": {"collection_names": "weights"}, "Overfit": {"patience": "none"}})
    assert [outcome.status for outcome in outcomes] == [RuleStatus.NO_ISSUES_FOUND, RuleStatus.ERROR]


def test_progress_and_cancel(job):
    seen, token = [], CancelToken()

    def report(progress):
        seen.append(progress)
        if progress.done == 3:
            token.cancel()

    with pytest.raises(Cancelled):
        evaluate(job, on_progress=report, cancel=token)
    assert [progress.done for progress in seen] == [0, 1, 2, 3]


def test_no_trial_there_is_said(tmp_path):
    with pytest.raises(UserFacingError, match="There are no saved tensors in"):
        evaluate(tmp_path)


def upload(bucket, folder, prefix):
    for file in folder.rglob("*"):
        if file.is_file():
            bucket.upload_file(str(file), f"{prefix}/{file.relative_to(folder).as_posix()}")


@pytest.mark.parametrize("below", ["", "/debug-output", "/debug-output/"])
def test_a_trial_in_s3_says_the_same_as_the_folder(bucket, tmp_path, below):
    cnn_training(epochs=1).run(tmp_path)
    upload(bucket, tmp_path, "runs/job-1/debug-output")
    rules = {"VanishingGradient": {}, "WeightUpdateRatio": {}, "DeadRelu": {}, "NotANumber": {}}
    here = evaluate(tmp_path, rules)
    there = evaluate(f"s3://{bucket.name}/runs/job-1{below}", rules)
    assert [(o.rule, o.status, o.values) for o in there] == [(o.rule, o.status, o.values) for o in here]
    assert {outcome.job for outcome in there} == {"job-1"}


def test_of_trials_in_s3_that_were_evaluated_nothing_stays_in_memory(bucket, tmp_path, monkeypatch):
    head_training(0.01, epochs=1).run(tmp_path)
    for number in (1, 2):
        upload(bucket, tmp_path, f"runs/job-{number}/debug-output")
    found = saved_jobs(f"s3://{bucket.name}/runs")
    storages = [storage for job in found for storage in job.trials]
    assert len(storages) == 2
    monkeypatch.setattr(evaluate_rules, "saved_jobs", lambda source: found)
    assert evaluate("s3://…")
    assert [storage._small for storage in storages] == [{}, {}]
    assert storages[0].index_files()
    assert storages[0]._small, "what a trial reads is kept in its storage"


def test_only_the_ranges_that_are_asked_for_are_read(bucket, tmp_path):
    cnn_training(epochs=1).run(tmp_path)
    upload(bucket, tmp_path, "job")
    asked = []
    client = bucket.meta.client
    client.meta.events.register("before-call.s3.GetObject", lambda params, **_: asked.append(params["headers"]))
    trial = Trial(S3Storage(f"s3://{bucket.name}/job", client))
    asked.clear()
    trial.tensor("CrossEntropyLoss_output_0").value(0)
    assert [headers.get("Range", "")[:6] for headers in asked] == ["bytes="]
    assert trial.loaded_all_steps


def test_what_s3_refuses_is_said(bucket):
    with pytest.raises(UserFacingError, match="could not be read"):
        evaluate("s3://no-such-bucket/job")
    with pytest.raises(UserFacingError, match="There are no saved tensors"):
        open_trial(f"s3://{bucket.name}/nothing")


def test_neither_torch_nor_smdebug_nor_the_sdk_is_brought_in(job):
    """The window evaluates trials in its own process."""
    code = (
        "import json, sys; from core.debugger.evaluate_rules import evaluate;"
        "found = evaluate(sys.argv[1]);"
        "print(json.dumps([len(found), [n for n in ('torch', 'smdebug', 'boto3', 'matplotlib') if n in sys.modules]]))"
    )
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code, str(job)], cwd=root, capture_output=True, text=True, timeout=300)
    count, modules = json.loads(done.stdout)
    assert count > 10
    assert modules == []


def test_a_trial_of_another_script_gets_rules_for_losses_of_batches(tmp_path):
    """As smdebug's own hook writes it: no epochs, no collections of ours."""
    import numpy as np

    from training_scripts.debugger.writer import Saved, TrialWriter

    writer = TrialWriter(tmp_path / "debug-output")
    writer.write_collections({}, {"losses": ["[Ll]oss_(?!input).*output"], "gradients": ["^gradient"]}, 10)
    for step in range(0, 100, 10):
        dead = np.zeros((4, 8, 3, 3), np.float32)
        writer.write_step(step, "TRAIN", step, [
            Saved("CrossEntropyLoss_output_0", np.float32(1.0)),
            Saved("layer1.relu_output_0", dead),
        ])  # fmt: skip
    found = {o.rule for o in evaluate(tmp_path) if o.status is RuleStatus.ISSUES_FOUND}
    assert found == {"LossNotDecreasing", "AllZero", "DeadRelu"}


def test_a_threshold_that_is_moved_is_evaluated_again_on_what_was_saved(job, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    for factor, expected in (("2", "IssuesFound"), ("1e9", "NoIssuesFound")):
        rule = ["--rule", "LearningRateTooHigh", f"climb_factor={factor}", "window=1000"]
        assert run(["rules", str(job), "--json", *rule]) == 0
        (outcome,) = json.loads(capsys.readouterr().out)
        assert (outcome["name"], outcome["status"]) == ("LearningRateTooHigh", expected), factor
        assert outcome["parameters"]["climb_factor"] == factor
    assert run(["rules", str(job), "--rule", "NoSuchRule"]) != 0
    assert "There is no rule NoSuchRule" in capsys.readouterr().err
    assert run(["rules", str(job), "--rule", "Overfit", "patience=many"]) != 0
    assert "cannot run like this" in capsys.readouterr().err
