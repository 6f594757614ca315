from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import UserFacingError
from core.profiler import analyse
from core.profiler.activity import gaps, overlap, total, union
from core.profiler.results import ProfilerAnalysis
from core.profiler.traces import Floats
from core.report import Run, export

_BASE_NS = 1_795_744_000_000_000_000
_RECORD = """
import sys, time, torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, schedule, tensorboard_trace_handler
from torch.utils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self): return 80
    def __getitem__(self, i):
        time.sleep(0.002)
        return torch.randn(8), i % 2
torch.set_num_threads(1)
net = nn.Linear(8, 2)
optimizer, loss_fn = torch.optim.SGD(net.parameters(), lr=0.1), nn.CrossEntropyLoss()
handler = tensorboard_trace_handler(sys.argv[1], "worker", use_gzip=True)
with profile(activities=[ProfilerActivity.CPU], schedule=schedule(wait=1, warmup=1, active=5, repeat=1),
             on_trace_ready=handler, profile_memory=True) as recorder:
    for inputs, labels in DataLoader(Slow(), batch_size=10):
        optimizer.zero_grad()
        loss_fn(net(inputs), labels).backward()
        optimizer.step()
        recorder.step()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace that torch.profiler itself wrote."""
    folder = tmp_path_factory.mktemp("recorded")
    subprocess.run([sys.executable, "-c", _RECORD, str(folder)], check=True, timeout=300, capture_output=True)
    return next(folder.glob("*.pt.trace.json.gz"))


def test_a_trace_of_torch_itself_agrees_with_its_raw_events(recorded: Path) -> None:
    with gzip.open(recorded, "rt") as file:
        raw = [event for event in json.load(file)["traceEvents"] if event.get("ph") == "X"]
    analysis = analyse(recorded)
    steps = [event["dur"] / 1e6 for event in raw if event["name"].startswith("ProfilerStep#")]
    loads = [event["dur"] / 1e6 for event in raw if event["name"].startswith("enumerate(DataLoader)#")]
    assert analysis.steps[0].count == len(steps) == 5
    assert analysis.steps[0].p50 == pytest.approx(float(np.median(steps)), abs=1e-6)
    assert analysis.loads is not None
    assert (analysis.loads.count, analysis.loads.total) == (5, pytest.approx(sum(loads), abs=1e-5))
    assert analysis.shares["data_loading"] == pytest.approx(sum(loads), abs=1e-5)
    assert {"forward", "backward", "optimizer"} <= analysis.shares.keys()
    assert analysis.activity is not None
    called = {row.name: row for row in analysis.activity.operators}
    addmm = [event["dur"] / 1e6 for event in raw if event["name"] == "aten::addmm"]
    assert (called["aten::addmm"].calls, called["aten::addmm"].total_s) == (5, pytest.approx(sum(addmm), abs=1e-6))
    assert analysis.activity.memory[0].device == "worker CPU"
    assert analysis.activity.memory[0].peak > 0
    assert analysis.times.start == pytest.approx(recorded.stat().st_mtime, abs=120)


def test_waiting_for_data_is_found_also_in_a_trace_of_a_second(recorded: Path) -> None:
    finding = analyse(recorded.parent).findings[0]
    assert finding.title == "Training waits for data"
    assert "of the traced time" in finding.gain


