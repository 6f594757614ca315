from __future__ import annotations

import gzip
import json
import shutil
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import UsageError
from core.profiler import analyse
from core.report import Run, export, export_comparison
from core.report.formats import FORMATS, format_of


@pytest.fixture
def folder(make_job: Any, writer: Any) -> Path:
    made: Path = make_job(losses=(1.5, 0.9, float("nan"), 0.7))
    writer.system(duration=30, cores=2)
    writer.trace(steps=200, slow={20: 5.0})
    shutil.copytree(writer.root, made / "output" / "profiler")
    return made


@pytest.mark.parametrize("form", [form for form in FORMATS if not form.server], ids=lambda form: form.name)
def test_every_format_takes_its_own_example_and_writes_it(form: Any, folder: Path, tmp_path: Path) -> None:
    assert format_of(tmp_path / form.example) is form
    written = export(Run(folder), tmp_path / form.example)
    assert sum(file.stat().st_size for file in (written, *written.rglob("*"))) > 100
    assert not list(tmp_path.glob(".*tmp"))


def test_an_unknown_name_is_refused_with_the_known_ones(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"report\.html.*run\.trace\.json.*tfevents"):
        export(Run(folder), tmp_path / "report.docx")


@pytest.mark.parametrize("name", ["run.trace.json", "run.trace.json.gz"])
def test_a_trace_can_be_read_back_with_the_same_steps_and_shares(folder: Path, tmp_path: Path, name: str) -> None:
    before = analyse(folder)
    after = analyse(export(Run(folder), tmp_path / name))
    assert after.steps[0].count == before.steps[0].count == 200
    assert after.steps[0].p50 == pytest.approx(before.steps[0].p50, abs=2e-6)
    assert after.shares.keys() >= before.shares.keys() - {"other"}
    for phase, spent in before.shares.items():
        assert after.shares[phase] == pytest.approx(spent, abs=1e-3), phase
    assert after.times.loop_start == pytest.approx(before.times.loop_start, abs=1e-3)


def test_a_trace_has_what_perfetto_asks_of_each_event(folder: Path, tmp_path: Path) -> None:
    with gzip.open(export(Run(folder), tmp_path / "run.trace.json.gz"), "rt") as file:
        events = json.load(file)["traceEvents"]
    assert {event["ph"] for event in events} == {"X", "C", "M"}
    for event in events:
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        if event["ph"] == "X":
            assert event["ts"] >= 0
            assert event["dur"] >= 0
            assert isinstance(event["tid"], int)
        if event["ph"] == "C":
            assert all(np.isfinite(value) for value in event["args"].values())
    names = {event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert names == {"worker algo-1-0", "machine algo-1"}
    counters = [event for event in events if event["ph"] == "C" and event["name"] == "CPU"]
    assert len(counters) == 60, "30 s at 0.5 s"
    assert len({event["pid"] for event in events}) == 2, "a machine is not one of the workers"


def test_events_on_one_thread_do_not_cross(folder: Path, tmp_path: Path) -> None:
    events = json.loads(export(Run(folder), tmp_path / "run.trace.json").read_text(encoding="utf-8"))["traceEvents"]
    for thread in (0, 1):
        spans = sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e["ph"] == "X" and e["tid"] == thread)
        assert spans
        assert all(one[1] <= other[0] + 2 for one, other in pairwise(spans)), "microseconds"


def test_tensorboard_reads_curves_steps_and_use(folder: Path, tmp_path: Path) -> None:
    data = export(Run(folder), tmp_path / "events.out.tfevents.run").read_bytes()
    records = list(_records(data))
    assert records[0] == (None, None, "brain.Event:2")
    told: dict[str, list[tuple[int, float]]] = {}
    for tag, step, value in records[1:]:
        assert tag is not None
        assert step is not None
        assert isinstance(value, float)
        told.setdefault(tag, []).append((step, value))
    assert [step for step, _ in told["loss/valid"]] == [1, 2, 3, 4]
    assert told["loss/valid"][1][1] == pytest.approx(0.9, rel=1e-6)
    assert np.isnan(told["loss/valid"][2][1])
    assert told["accuracy/kept model, test"] == [(4, pytest.approx(41 / 53, rel=1e-6))]
    assert [step for step, _ in told["step seconds/train"]] == list(range(200))
    assert len(told["algo-1/CPU, %"]) == 60


def test_numbers_are_json_that_agrees_with_the_report(folder: Path, tmp_path: Path) -> None:
    text = export(Run(folder), tmp_path / "report.json").read_text(encoding="utf-8")
    (run,) = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["runs"]
    assert run["results"]["test"]["right"] == 41
    assert run["curves"]["valid:loss"] == {"epoch": [1, 2, 3, 4], "value": [1.5, 0.9, None, 0.7]}
    analysis = analyse(folder)
    assert run["analysis"]["steps"][0]["p95"] == pytest.approx(analysis.steps[0].p95)
    assert {rule["name"] for rule in run["analysis"]["rules"]} == {rule.name for rule in analysis.rules}
    assert str(tmp_path) not in text, "no path of this machine"


def test_two_runs_are_one_trace(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    written = export_comparison(Run(folder), Run(other), tmp_path / "both.trace.json")
    events = json.loads(written.read_text(encoding="utf-8"))["traceEvents"]
    names = [event["args"]["name"] for event in events if event["name"] == "process_name"]
    assert names == [
        "job, worker algo-1-0",
        "job, machine algo-1",
        "other, worker algo-1-0",
        "other, machine algo-1",
    ]
    assert len({event["pid"] for event in events}) == 4


def test_metrics_are_a_table(folder: Path, tmp_path: Path) -> None:
    rows = export(Run(folder), tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "run,metric,epoch,value"
    losses = [row.split(",") for row in rows if ",valid:loss," in row]
    assert [(epoch, value) for _, _, epoch, value in losses][:3] == [("1", "1.5"), ("2", "0.9"), ("3", "nan")]


def test_a_folder_for_mlflow_has_runs_parameters_and_metrics(folder: Path, tmp_path: Path) -> None:
    written = export(Run(folder), tmp_path / "mlruns")
    (experiment,) = written.iterdir()
    (run,) = (path for path in experiment.iterdir() if path.is_dir())
    lines = (run / "metrics/valid/loss").read_text(encoding="utf-8").splitlines()
    assert [line.split()[1:] for line in lines] == [["1.5", "1"], ["0.9", "2"], ["nan", "3"], ["0.7", "4"]]
    assert {file.name for file in (run / "params").iterdir()} == set(_parameters(folder))
    assert "status: 3" in (run / "meta.yaml").read_text(encoding="utf-8")


def _parameters(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "input/config/hyperparameters.json").read_text(encoding="utf-8"))
    return found


def _records(data: bytes) -> Iterator[tuple[str | None, int | None, float | str]]:
    """(tag, step, value) of each record, its checksums checked by another way of computing them."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        content = data[12 : 12 + length]
        assert struct.unpack("<I", data[8:12])[0] == _masked(data[:8])
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == _masked(content)
        data = data[16 + length :]
        fields = dict(_fields(content))
        if 3 in fields:
            yield None, None, fields[3].decode()
            continue
        item = dict(_fields(dict(_fields(fields[5]))[1]))
        yield item[1].decode(), fields.get(2, 0), struct.unpack("<f", item[2])[0]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = varint() if key & 7 == 2 else {1: 8, 5: 4}[key & 7]
        yield key >> 3, message[at : at + size]
        at += size


def _masked(data: bytes) -> int:
    """The masked CRC-32C of RFC 3720, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
