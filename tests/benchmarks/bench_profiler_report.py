"""How long a report takes: eight hours of samples at 500 ms on eight nodes, with a step trace each.

The goal is under 20 s and a file under 5 MB (HTML). Run as `python -m tests.benchmarks.bench_profiler_report`.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from core.report.export import write
from core.report.formats import Contents
from core.report.reported_run import ReadRun, Run, read_run
from core.report.sections import job_document
from tests.benchmarks.harness import print_table

NODES, HOURS, INTERVAL_S, CORES, GPUS = 8, 8, 0.5, 8, 1
STEPS = 19_200
START = 1_795_298_400
GOAL_S, GOAL_BYTES = 20.0, 5_000_000


def main() -> None:
    """Write the profile, report on it, print the figures."""
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as folder:
        root = Path(folder)
        lines, size = _write(root)
        began = time.perf_counter()
        read = read_run(Run(root), root)
        assert isinstance(read, ReadRun)
        analysed = time.perf_counter() - began
        rows = []
        for suffix in ("html", "pdf"):
            began = time.perf_counter()
            path = write(Contents(job_document(read), (read,)), root / f"report.{suffix}")
            seconds, written = analysed + time.perf_counter() - began, path.stat().st_size
            rows.append((suffix.upper(), f"{seconds:.1f} s", f"{written / 1e6:.2f} MB", _met(seconds, written)))
    print(f"{HOURS} hours at {INTERVAL_S * 1000:.0f} ms on {NODES} nodes of {CORES} cores and {GPUS} GPU each,")
    print(f"{STEPS:,} steps per node; {lines:,} lines, {size / 1e6:,.0f} MB of system metrics.")
    print(f"Goal: under {GOAL_S:.0f} s and {GOAL_BYTES / 1e6:.0f} MB.\n")
    print_table(("report", "time, from files to file", "size", "goal"), rows)


def _met(seconds: float, size: int) -> str:
    return "met" if seconds < GOAL_S and size < GOAL_BYTES else "NOT MET"


def _write(root: Path) -> tuple[int, int]:
    """The files as SageMaker's agent and our step trace write them; returns how many lines and bytes of metrics."""
    random = np.random.default_rng(0)
    lines = size = 0
    series = _series()
    for node in range(1, NODES + 1):
        head = [f'{{"Type":"{k}","Name":"{n}","Dimension":"{d}","Value":' for k, n, d in series]
        tail = f',"NodeId":"algo-{node}","Timestamp":'
        for minute in range(START, START + HOURS * 3600, 60):
            folder = root / "system" / "incremental" / time.strftime("%Y%m%d%H", time.gmtime(minute))
            folder.mkdir(parents=True, exist_ok=True)
            values = np.round(random.gamma(9.0, 6.0, (int(60 / INTERVAL_S), len(series))) % 100, 2).tolist()
            text = "".join(
                f"{first}{value}{tail}{minute + index * INTERVAL_S + 0.003}}}\n"
                for index, row in enumerate(values)
                for first, value in zip(head, row, strict=True)
            )
            (folder / f"{minute}.algo-{node}.json").write_text(text, encoding="utf-8", newline="\n")
            lines, size = lines + len(values) * len(series), size + len(text)
        _write_trace(root, node, random)
    return lines, size


def _series() -> list[tuple[str, str, str]]:
    series = [("cpu", f"cpu{i}", d) for i in range(CORES) for d in ("CPUUtilization", "I/OWaitPercentage")]
    series += [("gpu", f"gpu{i}", d) for i in range(GPUS) for d in ("GPUUtilization", "GPUMemoryUtilization")]
    series += [("memory", "MemoryUsedPercent", "")]
    series += [("i/o", f"{way}ThroughputInBytesPerSecond", "") for way in ("Read", "Write")] + [("i/o", "IOPS", "")]
    for name in ("ReceiveBytesPerSecond", "TransmitBytesPerSecond"):
        series += [("network", name, "Algorithm"), ("network", name, "Platform")]
    return series


def _write_trace(root: Path, node: int, random: np.random.Generator) -> None:
    rows = ("Step:ModeKeys.TRAIN", "DataLoaderIter", "Forward", "Backward(post-forward)", "Optimizer")
    folder = root / "framework" / "pevents" / time.strftime("%Y%m%d%H", time.gmtime(START))
    folder.mkdir(parents=True, exist_ok=True)
    each = HOURS * 3600 / STEPS
    durations = random.gamma(40.0, each / 48, STEPS)
    events: list[object] = [
        {"name": "process_name", "ph": "M", "pid": 0, "args": {"start_time_since_epoch_in_micros": START * 10**6}}
    ]
    events += [{"name": "process_name", "ph": "M", "pid": i, "args": {"name": row}} for i, row in enumerate(rows, 1)]
    for number, lasted in enumerate(durations.tolist()):
        at = number * each
        for pid, (begin, share) in enumerate(((0.2, 0.8), (0.0, 0.2), (0.2, 0.3), (0.5, 0.4), (0.9, 0.1)), 1):
            ts, dur = int((at + begin * lasted) * 1e6), int(share * lasted * 1e6)
            events.append(
                {"name": rows[pid - 1], "pid": pid, "ph": "X", "ts": ts, "dur": dur, "args": {"step_num": str(number)}}
            )
    path = folder / f"{(START + HOURS * 3600) * 10**6}_0-algo-{node}_pythontimeline.json"
    path.write_text("[\n" + ",\n".join(map(json.dumps, events)) + "\n]", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
