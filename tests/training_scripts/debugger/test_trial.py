import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from training_scripts.debugger.base import (
    InvalidWorker,
    ModeKeys,
    NoMoreData,
    StepNotYetAvailable,
    StepState,
    StepUnavailable,
    TensorUnavailable,
    TensorUnavailableForStep,
)
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.storage import FolderStorage
from training_scripts.debugger.writer import Saved, TrialWriter

ROOT = Path(__file__).resolve().parents[3]


def write(folder, steps=4):
    writer = TrialWriter(folder)
    writer.write_collections({"relu_output": ["relu_output_0"]}, {"losses": ["loss"], "default": []}, 1)
    for step in range(steps):
        mode = "TRAIN" if step % 2 == 0 else "EVAL"
        tensors = [Saved("loss", np.float32(step)), Saved("relu_output_0", np.full(8, step, np.float32), (80,))]
        writer.write_step(step, mode, step // 2, tensors)
    return writer


def test_steps_names_and_values(tmp_path):
    write(tmp_path)
    trial = Trial.open(tmp_path)
    assert trial.steps() == [0, 1, 2, 3]
    assert trial.steps(mode=ModeKeys.EVAL) == [0, 1]
    assert trial.tensor_names() == ["loss", "relu_output_0"]
    assert trial.tensor_names(collection="losses") == ["loss"]
    assert trial.tensor_names(collection="relu_output") == ["relu_output_0"]
    assert trial.tensor_names(regex=".*relu", step=2) == ["relu_output_0"]
    assert trial.tensor("loss").value(1, mode=ModeKeys.EVAL) == 3
    assert trial.tensor("loss").value(2) == 2
    assert trial.tensor("relu_output_0").shape(0) == (80,)
    assert trial.mode_modestep(3) == (ModeKeys.EVAL, 1)
    assert [trial.training_step(step) for step in trial.steps()] == [0, 0, 1, 1]


def test_new_steps_are_seen_by_refresh_and_the_end_by_its_marker(tmp_path):
    trial = Trial.open(tmp_path)
    assert trial.steps() == []
    writer = write(tmp_path, 2)
    assert trial.refresh() == [0, 1]
    assert trial.refresh() == []
    assert not trial.loaded_all_steps
    writer.write_step(2, "TRAIN", 1, [Saved("loss", np.float32(2))])
    writer.close()
    assert trial.refresh() == [2]
    assert trial.loaded_all_steps


def test_what_is_missing_is_said_and_nothing_waits(tmp_path):
    write(tmp_path)
    trial = Trial.open(tmp_path)
    with pytest.raises(TensorUnavailable):
        trial.tensor("other")
    with pytest.raises(StepNotYetAvailable):
        trial.tensor("loss").value(99)
    with pytest.raises(StepNotYetAvailable):
        trial.wait_for_steps([99])


def test_what_file_managers_leave_beside_the_folders_of_a_trial_is_no_part_of_it(tmp_path):
    write(tmp_path)
    for part in ("index", "collections"):
        (tmp_path / part / ".DS_Store").write_bytes(b"x")
    trial = Trial.open(tmp_path)
    assert trial.steps() == [0, 1, 2, 3]
    assert not trial.damaged


@pytest.mark.parametrize("damage", ["events", "index", "collections"])
def test_a_damaged_file_costs_only_what_it_held(tmp_path, damage):
    write(tmp_path)
    victim = sorted(file for file in (tmp_path / damage).rglob("*") if file.is_file())[0]
    victim.write_bytes(victim.read_bytes()[:30])
    trial = Trial.open(tmp_path)
    if damage == "events":
        with pytest.raises(TensorUnavailableForStep):
            trial.tensor("loss").value(0)
    assert trial.tensor("loss").value(2) == 2
    assert list(trial.damaged) == [victim.relative_to(tmp_path).as_posix()]


def test_the_value_of_a_finished_job_stays_readable_while_only_the_last_are_kept_in_memory(tmp_path):
    write(tmp_path, 8)
    trial = Trial(FolderStorage(tmp_path), cache_bytes=40)
    for _ in range(2):
        assert [float(trial.tensor("relu_output_0").value(step)[0]) for step in trial.steps()] == list(range(8))


def test_index_files_have_what_smdebug_needs(tmp_path):
    write(tmp_path, 1001)
    index = json.loads((tmp_path / "index/000000001/000000001000_worker_0.json").read_text())
    assert index["meta"]["mode"] == "TRAIN"
    assert index["tensor_payload"][0]["tensorname"] == "loss"
    assert (tmp_path / index["meta"]["event_file_name"]).is_file()
    assert not list(tmp_path.rglob("*.tmp"))


def test_smdebug_reads_what_we_write_and_we_what_it_writes(tmp_path, smdebug_python):
    """smdebug's own hook, reader, rule base and invoker are the judge, in a process of their own."""
    from tests.training_scripts.debugger.faults import cnn_training

    cnn_training(epochs=2).run(tmp_path / "ours")
    script = Path(__file__).with_name("smdebug_check.py")
    # smdebug's hook imports a profiler that has no wheel and is never used here (see the Makefile).
    (tmp_path / "pyinstrument").mkdir()
    (tmp_path / "pyinstrument" / "__init__.py").write_text("Profiler = None\n", "utf-8")
    (tmp_path / "pyinstrument" / "renderers.py").write_text("JSONRenderer = None\n", "utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "SAGEHOUND_RULE_BASE"}
    done = subprocess.run(
        [smdebug_python, "-W", "ignore", str(script), str(tmp_path / "ours"), str(tmp_path / "theirs")],
        env={**environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "same"


def workers_trial(folder, steps):
    """A trial of two workers; `steps` maps a global step to those that saved it."""
    for worker in ("worker_0", "worker_1"):
        writer = TrialWriter(folder, worker)
        writer.write_collections({}, {}, 1)
        for step, saved_by in steps.items():
            if worker in saved_by:
                writer.write_step(step, "TRAIN", step // 2, [Saved("loss", np.float32(step))])
    return Trial.open(folder)


BOTH = ("worker_0", "worker_1")


def test_steps_of_several_workers_are_complete_when_all_have_saved_them(tmp_path):
    trial = workers_trial(tmp_path, {0: BOTH, 2: BOTH[:1], 4: BOTH, 6: BOTH[1:]})
    assert trial.workers() == list(BOTH)
    assert trial.last_index_token == f"{tmp_path}/index/000000000/000000000004_{BOTH[1]}.json"
    assert (tmp_path / trial.last_index_token).is_file()
    assert workers_trial(tmp_path / "none", {}).last_index_token is None
    assert trial.steps() == [0, 2, 4]
    assert trial.steps(show_incomplete_steps=True) == [0, 2, 4, 6]
    states = [trial.has_passed_step(step) for step in (0, 1, 2, 5, 6, 7)]
    later = StepState.NOT_YET_AVAILABLE
    assert states == [StepState.AVAILABLE, StepState.UNAVAILABLE, StepState.AVAILABLE, later, later, later]
    assert trial.has_passed_step(2, ModeKeys.TRAIN) == StepState.AVAILABLE
    assert (trial.mode_step(4), trial.mode_step(5)) == (2, None)
    with pytest.raises(InvalidWorker):
        trial.tensor("loss").value(0, worker="worker_7")
    with pytest.raises(StepUnavailable):
        trial.tensor("loss").value(3)
    TrialWriter(tmp_path).close()
    trial.refresh()
    assert trial.steps() == [0, 2, 4, 6]
    assert trial.has_passed_step(7) == StepState.UNAVAILABLE
    with pytest.raises(NoMoreData):
        trial.wait_for_steps([7])


def test_a_part_of_a_trial_and_collections_made_by_a_rule(tmp_path):
    folder = tmp_path / "trial"
    workers_trial(folder, {step: BOTH for step in range(8)})
    trial = Trial.open(folder, range_steps=(2, 5))
    assert trial.steps() == [2, 3, 4]
    trial.collection("mine").include("^lo")
    assert trial.tensor_names(collection="mine") == trial.tensor_names(collection=trial.collection("mine")) == ["loss"]
    with pytest.raises(ValueError, match="either"):
        trial.tensor_names(collection="mine", regex="l")
    trial.dynamic_refresh = True
    trial.tensor("loss")
    assert trial.steps() == [2, 3, 4]
