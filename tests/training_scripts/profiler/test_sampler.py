from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from training_scripts.profiler import sampler as module
from training_scripts.profiler.gpu import GpuProbe
from training_scripts.profiler.sampler import Sampler, node_name

ROOT = Path(__file__).resolve().parents[3]


def _lines(folder: Path) -> list[dict[str, Any]]:
    found = sorted((folder / "profiler" / "system" / "incremental").rglob("*.json"))
    return [json.loads(line) for path in found for line in path.read_text(encoding="utf-8").splitlines()]


def _stamps(folder: Path) -> list[float]:
    return sorted({line["Timestamp"] for line in _lines(folder)})


def _sampled(folder: Path, count: int) -> None:
    """Wait until so many samples are there, however slow the machine is."""
    deadline = time.monotonic() + 60
    while len(_stamps(folder)) < count:
        assert time.monotonic() < deadline, "no sample in a minute"
        time.sleep(0.01)


def _end(sampler: Sampler) -> None:
    """Close, and wait for the last sample longer than a job would."""
    sampler.close()
    sampler._thread.join(60)


def test_a_short_job_has_a_first_and_a_last_sample(tmp_path: Path) -> None:
    sampler = Sampler.start(tmp_path, "algo-1", interval_s=3600)
    _sampled(tmp_path, 1)
    time.sleep(0.02)  # rates need that much between two samples
    _end(sampler)
    stamps = _stamps(tmp_path)
    assert len(stamps) == 2
    assert (tmp_path / "profiler" / "system" / "training_job_end.ts").is_file()


def test_even_a_job_of_no_time_has_a_sample(tmp_path: Path) -> None:
    _end(Sampler.start(tmp_path, "algo-1", interval_s=3600))
    assert _stamps(tmp_path)


def test_metrics_are_those_of_sagemaker(tmp_path: Path) -> None:
    sampler = Sampler.start(tmp_path, "algo-2", interval_s=0.05)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and max(_busy(tmp_path), default=0) <= 50:
        sum(range(10_000_000))
    _end(sampler)
    lines = _lines(tmp_path)
    assert {line["NodeId"] for line in lines} == {"algo-2"}
    assert all(set(line) == {"Type", "Name", "Dimension", "Value", "NodeId", "Timestamp"} for line in lines)
    kinds = {(line["Type"], line["Dimension"]) for line in lines}
    assert {("cpu", "CPUUtilization"), ("memory", ""), ("network", "Algorithm")} <= kinds
    assert {line["Name"] for line in lines if line["Type"] == "cpu"} >= {"cpu0"}
    assert all(0 <= line["Value"] <= 100 for line in lines if line["Type"] in ("cpu", "memory"))
    assert max(_busy(tmp_path)) > 50, "this test kept a core busy"


def _busy(folder: Path) -> list[float]:
    return [line["Value"] for line in _lines(folder) if line["Dimension"] == "CPUUtilization"]


def test_smdebug_reads_the_files(tmp_path: Path, smdebug_python: str) -> None:
    sampler = Sampler.start(tmp_path, "algo-1", interval_s=0.05)
    _sampled(tmp_path, 3)
    _end(sampler)
    code = (
        "import sys, time, warnings; warnings.simplefilter('ignore')\n"
        "from smdebug.profiler.system_metrics_reader import LocalSystemMetricsReader\n"
        "reader = LocalSystemMetricsReader(sys.argv[1])\n"
        "events = reader.get_events(0, time.time() * 1e6)\n"
        "print(len(events), sorted({e.type for e in events}), events[0].node_id)\n"
    )
    done = _python(smdebug_python, code, tmp_path / "profiler")
    count, _, rest = done.partition(" ")
    assert int(count) == len(_lines(tmp_path))
    assert "'cpu'" in rest
    assert "'memory'" in rest
    assert rest.strip().endswith("algo-1")


def test_a_failing_machine_ends_the_sampler_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: object) -> list[object]:
        raise OSError("no counters here")

    monkeypatch.setattr(module.Machine, "read", fail)
    sampler = Sampler.start(tmp_path, "algo-1", interval_s=0.01)
    sampler._thread.join(60)  # it gives up by itself
    assert not sampler._thread.is_alive()
    sampler.close()
    assert not _lines(tmp_path)


def test_close_does_not_wait_for_a_machine_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(module.Machine, "read", lambda _self: release.wait(5) and [])
    sampler = Sampler.start(tmp_path, "algo-1", interval_s=0.01, patience_s=0.05)
    try:
        sampler.close()
        assert sampler._thread.is_alive(), "the hang was not real"
        assert sampler._thread.daemon, "it would outlive the job"
    finally:
        release.set()
        sampler._thread.join(5)


def test_an_unwritable_folder_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "profiler"
    blocked.write_text("a file where a folder should be", encoding="utf-8")
    sampler = Sampler.start(tmp_path, "algo-1", interval_s=0.01)
    sampler.close()
    assert blocked.is_file()


def test_only_the_first_process_of_a_node_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    Sampler.start(tmp_path, "algo-1").close()
    assert not (tmp_path / "profiler").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_job_keeps_its_samples(tmp_path: Path) -> None:
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from training_scripts.profiler.sampler import Sampler\n"
        "Sampler.start(Path(sys.argv[1]), 'algo-1', interval_s=0.05)\n"
        "time.sleep(60)\n"
    )
    job = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(ROOT)])
    try:
        _sampled(tmp_path, 2)
    finally:
        job.kill()
        job.wait(60)
    assert len(_stamps(tmp_path)) >= 2


@pytest.mark.parametrize(("given", "used"), [("algo-3", "algo-3"), ("", "algo-1"), ("my host/../x", "algo-1")])
def test_node_name(given: str, used: str) -> None:
    assert node_name(given) == used


class _TwoGpus:
    """NVML's functions, of a machine with two GPUs of which the second does not answer."""

    def __init__(self) -> None:
        self.ended = False

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlShutdown(self) -> int:
        self.ended = True
        return 0

    def nvmlDeviceGetCount_v2(self, number: Any) -> int:
        ctypes.cast(number, ctypes.POINTER(ctypes.c_uint))[0] = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: Any) -> int:
        ctypes.cast(handle, ctypes.POINTER(ctypes.c_void_p))[0] = index.value + 1
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: ctypes.c_void_p, result: Any) -> int:
        if handle.value != 1:
            return 15
        words = ctypes.cast(result, ctypes.POINTER(ctypes.c_uint))
        words[0], words[1] = 87, 40
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: ctypes.c_void_p, result: Any) -> int:
        if handle.value != 1:
            return 15
        words = ctypes.cast(result, ctypes.POINTER(ctypes.c_ulonglong))
        words[0], words[1], words[2] = 16_000, 12_000, 4_000
        return 0


def test_gpus_are_read_through_the_driver() -> None:
    library = _TwoGpus()
    probe = GpuProbe(library)
    assert probe.count == 2
    assert probe.read() == [(87.0, 25.0), (0.0, 0.0)]
    probe.close()
    assert library.ended
    assert probe.read() == []


def test_a_machine_without_a_driver_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert GpuProbe().count == 0


def _python(python: str, code: str, *arguments: Path) -> str:
    done = subprocess.run(
        [python, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.splitlines()[-1]
