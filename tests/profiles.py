"""Writes profiles as SageMaker's agent and smdebug's hook do."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

START = 1_795_300_020.0

Usage = Callable[[str, str, float], float | None]
"""(name, dimension, seconds since the start) -> value, or None for the usual one."""


class ProfileWriter:
    """Writes `<root>/system` and `<root>/framework` of jobs that never ran."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def system(
        self,
        node: str = "algo-1",
        *,
        duration: float = 120.0,
        interval: float = 0.5,
        cores: int = 4,
        gpus: int = 0,
        usage: Usage | None = None,
    ) -> list[Path]:
        """Samples from `START` on; returns the files."""
        random = np.random.default_rng(sum(map(ord, node)))
        files: dict[Path, list[str]] = {}
        for index in range(int(duration / interval)):
            since = index * interval
            when = START + since + 0.004
            minute = int(when) // 60 * 60
            hour = time.strftime("%Y%m%d%H", time.gmtime(minute))
            path = self.root / "system" / "incremental" / hour / f"{minute}.{node}.json"
            lines = files.setdefault(path, [])
            for kind, name, dimension in _series(cores, gpus):
                value = usage(name, dimension, since) if usage else None
                if value is None:
                    value = float(np.clip(_usual(kind, name, dimension, since) * random.normal(1, 0.05), 0, None))
                entry = {
                    "Type": kind,
                    "Name": name,
                    "Dimension": dimension,
                    "Value": round(value, 2),
                    "NodeId": node,
                    "Timestamp": round(when, 6),
                }
                lines.append(json.dumps(entry, separators=(",", ":")))
        for path, lines in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        return list(files)

    def trace(
        self,
        worker: str = "0-algo-1",
        *,
        begin: float = 10.0,
        steps: int = 200,
        phases: dict[str, float] | None = None,
        mode: str = "TRAIN",
        slow: dict[int, float] | None = None,
        suffix: str = "pythontimeline",
    ) -> Path:
        """Steps from `begin` seconds after `START` on, each made of `phases` (row -> seconds); returns the file."""
        phases = phases or {"DataLoaderIter": 0.01, "Forward": 0.02, "Backward(post-forward)": 0.04, "Optimizer": 0.01}
        rows = [f"Step:ModeKeys.{mode}", *phases]
        origin = int((START + begin) * 1e6)
        events: list[dict[str, object]] = [
            {"name": "process_name", "ph": "M", "pid": 0, "args": {"start_time_since_epoch_in_micros": origin}}
        ]
        events += [
            {"name": "process_name", "ph": "M", "pid": pid, "args": {"name": row}} for pid, row in enumerate(rows, 1)
        ]
        at = 0.0
        for number in range(steps):
            factor = (slow or {}).get(number, 1.0) * (1 + 0.02 * math.sin(number))
            began = at
            for pid, row in enumerate(rows[1:], 2):
                lasted = phases[row] * factor
                events.append(_event(row, pid, at, lasted, number))
                at += lasted
                if row.startswith("DataLoader"):
                    began = at
            events.append(_event(rows[0], 1, began, at - began, number))
        end = origin + int(at * 1e6)
        hour = time.strftime("%Y%m%d%H", time.gmtime(end / 1e6))
        path = self.root / "framework" / "pevents" / hour / f"{end}_{worker}_{suffix}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[\n" + ",\n".join(map(json.dumps, events)) + "\n]", encoding="utf-8", newline="\n")
        return path

    def aws_rule(self, name: str, content: dict[str, object] | str) -> Path:
        """One verdict of AWS's ProfilerReport."""
        folder = self.root / "rule-output" / "ProfilerReport-1795300000" / "profiler-output" / "profiler-reports"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path


@pytest.fixture
def writer(tmp_path: Path) -> ProfileWriter:
    return ProfileWriter(tmp_path / "profile")


@pytest.fixture
def start() -> float:
    return START


def _series(cores: int, gpus: int) -> list[tuple[str, str, str]]:
    series = [("cpu", f"cpu{i}", d) for i in range(cores) for d in ("CPUUtilization", "I/OWaitPercentage")]
    series += [("gpu", f"gpu{i}", d) for i in range(gpus) for d in ("GPUUtilization", "GPUMemoryUtilization")]
    series.append(("memory", "MemoryUsedPercent", ""))
    series += [
        ("i/o", name, "") for name in ("IOPS", "ReadThroughputInBytesPerSecond", "WriteThroughputInBytesPerSecond")
    ]
    series += [
        ("network", name, dimension)
        for name in ("ReceiveBytesPerSecond", "TransmitBytesPerSecond")
        for dimension in ("Algorithm", "Platform")
    ]
    return series


def _usual(kind: str, name: str, dimension: str, since: float) -> float:
    wave = 1 + 0.2 * math.sin(since / 11)
    match kind, dimension:
        case "cpu", "I/OWaitPercentage":
            return 1.5 * wave
        case "cpu", _:
            return 70 * wave
        case "gpu", "GPUMemoryUtilization":
            return 55.0
        case "gpu", _:
            return 75 * wave
        case "memory", _:
            return 32 + since / 40
        case "network", _:
            return 2e5 * wave
    return 40.0 if name == "IOPS" else 3e6 * wave


def _event(row: str, pid: int, at: float, lasted: float, number: int) -> dict[str, object]:
    times = {"ts": int(at * 1e6), "dur": int(lasted * 1e6)}
    return {"name": row, "pid": pid, "ph": "X", **times, "args": {"step_num": str(number)}}
