"""The watcher as it is: a process beside a job, told by lines or by arguments."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.training_scripts.debugger.faults import head_training
from training_scripts.debugger.evaluate_beside import POLL_S, Watched, Watcher
from training_scripts.debugger.job_settings import INFO_FILE, VARIABLE, Settings
from training_scripts.debugger.runner import Evaluation
from training_scripts.debugger.writer import Saved, TrialWriter

WATCH = Path(__file__).resolve().parents[3] / "training_scripts" / "debugger" / "evaluate_beside.py"
LOSS = "CrossEntropyLoss_output_0"


def start(*arguments, **variables):
    return subprocess.Popen(
        [sys.executable, str(WATCH), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def tell(process, **told):
    process.stdin.write(json.dumps(told) + "\n")
    process.stdin.flush()


def lines_of(text):
    found = [
        json.loads(line.removeprefix("sagehound-rule "))
        for line in text.splitlines()
        if line.startswith("sagehound-rule")
    ]
    return {(outcome["job"], outcome["rule"]): outcome for outcome in found}


def live_trial(output, hyperparameters=None, pid=0):
    """A trial that a job is about to write."""
    folder = output / "tensors"
    writer = TrialWriter(folder)
    writer.write_collections({}, {"losses": ["[Ll]oss_(?!input).*output"]}, 1)
    info = {"pid": pid, "hyperparameters": hyperparameters or {"mode": "head"}}
    (folder / INFO_FILE).write_text(json.dumps(info))
    return writer


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def test_many_jobs_and_one_watcher(tmp_path):
    head_training(50.0).run(tmp_path / "high" / "output" / "tensors")
    head_training().run(tmp_path / "healthy" / "output" / "tensors")
    process = start()
    for job in ("high", "healthy"):
        tell(process, watch=str(tmp_path / job / "output"), job=job)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == ""
    outcomes = lines_of(out)
    assert outcomes["high", "LearningRateTooHigh"]["status"] == "IssuesFound"
    assert {outcome["status"] for (job, _), outcome in outcomes.items() if job == "healthy"} == {"NoIssuesFound"}
    for (job, rule), outcome in outcomes.items():
        assert json.loads((tmp_path / job / "output" / "rules" / f"{rule}.json").read_text()) == outcome


def test_a_step_is_judged_within_two_seconds_of_being_saved(tmp_path, capsys):
    """One look, a quarter of a second after the last one, is enough; what it computes is far below the rest."""
    writer, watcher = live_trial(tmp_path / "output"), Watcher()
    watcher.command(json.dumps({"watch": str(tmp_path / "output"), "job": "live"}))
    file = tmp_path / "output" / "rules" / "NotANumber.json"
    writer.write_step(0, "TRAIN", 0, [Saved(LOSS, np.float32(1))])
    watcher.poll()
    assert json.loads(file.read_text())["status"] == "InProgress"
    writer.write_step(1, "TRAIN", 1, [Saved(LOSS, np.float32(np.nan))])
    began = time.process_time()  # which other work on the machine does not make longer
    watcher.poll()
    assert POLL_S + time.process_time() - began < 2
    assert json.loads(file.read_text())["status"] == "IssuesFound"
    assert lines_of(capsys.readouterr().out)["live", "NotANumber"]["first_step"] == 1


def test_a_job_is_stalled_by_what_passes_and_not_by_a_clock_that_is_set(tmp_path, monkeypatch):
    writer, watcher = live_trial(tmp_path / "output"), Watcher()
    settings = {"default_rules": False, "rules": {"StalledTrainingRule": {}}}
    watcher.command(json.dumps({"watch": str(tmp_path / "output"), "job": "live", "settings": settings}))
    file = tmp_path / "output" / "rules" / "StalledTrainingRule.json"
    writer.write_step(0, "TRAIN", 0, [Saved(LOSS, np.float32(1))])
    watcher.poll()
    wall, steady = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: wall() + 86400)
    watcher.poll()
    assert json.loads(file.read_text())["status"] == "InProgress"
    monkeypatch.setattr(time, "monotonic", lambda: steady() + 1801)
    watcher.poll()
    assert json.loads(file.read_text())["status"] == "IssuesFound"


def test_a_running_job_is_watched_while_it_runs(tmp_path):
    """The process itself, told through its stdin, says what it sees before it is told that the job has ended."""
    writer = live_trial(tmp_path / "output")
    process = start()
    tell(process, watch=str(tmp_path / "output"), job="live")
    file = tmp_path / "output" / "rules" / "NotANumber.json"
    writer.write_step(0, "TRAIN", 0, [Saved(LOSS, np.float32(1))])
    wait_for(file.exists)
    writer.write_step(1, "TRAIN", 1, [Saved(LOSS, np.float32(np.nan))])
    wait_for(lambda: json.loads(file.read_text())["status"] == "IssuesFound")
    process.communicate(timeout=60)


def test_a_killed_job_gets_its_last_word(tmp_path):
    """No end marker: it is told that the job ended."""
    writer = live_trial(tmp_path / "output")
    writer.write_step(0, "TRAIN", 0, [Saved(LOSS, np.float32(1))])
    process = start()
    tell(process, watch=str(tmp_path / "output"), job="killed")
    tell(process, ended=str(tmp_path / "output"))
    line = json.loads(process.stdout.readline().removeprefix("sagehound-rule "))
    assert line["status"] == "NoIssuesFound"
    process.communicate(timeout=60)


def test_rules_that_cannot_be_evaluated_any_longer_say_so_in_the_job(tmp_path, monkeypatch):
    head_training(epochs=1).run(tmp_path / "tensors")
    said = []
    watched = Watched(tmp_path, "job", Settings(), say=said.append)
    monkeypatch.setattr(Evaluation, "advance", lambda self: 1 / 0)
    watched.poll()
    assert watched.done
    outcomes = [json.loads(line.removeprefix("sagehound-rule ")) for line in said]
    assert {outcome["status"] for outcome in outcomes} == {"Error"}
    assert "division by zero" in outcomes[0]["details"]
    written = json.loads((tmp_path / "rules" / "LearningRateTooHigh.json").read_text(encoding="utf-8"))
    assert written["status"] == "Error"


def test_a_job_that_saved_nothing_is_no_trouble(tmp_path):
    process = start()
    tell(process, watch=str(tmp_path / "nothing" / "output"), job="nothing")
    process.stdin.write("neither JSON\n")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Not understood: neither JSON" in err
    assert lines_of(out) == {}
    assert not (tmp_path / "nothing").exists()


def test_it_ends_when_the_one_who_told_it_is_gone(tmp_path):
    process = start()
    tell(process, watch=str(tmp_path / "output"), job="job")
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    process.stderr.close()


def test_an_action_stops_the_local_job_through_its_stop_file(tmp_path):
    writer = live_trial(tmp_path / "job" / "output")
    writer.write_step(0, "TRAIN", 0, [Saved(LOSS, np.float32(np.nan))])
    process = start()
    tell(process, watch=str(tmp_path / "job" / "output"), job="job", settings={"actions": {"NotANumber": "stop"}})
    wait_for((tmp_path / "job" / "stop").exists)
    process.communicate(timeout=60)
    assert (tmp_path / "job" / "stop").read_text().startswith("The rule NotANumber found an issue: The loss is NaN")


JOB = """
import os, subprocess, sys, time, signal
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"asked to stop\\n"), sys.exit(0)))
subprocess.Popen([sys.executable, *sys.argv[1:], "--pid", str(os.getpid())])
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_beside_a_container_job_it_stops_the_process_and_ends_with_it(tmp_path):
    settings = Settings(watch=True, actions={"NotANumber": "stop"})
    arguments = [sys.executable, "-c", JOB, str(WATCH), "--folder", str(tmp_path / "output"), "--job", "cloud"]
    job = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, VARIABLE: settings.to_json()}
    )
    writer = live_trial(tmp_path / "output", pid=job.pid)
    assert job.stdout.readline() == "started\n"
    writer.write_step(0, "TRAIN", 0, [Saved(LOSS, np.float32(np.nan))])
    out, _ = job.communicate(timeout=60)  # ends only when the watcher, which writes there too, has ended
    assert job.returncode == 0
    assert "asked to stop" in out
    assert lines_of(out)["cloud", "NotANumber"]["status"] == "IssuesFound"


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_it_does_not_outlive_a_job_that_is_killed(tmp_path):
    live_trial(tmp_path / "output").write_step(0, "TRAIN", 0, [Saved(LOSS, np.float32(1))])
    arguments = [sys.executable, "-c", JOB, str(WATCH), "--folder", str(tmp_path / "output"), "--job", "cloud"]
    environment = {**os.environ, VARIABLE: Settings(watch=True).to_json()}
    job = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
    assert job.stdout.readline() == "started\n"
    wait_for((tmp_path / "output" / "rules" / "NotANumber.json").exists)
    os.kill(job.pid, signal.SIGKILL)
    out, _ = job.communicate(timeout=60)
    assert lines_of(out)["cloud", "NotANumber"]["status"] == "NoIssuesFound"
