from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import Cancelled, UserFacingError
from core.profiler.read import find_report, read_profile
from core.profiler.read_framework import node_of, worker_of
from core.profiler.traces import Metric, mode_of, phase_of
from core.progress import CancelToken
from training_scripts.profiler.callback import ProfilerCallback


def test_ours(tmp_path: Path) -> None:
    callback = ProfilerCallback(tmp_path / "output", "algo-1")
    for step in range(3):
        callback.begin_step(step)
        callback.begin_phase("forward")
        callback.end_phase("forward")
        callback.end_step(step)
    callback.close()
    profile = read_profile(tmp_path)
    assert [node.node for node in profile.nodes] == ["algo-1"]
    assert profile.nodes[0].cores > 0
    assert profile.events.modes() == ("TRAIN",)
    assert profile.events.of("forward").sum() == 3
    assert profile.problems == ()


def test_several_nodes_as_aws_writes_them(writer: Any, start: float) -> None:
    writer.system("algo-1", duration=90, cores=2, gpus=1)
    writer.system("algo-2", duration=60, cores=2, gpus=1)
    writer.trace("0-algo-1", steps=20)
    writer.trace("1-algo-2", steps=30)
    profile = read_profile(writer.root)
    one, two = profile.nodes
    assert (one.node, two.node) == ("algo-1", "algo-2")
    assert one.values.shape == (180, 2 * 2 + 2 + 1 + 3 + 4)
    assert (one.cores, one.gpus) == (2, 1)
    assert one.times[0] == pytest.approx(start + 0.004)
    assert np.diff(one.times) == pytest.approx(0.5)
    assert profile.events.workers == ("algo-1-0", "algo-2-1")
    steps = profile.events.steps("TRAIN")
    assert [int((steps & (profile.events.worker == w)).sum()) for w in (0, 1)] == [20, 30]
    assert (np.diff(profile.events.start) >= 0).all()


_SMDEBUG_WRITES = """
import json, os, sys, types, warnings
warnings.simplefilter("ignore")
# smdebug imports a profiler that has no wheel and is never used here (see the Makefile).
sys.modules["pyinstrument"] = types.SimpleNamespace(Profiler=None)
sys.modules["pyinstrument.renderers"] = types.SimpleNamespace(JSONRenderer=None)
folder = sys.argv[1]
os.environ["SMPROFILER_CONFIG_PATH"] = os.path.join(folder, "config.json")
parameters = {"ProfilerEnabled": True, "LocalPath": folder}
with open(os.environ["SMPROFILER_CONFIG_PATH"], "w") as file:
    json.dump({"ProfilingParameters": parameters}, file)
from smdebug.core.tfevent.timeline_file_writer import TimelineFileWriter
from smdebug.profiler.profiler_config_parser import ProfilerConfigParser
config = ProfilerConfigParser()
config.load_config()
writer = TimelineFileWriter(profiler_config_parser=config)
for number in range(20):
    at = 1795300020 + number / 10
    rows = (("Step:ModeKeys.TRAIN", 0, 0.09), ("Forward", 0, 0.03), ("Backward(post-forward)", 0.03, 0.06))
    for row, begin, lasted in rows:
        writer.write_trace_events(
            training_phase=row, op_name="net", timestamp=at + begin, duration=lasted, step_num=str(number), pid=1
        )
writer.close()
"""


def test_what_smdebugs_own_writer_wrote_is_read(tmp_path: Path, smdebug_python: str) -> None:
    subprocess.run([smdebug_python, "-c", _SMDEBUG_WRITES, str(tmp_path)], capture_output=True, timeout=120, check=True)
    events = read_profile(tmp_path).events
    assert {row: int((events.row == index).sum()) for index, row in enumerate(events.rows)} == {
        "Step:ModeKeys.TRAIN": 20,
        "Forward": 20,
        "Backward(post-forward)": 20,
    }
    steps = events.steps("TRAIN")
    assert events.step[steps].tolist() == list(range(20))
    assert (events.end - events.start)[steps] == pytest.approx(0.09, abs=1e-5)
    assert events.start[steps][0] == pytest.approx(1795300020, abs=1e-5)


