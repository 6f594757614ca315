"""A training job's output in AWS's layout: tensors, a profile of two nodes with GPUs, verdicts of AWS's rules."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START = 1_795_300_020
SECONDS, INTERVAL = 600, 0.5
NODES, GPUS, CORES = ("algo-1", "algo-2"), 2, 8
_TENSORS = (  # in a process of its own: torch has no place in the window's
    "import sys, torch; torch.manual_seed(0); torch.set_num_threads(1);"
    "from pathlib import Path; from tests.training_scripts.debugger.faults import cnn_training;"
    "cnn_training(epochs=6).run(Path(sys.argv[1]))"
)


def make_aws_job(folder: Path) -> Path:
    """Write debug-output (of a real small training), profiler-output and rule-output; returns the folder."""
    tensors = folder / "debug-output"
    subprocess.run([sys.executable, "-c", _TENSORS, str(tensors)], cwd=ROOT, check=True, timeout=600)
    for node in NODES:
        _write_system(folder / "profiler-output", node)
        _write_trace(folder / "profiler-output", node)
    reports = folder / f"rule-output/ProfilerReport-{START}/profiler-output/profiler-reports"
    gpu = {"p95": 58.2, "p5": 2.1}
    parameters = "threshold_p95:70\nthreshold_p5:10\nwindow:500\npatience:1000"
    _write_rule(reports / "LowGPUUtilization.json", 9, 4800, {"algo-1": {"gpu0": gpu}}, parameters)
    _write_rule(reports / "LoadBalancing.json", 0, 1200, {}, "threshold:0.5\npatience:10")
    _write_rule(reports / "StepOutlier.json", 0, 1080, {}, "threshold:5\nn_outliers:10\nstddev:5")
    _write_rule(folder / "rule-output/VanishingGradient-b439637b/report.json", 0, 60, {}, "threshold:0.0000001")
    return folder


def _write_rule(path: Path, triggered: int, datapoints: int, details: dict[str, Any], parameters: str) -> None:
    content = {
        "RuleTriggered": triggered,
        "Violations": triggered,
        "Details": details,
        "Datapoints": datapoints,
        "RuleParameters": parameters,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _write_system(root: Path, node: str) -> None:
    """A file a minute, a JSON object a line, as the agent on a training instance does."""
    files: dict[Path, list[str]] = {}
    shift = NODES.index(node)
    for number in range(int(SECONDS / INTERVAL)):
        when = START + number * INTERVAL
        minute = int(when) // 60 * 60
        hour = time.strftime("%Y%m%d%H", time.gmtime(minute))
        lines = files.setdefault(root / "system" / "incremental" / hour / f"{minute}.{node}.json", [])
        lines += [_sample(node, when, *entry) for entry in _usage(number * INTERVAL, shift)]
    for path, lines in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _sample(node: str, when: float, kind: str, name: str, dimension: str, value: float) -> str:
    entry = {"Type": kind, "Name": name, "Dimension": dimension, "Value": round(value, 2)}
    return json.dumps({**entry, "NodeId": node, "Timestamp": when}, separators=(",", ":"))


def _usage(at: float, shift: int) -> list[tuple[str, str, str, float]]:
    """Loading pictures keeps the cores busy, and the GPUs wait for it; every two minutes an evaluation."""
    trains = 20 < at < SECONDS - 20
    evaluates = trains and at % 120 > 105
    wave = math.sin(at / 7 + shift) + 0.4 * math.sin(at * 1.7)
    cpu = (88 if trains and not evaluates else 25) + 6 * wave
    gpu = (42 + 14 * wave) * trains if not evaluates else 71 + 3 * wave
    found = [("cpu", f"cpu{core}", "CPUUtilization", min(100.0, max(0.0, cpu + core % 3))) for core in range(CORES)]
    found += [("cpu", f"cpu{core}", "I/OWaitPercentage", 2 + wave) for core in range(CORES)]
    found += [("gpu", f"gpu{one}", "GPUUtilization", max(0.0, gpu - 3 * one)) for one in range(GPUS)]
    found += [("gpu", f"gpu{one}", "GPUMemoryUtilization", 38.0 * trains) for one in range(GPUS)]
    found.append(("memory", "MemoryUsedPercent", "", 31 + at / 100))
    found.append(("i/o", "IOPS", "", max(0.0, 60 + 40 * wave)))
    found.append(("i/o", "ReadThroughputInBytesPerSecond", "", max(0.0, 4e7 * trains * (1 + 0.3 * wave))))
    found.append(("i/o", "WriteThroughputInBytesPerSecond", "", 2e5))
    found.append(("network", "ReceiveBytesPerSecond", "Algorithm", max(0.0, 9e6 * (1 + 0.4 * wave))))
    found.append(("network", "TransmitBytesPerSecond", "Algorithm", max(0.0, 8e6 * (1 + 0.4 * wave))))
    return found


def _write_trace(root: Path, node: str) -> None:
    """Steps with their phases as smdebug's hook writes them: Chrome's trace form, microseconds."""
    begin = START + 20
    rows = (
        "Step:ModeKeys.TRAIN",
        "DataLoaderIter",
        "Forward",
        "Backward(post-forward)",
        "Optimizer",
        "Step:ModeKeys.EVAL",
    )
    phases = {2: 0.52, 3: 0.14, 4: 0.26, 5: 0.06}
    events: list[dict[str, Any]] = [_named(0, start_time_since_epoch_in_micros=begin * 1_000_000)]
    events += [_named(pid, name=row) for pid, row in enumerate(rows, 1)]
    at = 0.0
    for number in range(540):
        if 85 < at % 120 < 100:
            lasted = 100 - at % 120
            events.append(_event(rows[5], 6, at, lasted, number))
            at += lasted
        began = at
        for pid, lasted in phases.items():
            events.append(_event(rows[pid - 1], pid, at, lasted, number))
            at += lasted
        events.append(_event(rows[0], 1, began, at - began, number))
        if at > SECONDS - 45:
            break
    last = int((begin + at) * 1e6)
    hour = time.strftime("%Y%m%d%H", time.gmtime(begin + at))
    path = root / "framework" / "pevents" / hour / f"{last}_0-{node}_pythontimeline.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(events), encoding="utf-8")


def _named(pid: int, **args: Any) -> dict[str, Any]:
    return {"name": "process_name", "ph": "M", "pid": pid, "args": args}


def _event(row: str, pid: int, at: float, lasted: float, number: int) -> dict[str, Any]:
    times = {"ts": int(at * 1e6), "dur": int(lasted * 1e6)}
    return {"name": row, "pid": pid, "ph": "X", **times, "args": {"step_num": str(number)}}
