from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from training_scripts.callbacks import Callbacks
from training_scripts.profiler.callback import ProfilerCallback
from training_scripts.profiler.steps import StepTrace

ROOT = Path(__file__).resolve().parents[3]
START_NS = 1_795_300_020_000_000_000


class _Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = START_NS

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


def _train(trace: StepTrace, clock: _Clock, steps: int, mode: str = "TRAIN") -> None:
    for number in range(steps):
        for name, seconds in (("data_loading", 0.01),):
            trace.begin_phase(name)
            clock.sleep(seconds)
            trace.end_phase(name)
        trace.begin_step(mode, number)
        for name, seconds in (("forward", 0.02), ("backward", 0.03), ("optimizer", 0.005)):
            trace.begin_phase(name)
            clock.sleep(seconds)
            trace.end_phase(name)
        trace.end_step()


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "profiler" / "framework" / "pevents").rglob("*_pythontimeline.json"))


def _events(folder: Path) -> list[dict[str, Any]]:
    return [e for path in _files(folder) for e in json.loads(path.read_text(encoding="utf-8")) if e["ph"] == "X"]


def test_steps_and_phases_are_traced(tmp_path: Path) -> None:
    clock = _Clock()
    trace = StepTrace(tmp_path, "algo-1", clock)
    _train(trace, clock, 3)
    trace.close()
    events = _events(tmp_path)
    assert Counter(event["name"] for event in events) == {
        "DataLoaderIter::GetNext": 3,
        "forward": 3,
        "backward": 3,
        "step": 3,
        "Step:ModeKeys.TRAIN": 3,
    }
    steps = [event for event in events if event["name"].startswith("Step")]
    assert [event["dur"] for event in steps] == [55_000] * 3
    assert [event["args"]["step_num"] for event in steps] == ["0", "1", "2"]
    (path,) = _files(tmp_path)
    end_us = START_NS // 1000 + 3 * 65_000
    assert path.name.startswith(f"{end_us}_")
    assert path.parent.name == time.strftime("%Y%m%d%H", time.gmtime(START_NS / 1e9))
    assert not list((tmp_path / "profiler" / "framework").glob("*.tmp"))


