"""Curves that other tools recorded, in the formats that they write."""

import json
import math
import sqlite3
import struct
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from core.debugger.evaluate_rules import evaluate
from core.debugger.foreign_curves import MOST_BYTES, epochs_of, meanings, recorded_runs
from core.debugger.job_rules import CURVE_RULES
from core.errors import UserFacingError
from core.jobs.status import RuleStatus
from training_scripts.debugger.tfevents_writer import encode_scalars, encode_version

FALLING = [2.0 * 0.8**epoch for epoch in range(12)]
RISING = [1.0 + 0.2 * epoch for epoch in range(12)]


def tensorboard(folder, begun=1700000000, first=0, **curves):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"events.out.tfevents.{begun}.host.1.0").open("wb") as file:
        file.write(encode_version(0.0))
        for step, values in enumerate(zip(*curves.values(), strict=True), first):
            tags = dict(zip((name.replace("__", "/") for name in curves), values, strict=True))
            file.write(encode_scalars(tags, 10 * step, float(step)))
    return folder


def found(place):
    outcomes = evaluate(place)
    assert {outcome.rule for outcome in outcomes} == set(CURVE_RULES)
    return {outcome.rule: outcome for outcome in outcomes if outcome.status is RuleStatus.ISSUES_FOUND}


def test_tensorboards_scalars(tmp_path):
    tensorboard(tmp_path / "runs" / "good", loss__train=FALLING, loss__val=FALLING)
    assert found(tmp_path / "runs") == {}
    outcome = found(tensorboard(tmp_path / "bad", train_loss=FALLING, val_loss=RISING))["Overfit"]
    assert (outcome.job, outcome.first_step) == ("bad", 50)
    assert "The validation loss is 2, the" in outcome.details


def test_a_file_that_is_still_written_is_read_as_far_as_it_goes(tmp_path):
    folder = tensorboard(tmp_path, loss=FALLING)
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-7])
    ((_, curve),) = recorded_runs(tmp_path)[0].curves.items()
    assert [step for step, _ in curve] == list(range(0, 110, 10))


def test_mlflows_folders(tmp_path):
    run = tmp_path / "mlruns" / "0" / "abc"
    (run / "metrics" / "val").mkdir(parents=True)
    (run / "meta.yaml").write_text("run_name: x\n", encoding="utf-8")
    for name, curve in (("train_loss", FALLING), ("val/loss", FALLING)):
        lines = [f"17000000 {value} {step}\n" for step, value in enumerate(curve)]
        (run / "metrics" / name).write_text("".join(lines), encoding="utf-8")
    assert meanings(recorded_runs(tmp_path)[0]) == {"train_loss": "train_loss", "valid_loss": "val/loss"}
    assert found(tmp_path / "mlruns") == {}


def test_a_csv_of_wandb_has_a_run_in_each_column(tmp_path):
    file = tmp_path / "export.csv"
    header = '"Step","good - train/loss","good - train/loss__MIN","good - train/loss__MAX","bad - train/loss"\n'
    rows = [
        f'"{step}","{value}","{value}","{value}","{value if step < 5 else "NaN"}"\n'
        for step, value in enumerate(FALLING)
    ]
    file.write_text(header + "".join(rows), encoding="utf-8")
    outcomes = {(item.job, item.rule): item for item in evaluate(file) if item.status is RuleStatus.ISSUES_FOUND}
    assert {job for job, _ in outcomes} == {"bad"}
    assert outcomes["bad", "NotANumber"].first_step == 5


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("epoch,accuracy,loss,val_accuracy,val_loss", {"train_accuracy": "accuracy", "valid_accuracy": "val_accuracy"}),
        ("epoch, train/loss, metrics/accuracy_top1, val/loss, lr/pg0", {"learning_rate": "lr/pg0"}),
        ("step,epoch,train_loss_step,val_loss", {"train_loss": "train_loss_step", "valid_loss": "val_loss"}),
        ("epoch,default,flossy", {}),
    ],
)
def test_curves_are_known_by_their_names(tmp_path, header, expected):
    file = tmp_path / "log.csv"
    row = ",".join(["1", "2", "0.5", "0.25", "0.1"][: 1 + header.count(",")])
    file.write_text(f"{header}\n{row}\n{row}\n", encoding="utf-8")
    runs = recorded_runs(file)
    assert bool(runs) == bool(expected)
    if expected:
        assert expected.items() <= meanings(runs[0]).items()