class _Trace:
    """A trace of a GPU, in milliseconds, as Kineto writes it."""

    def __init__(self, rank: int | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.rank = rank

    def add(self, cat: str, name: str, start: float, end: float, tid: int = 1, **args: Any) -> None:
        event = {
            "ph": "X",
            "cat": cat,
            "name": name,
            "pid": 7,
            "tid": tid,
            "ts": start * 1e3,
            "dur": (end - start) * 1e3,
        }
        self.events.append({**event, "args": args})

    def step(self, number: int, at: float, *, load: float = 2.0, kernel: float = 4.0, pinned: bool = True) -> None:
        """20 ms: load, copy 1, forward 6, backward on another thread 8, optimizer 2; kernels run behind them."""
        self.add("user_annotation", f"ProfilerStep#{number}", at, at + 20)
        self.add("user_annotation", "enumerate(DataLoader)#_MultiProcessingDataLoaderIter.__next__", at, at + load)
        self.add("cpu_op", "aten::to", at + load, at + load + 1, **{"External id": 100 * number})
        kind = "Pinned" if pinned else "Pageable"
        copy = {"device": 0, "bytes": 5_000_000, "External id": 100 * number}
        self.add("gpu_memcpy", f"Memcpy HtoD ({kind} -> Device)", at + load, at + load + 1, 7, **copy)
        self.add("cpu_op", "aten::conv2d", at + 4, at + 9, **{"External id": 100 * number + 1})
        self.add("cpu_op", "aten::cudnn_convolution", at + 5, at + 8, **{"External id": 100 * number + 2})
        run = {"device": 0, "External id": 100 * number + 2, "est. achieved occupancy %": 50}
        self.add("kernel", "conv_kernel", at + 5, at + 5 + kernel, 7, **run)
        self.add("cpu_op", "autograd::engine::evaluate_function: ConvBackward0", at + 10, at + 17, 2)
        self.add("kernel", "conv_backward", at + 11, at + 15, 7, device=0)
        self.add("user_annotation", "Optimizer.step#SGD.step", at + 17, at + 19)

    def memory(self, at: float, allocated: int) -> None:
        args = {"Device Type": 1, "Device Id": 0, "Total Allocated": allocated, "Bytes": 1}
        self.events.append({"ph": "i", "name": "[memory]", "pid": 7, "tid": 1, "ts": at * 1e3, "s": "t", "args": args})

    def save(self, path: Path) -> Path:
        content: dict[str, Any] = {
            "schemaVersion": 1,
            "deviceProperties": [{"id": 0, "name": "NVIDIA H100"}],
            "baseTimeNanoseconds": _BASE_NS,
            "traceEvents": self.events,
        }
        if self.rank is not None:
            content["distributedInfo"] = {"backend": "nccl", "rank": self.rank, "world_size": 2}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
        return path


def _analyse(trace: _Trace, tmp_path: Path) -> ProfilerAnalysis:
    return analyse(trace.save(tmp_path / "w.1.pt.trace.json"))


def test_a_gpu_is_idle_for_what_the_training_thread_did_meanwhile(tmp_path: Path) -> None:
    trace = _Trace()
    for number in range(10):
        trace.step(number, number * 20.0)
    analysis = _analyse(trace, tmp_path)
    assert analysis.activity is not None
    (device,) = analysis.activity.devices
    assert (device.name, device.title) == ("w gpu0", "NVIDIA H100")
    assert device.span_s == pytest.approx(0.2)
    assert device.busy_s == pytest.approx(0.09), "a copy of 1 ms and two kernels of 4 ms in each of 10 steps"
    assert {phase: round(spent, 6) for phase, spent in device.idle.items()} == {
        "data_loading": 0.02,
        "forward": 0.02,
        "backward": 0.03,
        "optimizer": 0.02,
        "other": 0.02,
    }
    assert device.gaps[0][1] == pytest.approx(0.007), "from the kernel of the backward pass to the next copy"
    assert analysis.findings[0].title == "The GPU is idle for much of the time"
    assert "55% of the traced time, 15% while the backward pass" in analysis.findings[0].text
    assert analysis.gpus == 1


def test_kernels_and_copies_are_added_up_and_told_to_their_operators(tmp_path: Path) -> None:
    trace = _Trace()
    for number in range(5):
        trace.step(number, number * 20.0, pinned=False)
    activity = _analyse(trace, tmp_path).activity
    assert activity is not None
    assert [(kernel.name, kernel.calls, round(kernel.total_s, 6)) for kernel in activity.kernels] == [
        ("conv_kernel", 5, 0.02),
        ("conv_backward", 5, 0.02),
    ]
    assert activity.kernels[0].occupancy == pytest.approx(50.0)
    assert activity.kernels[1].occupancy is None
    (copy,) = activity.copies
    assert (copy.kind, copy.count, copy.bytes) == ("HtoD (Pageable -> Device)", 5, 25_000_000)
    rows = {row.name: row for row in activity.operators}
    assert rows["aten::cudnn_convolution"].device_s == pytest.approx(0.02)
    assert rows["aten::conv2d"].total_s == pytest.approx(0.025)
    assert rows["aten::conv2d"].self_s == pytest.approx(0.010), "without the convolution inside it"


def test_copies_from_memory_that_is_not_pinned_are_found(tmp_path: Path) -> None:
    trace = _Trace()
    for number in range(5):
        trace.step(number, number * 20.0, pinned=False)
        trace.add("gpu_memcpy", "Memcpy HtoD (Pageable -> Device)", number * 20.0 + 15, number * 20.0 + 19, device=0)
    assert "Batches are copied from memory that is not pinned" in {f.title for f in _analyse(trace, tmp_path).findings}


def test_communication_that_nothing_hides_is_found(tmp_path: Path) -> None:
    trace = _Trace(rank=1)
    for number in range(5):
        at = number * 20.0
        trace.step(number, at)
        trace.add("kernel", "ncclKernel_AllReduce_RING", at + 13, at + 19, 9, device=0)
    analysis = _analyse(trace, tmp_path)
    assert analysis.activity is not None
    assert analysis.activity.devices[0].exposed_s == pytest.approx(0.02), "2 of its 6 ms lie beside a kernel"
    assert "GPUs wait for each other" in {finding.title for finding in analysis.findings}
    assert analysis.activity.devices[0].name == "rank 1 gpu0"


@pytest.mark.parametrize(("grows", "first"), [(True, 0), (False, 3)])
def test_memory_that_grows_is_told_from_memory_that_fills_once(tmp_path: Path, grows: bool, first: int) -> None:
    trace = _Trace()
    for number in range(16):
        trace.step(number, number * 20.0)
        trace.memory(number * 20.0 + 5, 100_000_000 * (1 + (number if grows else min(number, first))))
    analysis = _analyse(trace, tmp_path)
    assert analysis.activity is not None
    assert analysis.activity.memory[0].grows is grows
    assert ("Memory grows from step to step" in {finding.title for finding in analysis.findings}) is grows


def test_ranks_are_workers_side_by_side(tmp_path: Path) -> None:
    for rank in (0, 1):
        trace = _Trace(rank)
        for number in range(5):
            trace.step(number, number * 20.0)
        trace.save(tmp_path / f"w{rank}.pt.trace.json")
    analysis = analyse(tmp_path)
    assert sorted(analysis.steps[0].by_worker) == ["rank 0", "rank 1"]
    assert analysis.activity is not None
    assert len(analysis.activity.devices) == 2
    assert next(row for row in analysis.activity.operators if row.name == "aten::conv2d").calls == 10


def test_the_report_shows_operators_kernels_copies_gaps_and_memory(tmp_path: Path) -> None:
    trace = _Trace()
    for number in range(10):
        trace.step(number, number * 20.0)
        trace.memory(number * 20.0 + 5, 100_000_000)
    path = trace.save(tmp_path / "w.1.pt.trace.json")
    html = export(Run(path), tmp_path / "report.html").read_text(encoding="utf-8")
    for words in ("aten::cudnn_convolution", "conv_kernel", "HtoD (Pinned -&gt; Device)", "1 GPU (NVIDIA H100)"):
        assert words in html, words
    for words in ("Idle from", "Allocated on w gpu0", "10 train steps of 20 ms", "Only some steps were traced"):
        assert words in html, words
    assert export(Run(path), tmp_path / "report.pdf").stat().st_size > 10_000


def test_a_cut_trace_is_used_up_to_the_cut(tmp_path: Path) -> None:
    trace = _Trace()
    for number in range(5):
        trace.step(number, number * 20.0)
    path = trace.save(tmp_path / "w.pt.trace.json")
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: int(len(text) * 0.7)], encoding="utf-8")
    analysis = analyse(path)
    assert 2 <= analysis.steps[0].count < 5
    assert "ends in the middle" in analysis.problems[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x93\xff{}\x00{", "is not JSON"),
        (b'{"traceEvents": 3}', "JSON of another kind"),
        (b"3", "is not JSON"),
        (b'{"traceEvents": [{"ph": "X", "na', "cut short, or another kind"),
        (b'{"a": 1}\n{"a": 2}\n', "cut short, or another kind"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "w.pt.trace.json"
    path.write_bytes(content)
    with pytest.raises(UserFacingError) as raised:
        analyse(path)
    assert why in raised.value.why
    assert "in the middle" not in raised.value.why


@pytest.mark.parametrize("content", [b"", b"{}", b"[1, 2]", b'{"traceEvents": {}}', b"\x1f\x8bxx", b"[" * 100_000])
@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_what_is_not_a_trace_is_refused_in_words(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"w.pt.trace{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserFacingError, match="no trace to read"):
        analyse(path)


def _intervals(*pairs: tuple[float, float]) -> tuple[Floats, Floats]:
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def test_intervals_are_joined_and_subtracted() -> None:
    joined = union(_intervals((5, 6), (0, 2), (1, 3), (3, 4)))
    assert (joined[0].tolist(), joined[1].tolist()) == ([0, 5], [4, 6])
    free = gaps(joined, -1, 10)
    assert list(zip(*map(list, free), strict=True)) == [(-1, 0), (4, 5), (6, 10)]
    assert total(free) == 6
    assert overlap(joined, _intervals((3, 5.5))) == pytest.approx(1.5)
    assert overlap(_intervals(), joined) == overlap(joined, _intervals()) == 0


def test_random_intervals_agree_with_counting() -> None:
    random = np.random.default_rng(1)
    for _ in range(50):
        one, two = (np.sort(random.integers(0, 200, (random.integers(1, 20), 2)), axis=1) for _ in range(2))
        grids = [np.zeros(200, dtype=bool), np.zeros(200, dtype=bool)]
        for grid, pairs in zip(grids, (one, two), strict=True):
            for start, end in pairs:
                grid[start:end] = True
        joined = [union((pairs[:, 0].astype(float), pairs[:, 1].astype(float))) for pairs in (one, two)]
        assert total(joined[0]) == grids[0].sum()
        assert overlap(*joined) == (grids[0] & grids[1]).sum()