@pytest.mark.parametrize("layout", ["", "profiler-output", "output/profiler", "my-job/profiler-output"])
def test_it_is_found_wherever_it_lies(tmp_path: Path, writer: Any, layout: str) -> None:
    target = tmp_path / "given" / layout
    target.parent.mkdir(parents=True, exist_ok=True)
    writer.system(duration=5)
    writer.root.rename(target)
    assert len(read_profile(tmp_path / "given").nodes) == 1


def test_all_three_ways_to_read_a_file_agree(writer: Any) -> None:
    (path,) = writer.system(duration=30, cores=3)
    fast = read_profile(writer.root).nodes[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[5:]), encoding="utf-8")  # not a whole number of samples, and no newline at the end
    by_line = read_profile(writer.root).nodes[0]
    turned = [json.dumps(dict(reversed(json.loads(line).items()))) for line in lines]
    path.write_text("\n".join(turned) + "\n", encoding="utf-8")
    by_json = read_profile(writer.root).nodes[0]
    assert set(by_json.metrics) == set(fast.metrics) == set(by_line.metrics)
    for other, first in ((by_line, 1), (by_json, 0)):
        order = [other.metrics.index(metric) for metric in fast.metrics]
        np.testing.assert_array_equal(other.times, fast.times)
        np.testing.assert_array_equal(other.values[first:, order], fast.values[first:])


def test_values_keep_their_place_when_a_series_comes_late(writer: Any, start: float) -> None:
    (path,) = writer.system(duration=2, cores=1)
    late = {
        "Type": "gpu",
        "Name": "gpu0",
        "Dimension": "GPUUtilization",
        "Value": 55.0,
        "NodeId": "algo-1",
        "Timestamp": start + 1.51,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(late) + "\n")
    node = read_profile(writer.root).nodes[0]
    column = node.values[:, node.metrics.index(Metric("gpu", "gpu0", "GPUUtilization"))]
    assert len(node.times) == 4, "1.510 s and 1.504 s are one sample"
    assert np.isnan(column[:3]).all()
    assert column[3] == 55.0


def test_damaged_lines_are_left_out_and_said(writer: Any) -> None:
    files = writer.system(duration=90)
    text = files[0].read_text(encoding="utf-8").splitlines()
    text[3] = text[3][:40]
    text[10] = "\x00\x00\x00"
    text[20] = text[20].replace('"Value":', '"Value":"x')
    files[0].write_text("\n".join(text) + "\n", encoding="utf-8")
    profile = read_profile(writer.root)
    assert len(profile.nodes[0].times) == 180
    assert any("3 damaged lines" in problem and files[0].name in problem for problem in profile.problems)


def test_half_written_traces_are_used_and_said(writer: Any) -> None:
    writer.system(duration=5)
    path = writer.trace(steps=50)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) // 2], encoding="utf-8")
    profile = read_profile(writer.root)
    assert 20 <= profile.events.steps("TRAIN").sum() <= 30
    assert any("end in the middle" in problem for problem in profile.problems)


def test_a_trace_damaged_in_the_middle_loses_only_that(writer: Any) -> None:
    path = writer.trace(steps=50)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[100] = lines[100][:30]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert len(read_profile(writer.root).events.start) == 50 * 5 - 1


def test_what_a_killed_job_left_is_read(tmp_path: Path, writer: Any) -> None:
    path = writer.trace(steps=10)
    text = path.read_text(encoding="utf-8").removesuffix("\n]")
    path.unlink()
    (writer.root / "framework" / "123-algo-1_pythontimeline.json.tmp").write_text(text, encoding="utf-8")
    profile = read_profile(writer.root)
    assert profile.events.steps("TRAIN").sum() == 10
    assert profile.events.workers == ("algo-1-123",)


def test_begin_and_end_events_are_joined(writer: Any) -> None:
    path = writer.root / "framework" / "pevents" / "2026112122" / "1_0-algo-1_horovod_timeline.json"
    path.parent.mkdir(parents=True)
    entries = [
        {"name": "process_name", "ph": "M", "pid": 0, "args": {"start_time_since_epoch_in_micros": 1_000_000}},
        {"name": "process_name", "ph": "M", "pid": 1, "args": {"name": "Forward"}},
        {"name": "f", "ph": "B", "pid": 1, "ts": 10},
        {"name": "f", "ph": "E", "pid": 1, "ts": 500_010},
        {"ph": "E", "pid": 1, "ts": 9},
        {"ph": "X"},
        {"ph": "X", "pid": 1, "ts": "soon", "dur": 1},
        "no object",
        None,
    ]
    path.write_text(json.dumps(entries), encoding="utf-8")
    events = read_profile(writer.root).events
    assert events.start.tolist() == pytest.approx([1.00001])
    assert (events.end - events.start).tolist() == pytest.approx([0.5])