def test_batches_between_two_evaluations_are_one_epoch(tmp_path):
    """Lightning's file: a row has what was logged at that step, and empty cells."""
    file = tmp_path / "metrics.csv"
    rows = ["epoch,step,train_loss,val_loss"]
    for step in range(1, 41):
        rows.append(f"{step // 10},{step},{1 / step},")
        if step % 10 == 0:
            rows.append(f"{step // 10},{step},,{2 / step}")
    file.write_text("\n".join(rows), encoding="utf-8")
    epochs = epochs_of(recorded_runs(file)[0])
    assert [step for step, _ in epochs] == [10, 20, 30, 40]
    assert epochs[1][1]["train_loss"] == pytest.approx(sum(1 / step for step in range(11, 21)) / 10)
    assert epochs[1][1]["valid_loss"] == pytest.approx(0.1)


def test_a_loss_that_climbs_is_found_without_its_batches(tmp_path):
    file = tmp_path / "log.csv"
    losses = [2.3, 2.5, *(3 * 1.6**epoch for epoch in range(28))]
    file.write_text(
        "epoch,loss\n" + "\n".join(f"{epoch},{loss}" for epoch, loss in enumerate(losses)), encoding="utf-8"
    )
    assert "LearningRateTooHigh" in found(file)


def test_what_has_no_curve_says_so(tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\na.jpg,cat\n", encoding="utf-8")
    with pytest.raises(UserFacingError, match="no saved tensors"):
        evaluate(tmp_path)
    (tmp_path / "events.out.tfevents.1").write_bytes(json.dumps({"no": "record"}).encode())
    with pytest.raises(UserFacingError, match="cannot be read"):
        evaluate(tmp_path)


def test_json_lines_with_numbers_that_json_has_no_sign_for(tmp_path):
    rows = [{"_step": 10 * at, "train/loss": 2.0 - at / 10, "val/loss": "NaN" if at == 7 else 1.0} for at in range(9)]
    lines = [*map(json.dumps, rows), "not a row", "[1, 2]", '{"_step": null, "train/loss": 1}', ""]
    file = tmp_path / "history.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    (run,) = recorded_runs(file)
    assert [step for step, _ in run.curves["train/loss"]] == [10 * at for at in range(9)]
    assert found(file)["NotANumber"].first_step == 70


def _trainer(folder, steps, losses=FALLING):
    folder.mkdir(parents=True, exist_ok=True)
    history = [{"step": at, "loss": value} for at, value in enumerate(FALLING[:steps])]
    history += [{"step": at, "eval_loss": value} for at, value in enumerate(losses[:steps])]
    state = {"global_step": steps, "log_history": history}
    (folder / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")


def test_the_trainers_state(tmp_path):
    file = tmp_path / "output" / "trainer_state.json"
    _trainer(file.parent, 12, RISING)
    assert found(tmp_path)["Overfit"].job == "output"
    assert [run.name for run in recorded_runs(file)] == ["output"]
    file.write_text('{"log_history": 3}', encoding="utf-8")
    assert recorded_runs(tmp_path) == []


def test_the_trainers_checkpoints_are_one_run(tmp_path, monkeypatch):
    for steps in (10, 12, 5):
        _trainer(tmp_path / "output" / f"checkpoint-{steps}", steps)
    _trainer(tmp_path / "trials" / "run-0" / "checkpoint-4", 4)
    runs = {run.name: run.curves["loss"][-1][0] for run in recorded_runs(tmp_path)}
    assert runs == {"output": 11, "run-0": 3}
    (tmp_path / "output" / "checkpoint-12" / "trainer_state.json").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "output")
    (run,) = recorded_runs(".")
    assert (run.name, run.curves["loss"][-1][0]) == ("output", 9)
    assert [run.name for run in recorded_runs(tmp_path / "output" / "checkpoint-5")] == ["checkpoint-5"]


def test_what_a_trainer_logs_beside_its_state_is_the_same_run(tmp_path):
    _trainer(tmp_path / "output" / "checkpoint-5", 5)
    tensorboard(tmp_path / "output" / "runs" / "Nov27_host", train__loss=FALLING, eval__loss=RISING)
    tensorboard(tmp_path / "others" / "runs" / "first", loss=FALLING)
    runs = {run.name: run.curves for run in recorded_runs(tmp_path)}
    assert {name: sorted(curves) for name, curves in runs.items()} == {
        "output": ["eval_loss", "loss"],
        "first": ["loss"],
    }
    assert runs["output"]["loss"][-1][0] == 110  # the state of a checkpoint knows less
    assert [run.name for run in recorded_runs(tmp_path / "output" / "runs")] == ["Nov27_host"]


def test_each_launch_of_a_trainer_from_the_start_is_a_run_of_its_own(tmp_path):
    """By the time in the files' names; one that was resumed continues the launch before it."""
    output, logs = tmp_path / "output", tmp_path / "output" / "runs"
    tensorboard(logs / "Nov27_host", begun=1700000300, first=8, train__loss=FALLING)
    tensorboard(logs / "Oct02_host", begun=1700000100, first=1, train__loss=[3.0] * 5)
    tensorboard(logs / "Oct30_host", begun=1700000200, first=1, train__loss=[1.0] * 9)
    _trainer(output / "checkpoint-12", 12)
    state = [{"step": 10 * at, "loss": round(value, 4)} for at, value in enumerate([1.0] * 7 + FALLING, 1)]
    (output / "checkpoint-12" / "trainer_state.json").write_text(json.dumps({"global_step": 190, "log_history": state}))
    curves = {run.name: run.curves["loss"] for run in recorded_runs(tmp_path)}
    assert {name: [curve[0][0], curve[-1][0], len(curve)] for name, curve in curves.items()} == {
        "runs/Oct02_host": [10, 50, 5],
        "output": [10, 190, 19],
    }
    assert {value for _, value in curves["runs/Oct02_host"]} == {3.0}
    assert [value for _, value in curves["output"]][:8] == [*[1.0] * 7, FALLING[0]]


def test_a_launch_of_one_logged_step_far_from_those_before_is_a_run_of_its_own(tmp_path):
    logs = tmp_path / "output" / "runs"
    tensorboard(logs / "first", begun=1700000100, first=1, train__loss=[3.0] * 2)
    tensorboard(logs / "second", begun=1700000200, first=50, train__loss=[9.0])
    _trainer(tmp_path / "output" / "checkpoint-500", 500)
    curves = [[value for _, value in run.curves["loss"]] for run in recorded_runs(tmp_path) if "loss" in run.curves]
    assert [3.0, 3.0, 9.0] not in curves


DIVERGED = [FALLING[0], *[math.nan] * (len(FALLING) - 1)]


@pytest.mark.parametrize(
    ("losses", "known", "names"),
    [
        (RISING, FALLING, ["output", "runs/mine"]),
        (FALLING, FALLING, ["output"]),
        (DIVERGED, DIVERGED, ["output"]),
        (DIVERGED, FALLING, ["output", "runs/mine"]),
    ],
)
def test_a_state_is_of_the_launch_that_has_its_losses(tmp_path, losses, known, names):
    tensorboard(tmp_path / "output" / "runs" / "mine", loss=losses)
    state = [{"step": 10 * at, "loss": value} for at, value in enumerate(known)]
    (tmp_path / "output" / "trainer_state.json").write_text(json.dumps({"global_step": 110, "log_history": state}))
    assert sorted(run.name for run in recorded_runs(tmp_path)) == names


def _database(file, runs, metrics):
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE runs (run_uuid TEXT, name TEXT)")
        columns = "key TEXT, value FLOAT, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan BOOLEAN"
        database.execute(f"CREATE TABLE metrics ({columns})")
        database.executemany("INSERT INTO runs VALUES (?, ?)", runs)
        database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", metrics)
        database.commit()
    return file


def test_mlflows_database(tmp_path):
    rows = [("train_loss", value, 1, "aaa", step, False) for step, value in enumerate(FALLING)]
    rows += [("train_loss", 0.0 if step > 5 else 1.0, 1, "bbb", step, step > 5) for step in range(12)]
    file = _database(tmp_path / "mlflow.db", [("aaa", "good"), ("bbb", None)], rows)
    outcomes = [item for item in evaluate(tmp_path) if item.status is RuleStatus.ISSUES_FOUND]
    assert {item.job for item in outcomes} == {"bbb"}
    assert "NotANumber" in {item.rule for item in outcomes}
    file.write_bytes(b"SQLite format 3\0" + bytes(200))
    with pytest.raises(UserFacingError, match=r"mlflow\.db cannot be read"):
        recorded_runs(tmp_path)


def _field(number, content):
    if isinstance(content, int):
        return bytes([number << 3, content])
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)