def test_smdebug_reads_the_files(tmp_path: Path, smdebug_python: str) -> None:
    clock = _Clock()
    trace = StepTrace(tmp_path, "algo-1", clock)
    _train(trace, clock, 4)
    _train(trace, clock, 2, mode="EVAL")
    trace.close()
    code = (
        "import sys, json, warnings; warnings.simplefilter('ignore')\n"
        "from smdebug.profiler.algorithm_metrics_reader import LocalAlgorithmMetricsReader\n"
        "reader = LocalAlgorithmMetricsReader(sys.argv[1])\n"
        "events = reader.get_events(0, 2e15)\n"
        "print(json.dumps([[e.event_phase, e.event_name, e.start_time, e.duration, e.node_id, e.event_args]"
        " for e in events]))\n"
    )
    done = subprocess.run(
        [smdebug_python, "-c", code, str(tmp_path / "profiler")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    events = json.loads(done.stdout.splitlines()[-1])
    assert Counter(event[0] for event in events) == {
        "Step:ModeKeys.TRAIN": 4,
        "Step:ModeKeys.EVAL": 2,
        "DataLoaderIter": 6,
        "Forward": 6,
        "Backward(post-forward)": 6,
        "Optimizer": 6,
    }
    first = min((event for event in events if event[0].startswith("Step")), key=lambda event: event[2])
    assert first[2:4] == [START_NS // 1000 + 10_000, 55_000]
    assert first[4].startswith("algo-1-")
    assert first[5] == {"step_num": "0"}


def test_a_step_that_was_left_open_ends_with_the_next(tmp_path: Path) -> None:
    clock = _Clock()
    trace = StepTrace(tmp_path, "algo-1", clock)
    trace.begin_step("TRAIN", 0)
    clock.sleep(0.1)
    trace.begin_step("TRAIN", 1)
    clock.sleep(0.2)
    trace.close()
    assert [event["dur"] for event in _events(tmp_path)] == [100_000, 200_000]


def test_long_trainings_are_thinned(tmp_path: Path) -> None:
    clock = _Clock()
    trace = StepTrace(tmp_path, "algo-1", clock, full_steps=20)
    _train(trace, clock, 400)
    trace.close()
    events = _events(tmp_path)
    numbers = [int(event["args"]["step_num"]) for event in events if event["name"].startswith("Step")]
    assert numbers == [*range(20), *range(20, 200, 10), 200, 300]
    counts = Counter(event["name"] for event in events)
    assert abs(counts["DataLoaderIter::GetNext"] - len(numbers)) <= 1


def test_files_rotate_by_age_and_by_hour(tmp_path: Path) -> None:
    clock = _Clock()
    trace = StepTrace(tmp_path, "algo-1", clock)
    for _ in range(4):
        _train(trace, clock, 2)
        clock.sleep(1800)
    trace.close()
    files = _files(tmp_path)
    assert len(files) == 4
    assert len({path.parent.name for path in files}) >= 2
    assert len(_events(tmp_path)) == 4 * 2 * 5
    for path in files:
        rows = [e for e in json.loads(path.read_text(encoding="utf-8")) if e["name"] == "process_name"]
        assert {row["pid"] for row in rows} >= {e["pid"] for e in json.loads(path.read_text(encoding="utf-8"))}


def test_files_rotate_by_size(tmp_path: Path) -> None:
    clock = _Clock()
    trace = StepTrace(tmp_path, "algo-1", clock, file_bytes=500, flush_events=1)
    _train(trace, clock, 10)
    trace.close()
    assert len(_files(tmp_path)) > 2
    assert len(_events(tmp_path)) == 50


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_training_leaves_its_events(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from training_scripts.profiler.steps import StepTrace\n"
        "now = [1_795_300_020_000_000_000]\n"
        "trace = StepTrace(Path(sys.argv[1]), 'algo-1', lambda: now[0])\n"
        "for number in range(50):\n"
        "    trace.begin_step('TRAIN', number); now[0] += 100_000_000; trace.end_step()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path), str(ROOT)], timeout=300, check=False)
    (left,) = (tmp_path / "profiler" / "framework").glob("*.tmp")
    events = json.loads(left.read_text(encoding="utf-8") + "]")
    assert len([event for event in events if event["name"].startswith("Step")]) >= 40


def test_a_full_disk_ends_the_trace_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "profiler").write_text("a file where a folder should be", encoding="utf-8")
    clock = _Clock()
    trace = StepTrace(tmp_path, "algo-1", clock)
    _train(trace, clock, 3)
    clock.sleep(5)
    _train(trace, clock, 3)
    trace.close()
    assert (tmp_path / "profiler").is_file()


def test_the_observer_through_the_monitor(tmp_path: Path) -> None:
    profiler = ProfilerCallback(tmp_path, "algo-1", patience_s=60)  # on a busy machine too
    callbacks = Callbacks([profiler])
    for mode in ("TRAIN", "EVAL"):
        callbacks.set_mode(mode)
        callbacks.begin_step(0)
        with callbacks.phase("forward"):
            time.sleep(0.002)
        callbacks.end_step(0)
    callbacks.close()
    names = Counter(event["name"] for event in _events(tmp_path))
    assert names == {"forward": 2, "Step:ModeKeys.TRAIN": 1, "Step:ModeKeys.EVAL": 1}
    assert list((tmp_path / "profiler" / "system").rglob("*.algo-1.json"))
    assert str(os.getpid()) in _files(tmp_path)[0].name


def test_short_steps_are_traced_some_time_apart(tmp_path):
    now = [1_700_000_000_000_000_000]
    trace = StepTrace(tmp_path, "node", clock=lambda: now[0], steps_apart_s=0.05)
    for number in range(400):
        trace.begin_step("TRAIN", number)
        trace.begin_phase("forward")
        now[0] += 1_000_000
        trace.end_phase("forward")
        trace.end_step()
        trace.begin_phase("data_loading")
        trace.end_phase("data_loading")
    trace.close()
    names = [event["name"] for event in _events(tmp_path) if event["ph"] == "X"]
    assert names.count("Step:ModeKeys.TRAIN") == names.count("forward")
    assert 100 + 300 // 51 <= names.count("forward") <= 100 + 300 // 50 + 1