def test_aws_rules_and_their_damage(writer: Any) -> None:
    writer.aws_rule("BatchSize", {"RuleTriggered": 2, "Datapoints": 10, "Violations": 4})
    writer.aws_rule("LoadBalancing", "{half")
    profile = read_profile(writer.root)
    assert profile.aws_rules == {"BatchSize": {"RuleTriggered": 2, "Datapoints": 10, "Violations": 4}}
    assert any("LoadBalancing.json" in problem for problem in profile.problems)
    assert sum("There are no system metrics" in p or "There is no step trace" in p for p in profile.problems) == 2


def test_empty_files_are_no_profile(writer: Any) -> None:
    for path in (*writer.system(duration=5), writer.trace(steps=2)):
        path.write_bytes(b"")
    with pytest.raises(UserFacingError, match="no profiler files"):
        read_profile(writer.root)


def test_a_folder_without_a_profile(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(UserFacingError, match="no profiler files"):
        read_profile(tmp_path)
    with pytest.raises(UserFacingError, match="There is no folder"):
        read_profile(tmp_path / "nowhere")


def test_reading_can_be_cancelled(writer: Any) -> None:
    writer.system(duration=5)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        read_profile(writer.root, cancel=token)


def test_find_report(tmp_path: Path) -> None:
    assert find_report(tmp_path) is None
    report = tmp_path / "job" / "rule-output" / "ProfilerReport-1" / "profiler-output" / "profiler-report.html"
    report.parent.mkdir(parents=True)
    report.write_text("<html></html>", encoding="utf-8")
    assert find_report(tmp_path) == report
    assert find_report(report) == report


@pytest.mark.parametrize(
    ("name", "worker", "node"),
    [
        ("1795300020000000_0-algo-1_pythontimeline.json", "algo-1-0", "algo-1"),
        ("12-algo-3_pythontimeline.json.tmp", "algo-3-12", "algo-3"),
        ("1795300020000000_77-algo-2_smdataparallel_timeline.json", "algo-2-77", "algo-2"),
        ("1795300020000000_88-my-host_model_timeline.json", "88-my-host", "88-my-host"),
    ],
)
def test_worker_names(name: str, worker: str, node: str) -> None:
    assert worker_of(name) == worker
    assert node_of(worker) == node


@pytest.mark.parametrize(
    ("row", "phase"),
    [
        ("Step:ModeKeys.TRAIN", "step"),
        ("DataLoaderIter", "data_loading"),
        ("DataIterator", "data_loading"),
        ("DataLoaderWorker", "loader_worker"),
        ("Forward", "forward"),
        ("Forward-SubModuleInternal", "other"),
        ("Backward(post-forward)", "backward"),
        ("Optimizer", "optimizer"),
        ("Evaluation", "evaluation"),
        ("cpu_functions", "other"),
    ],
)
def test_rows_of_pytorch_and_tensorflow(row: str, phase: str) -> None:
    assert phase_of(row) == phase


def test_mode_of() -> None:
    assert mode_of("Step:ModeKeys.EVAL") == "EVAL"


def test_a_profile_is_found_at_any_depth(writer: Any, tmp_path: Path) -> None:
    writer.system(duration=2)
    deep = tmp_path / "data" / "a" / "b" / "c" / "d" / "e" / "input" / "job" / "profiler-output"
    deep.parent.mkdir(parents=True)
    writer.root.rename(deep)
    assert len(read_profile(tmp_path).nodes) == 1


def test_profiles_of_two_jobs_are_not_mixed(writer: Any, tmp_path: Path) -> None:
    writer.system(duration=2)
    two = tmp_path / "two"
    for name in ("one", "two"):
        shutil.copytree(writer.root, two / name / "profiler-output")
    with pytest.raises(UserFacingError, match=r"2 profiles in .*one/profiler-output, two/profiler-output\. Choose one"):
        read_profile(two)
