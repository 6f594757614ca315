"""The event loop of the real window while a search streams in, and the window's memory.

Another process records 20 trials x 2,000 values within about ten seconds, as a supervisor does, and appends to a log
of 100,000 lines that is open in the window; 500 jobs are in the table. A timer of one millisecond in the UI thread
notes by how much it comes late: that long, a click would have waited. The same is noted while nothing streams in,
which shows what the machine itself adds. Beside it stands the CPU time of the UI thread between two ticks: what the
window itself computes at a stretch, whatever else the machine is doing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from core.engines.local.processes import created
from core.jobs.contract import JobFolder
from core.jobs.status import JobStatus
from core.paths import ROOT, AppPaths
from core.rows import new_record
from core.store import Store
from tests.benchmarks.harness import percentile, print_table
from tests.benchmarks.window import add_search, shown_window, training_spec, wait_for

JOBS, TRIALS, POINTS, LINES = 500, 20, 2000, 100_000
TICK_MS, FRAME_MS, WORST_MS, MEMORY_MB = 1.0, 16, 50, 400
# Ten values per trial and update, as when a log is read ten times a second.
WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from core.jobs.records import MetricEvent
from core.paths import AppPaths
from core.store import Store
home, names, points = Path(sys.argv[2]), sys.argv[4:], int(sys.argv[3])
store = Store(AppPaths(home).database)
log = open(AppPaths(home).jobs / names[0] / "log.txt", "a", encoding="utf-8")
began = time.monotonic()
for first in range(0, points, 10):
    for name in names:
        values = [MetricEvent(name, "train:batch_loss", 2 / (1 + step / 100), time.time(), None, step)
                  for step in range(first + 1, first + 11)]
        store.update_job(name, values, progress=first / points)
    log.write("".join(f"step={first + i} epoch=1 batch_loss=0.1234{i}\\n" for i in range(10)))
    log.flush()
    time.sleep(max(0.0, 0.05 * (first / 10 + 1) - (time.monotonic() - began)))
store.close()
"""


def main() -> None:
    """Print the tables."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        home = Path(place)
        names = _fill(AppPaths(home).create())
        with shown_window(home) as window:
            page = window.page("jobs")
            wait_for(lambda: page.detail is not None and not window._bridge._pending)
            page.detail.log.set_open(True)
            wait_for(lambda: page.detail.log.model.total >= LINES)
            idle = _late(3.0)
            command = [sys.executable, "-c", WRITER, str(ROOT), place, str(POINTS), *names]
            writer = subprocess.Popen(command)
            busy = _late(60.0, lambda: writer.poll() is not None)
            if writer.returncode:
                raise SystemExit("The writer failed.")
            wait_for(lambda: _points(page, names) == TRIALS * POINTS)
            peak = _peak_mb()
    heavy = sorted({"torch", "openvino", "boto3", "sagemaker"} & set(sys.modules))
    print(f"{JOBS} jobs, {TRIALS} trials x {POINTS:,} values, a log of {LINES:,} lines and more.\n")
    rows = [_row("nothing", idle), _row("the search", busy)]
    print_table(
        ("streaming in", "lateness: median", "p99", "max", "CPU at a stretch: p99", "max", "reach: p99 16, max 50 ms"),
        rows,
    )
    verdict = "met" if peak < MEMORY_MB and "torch" not in heavy else "NOT MET"
    print(f"Peak memory of the window's process: {peak:.0f} MB, reach {MEMORY_MB} MB: {verdict}.")
    print(f"Loaded of torch, openvino, boto3, sagemaker: {', '.join(heavy) or 'none'}.\n")


def _row(what: str, ticks: list[tuple[float, float]]) -> tuple[str, ...]:
    late, own = zip(*ticks, strict=True)
    values = (median(late), percentile(late, 0.99), max(late), percentile(own, 0.99), max(own))
    verdict = "met" if values[1] < FRAME_MS and values[2] < WORST_MS else "NOT MET"
    return what, *(f"{value:.1f} ms" for value in values), verdict


def _fill(paths: AppPaths) -> list[str]:
    """499 finished jobs, and a search that runs; this process stands for its supervisor."""
    store = Store(paths.database)
    for number in range(JOBS - 1):
        spec = training_spec(f"job-{number:03d}")
        store.add_job(new_record(spec), spec)
        ended = {"status": JobStatus.COMPLETED, "secondary_status": "Completed", "ended": time.time()}
        store.update_job(spec.name, objective=0.1 + number / 1000, **ended)
    names = add_search(store, "search", TRIALS, 0, JobStatus.IN_PROGRESS)
    for name in ("search", *names):
        now = {"status": JobStatus.IN_PROGRESS, "secondary_status": "Training", "started": time.time()}
        store.update_job(name, **now)
        store.set_process(name, os.getpid(), created(os.getpid()))
    log = JobFolder(paths.jobs / names[0]).create().log
    lines = (f"step={step} epoch={step // 44} batch_loss={1 / (1 + step):.6f}\n" for step in range(LINES))
    log.write_text("".join(lines), encoding="utf-8", newline="\n")
    store.close()
    return names


def _late(seconds: float, until: Any = lambda: False) -> list[tuple[float, float]]:
    """Milliseconds by which each tick of a timer in the UI thread came late, and of CPU time since the last one."""
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    loop, timer, late = QEventLoop(), QTimer(), []
    ends = time.monotonic() + seconds
    last, last_cpu = time.perf_counter(), time.thread_time()

    def tick() -> None:
        nonlocal last, last_cpu
        now, cpu = time.perf_counter(), time.thread_time()
        late.append((max(0.0, 1000 * (now - last) - TICK_MS), 1000 * (cpu - last_cpu)))
        last, last_cpu = now, cpu
        if time.monotonic() > ends or until():
            loop.quit()

    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(int(TICK_MS))
    loop.exec()
    timer.stop()
    return late


def _points(page: Any, names: list[str]) -> int:
    """How many values have arrived in the window."""
    series = page.watch.curves.series("train:batch_loss")
    return sum(len(series[name].x) for name in names if name in series)


def _peak_mb() -> float:
    import psutil

    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    main()