def _wandb(records):
    """Return a file of W&B's, each record in two parts."""
    data = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
    for record in records:
        for kind, part in ((2, record[:20]), (4, record[20:])):
            data += bytes(4) + struct.pack("<HB", len(part), kind) + part
    return data


def test_a_run_of_wandb_without_network_read_as_far_as_it_goes(tmp_path):
    records = []
    for step, value in enumerate(FALLING):
        items = [(b"train/loss", str(value)), (b"text", '"words"'), (b"_step", str(step))]
        message = b"".join(_field(1, _field(1, key) + _field(16, text.encode())) for key, text in items)
        records.append(_field(1, step) + _field(2, message + _field(2, _field(1, step))) + _field(7, b""))
    file = tmp_path / "run-abc.wandb"
    file.write_bytes(_wandb(records)[:-5])
    (run,) = recorded_runs(tmp_path)
    assert run.curves["train/loss"] == list(enumerate(FALLING[:-1]))
    assert found(file) == {}
    file.write_bytes(b"nothing")
    with pytest.raises(UserFacingError, match=r"run-abc\.wandb cannot be read\. It is no run"):
        recorded_runs(tmp_path)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (bytes([1 << 3 | 3, 0]), r"of no kind that is known \(3\)"),
        (_field(2, _field(1, _field(1, b"loss") + _field(16, b"[" * 20_000))), "nested too deeply"),
        (b"\x80" * 30_000, "a number is cut short or too long"),
        (_field(2, _field(1, _field(1, b"\xff") + _field(16, b"1"))), "can't decode byte"),
        (bytes([2 << 3, 1]), "a record cannot be read"),
    ],
)
def test_a_damaged_run_of_wandb_is_refused_in_words(tmp_path, record, why):
    file = tmp_path / "run-abc.wandb"
    file.write_bytes(_wandb([record]))
    with pytest.raises(UserFacingError, match=f"(?i){why}"):
        recorded_runs(file)


def test_numbers_beyond_all_bounds(tmp_path):
    rows = [("loss", value, 1, "aaa", step, False) for step, value in enumerate((1.0, "much", 0.5))]
    file = _database(tmp_path / "mlflow.db", [("aaa", "a")], [*rows, ("loss", 1.0, 1, "aaa", 9e999, False)])
    assert recorded_runs(file)[0].curves == {"loss": [(0, 1.0), (2, 0.5)]}
    table = tmp_path / "log.csv"
    table.write_text("step,loss,val_loss\n1,1.5e308,\n2,1.5e308,1\n1e300,1,1\nnan,1,1\n", encoding="utf-8")
    assert epochs_of(recorded_runs(table)[0]) == [(2, {"train_loss": 1.5e308, "valid_loss": 1.0})]
    table.write_text("step,loss\n1,1\n" + "x" * 200_000 + ",2\n", encoding="utf-8")
    with pytest.raises(UserFacingError, match="Field larger than field limit"):
        recorded_runs(table)


def test_what_cannot_be_read_denies_nothing_beside_it(tmp_path):
    (tmp_path / "metrics.csv").write_text("step,loss\n0,2\n1,1\n", encoding="utf-8")
    (tmp_path / "run-abc.wandb").write_bytes(b"")
    with closing(sqlite3.connect(tmp_path / "others.sqlite")) as database:
        database.execute("CREATE TABLE runs (id TEXT)")
        database.execute("CREATE TABLE metrics (id TEXT, value FLOAT)")
        database.commit()
    with (tmp_path / "pictures.jsonl").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    (run,) = recorded_runs(tmp_path)
    assert run.curves == {"loss": [(0, 2.0), (1, 1.0)]}
    assert run.unreadable == (
        "pictures.jsonl (it is larger than 512 MiB)",
        "run-abc.wandb (it is no run of W&B's)",
    )
    assert {outcome.unreadable for outcome in evaluate(tmp_path)} == {run.unreadable}
    assert recorded_runs(tmp_path / "others.sqlite") == []
    with pytest.raises(UserFacingError, match="larger than 512 MiB"):
        recorded_runs(tmp_path / "pictures.jsonl")


def test_one_damaged_file_of_a_run_leaves_its_others(tmp_path):
    folder = tensorboard(tmp_path / "run", loss=FALLING)
    (folder / "events.out.tfevents.1800000000.host.2.0").write_bytes(bytes(100))
    metrics = tmp_path / "mlruns" / "abc" / "metrics"
    metrics.mkdir(parents=True)
    (metrics.parent / "meta.yaml").write_text("run_name: x\n", encoding="utf-8")
    (metrics / "loss").write_text("17 2.0 0\n17 1.0 1\n", encoding="utf-8")
    (metrics / "val_loss").write_text("17 2.0\n", encoding="utf-8")
    of_mlflow, of_tensorboard = sorted(recorded_runs(tmp_path), key=lambda run: run.name)
    assert of_mlflow.curves == {"loss": [(0, 2.0), (1, 1.0)]}
    assert len(of_tensorboard.curves["loss"]) == 12
    assert [name.split(" (")[0] for name in of_mlflow.unreadable] == [
        str(Path("run/events.out.tfevents.1800000000.host.2.0")),
        str(Path("mlruns/abc/metrics/val_loss")),
    ]


def test_of_json_lines_the_numbers_alone_are_kept(tmp_path):
    file = tmp_path / "history.jsonl"
    with file.open("w", encoding="utf-8") as opened:
        for step in range(200):
            opened.write(json.dumps({"step": step, "loss": 1.0, "text": "x" * 50_000}) + "\n")
    tracemalloc.start()
    try:
        (run,) = recorded_runs(file)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(run.curves["loss"]) == 200
    assert most < 2_000_000 < file.stat().st_size
