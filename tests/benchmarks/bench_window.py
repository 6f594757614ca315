"""The event loop of the real window while a search streams in, and the window's memory.

Another process records 20 trials x 2,000 values within about ten seconds, as a supervisor does, and appends to a log
of 100,000 lines that is open in the window; 500 jobs are in the table. A timer of one millisecond in the UI thread
notes by how much it comes late: that long, a click would have waited. The same is noted while nothing streams in,
which shows what the machine itself adds. Beside it stands what other programs have no part in: the lateness without
the time for which the UI thread waited for a core (Linux says how long), and the CPU time of that thread between two
ticks, what the window itself computes at a stretch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from core.engines.local.detached import this_process
from core.jobs.contract import JobFolder
from core.jobs.status import JobStatus
from core.paths import ROOT, AppPaths
from core.store import Store
from core.store.rows import new_record
from tests.benchmarks.growth import peak_bytes
from tests.benchmarks.harness import Sample, percentile, print_table
from tests.benchmarks.window import add_search, open_board, shown_window, training_spec, wait_for

RUNS, JOBS, TRIALS, POINTS, LINES = 5, 500, 20, 2000, 100_000
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
    idle, busy = [], []
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        home = Path(place)
        searches = _fill(AppPaths(home).create())
        with shown_window(home) as window:
            page = window.page("jobs")
            wait_for(lambda: page.detail is not None and window._bridge.idle)
            page.detail.log.set_open(True)
            for name, trials in searches.items():
                open_board(page, name)
                wait_for(lambda: page.detail.log.model.total >= LINES)
                idle.append(_late(2.0))
                command = [sys.executable, "-c", WRITER, str(ROOT), place, str(POINTS), *trials]
                writer = subprocess.Popen(command)
                busy.append(_late(60.0, lambda writer=writer: writer.poll() is not None))
                if writer.returncode:
                    raise SystemExit("The writer failed.")
                wait_for(lambda trials=trials: _points(page, trials) == TRIALS * POINTS)
            peak = peak_bytes() / 1e6
    heavy = sorted({"torch", "openvino", "boto3", "sagemaker"} & set(sys.modules))
    print(f"{JOBS} jobs, {TRIALS} trials x {POINTS:,} values, a log of {LINES:,} lines and more; {RUNS} runs.\n")
    print_table(
        (
            "streaming in",
            "lateness: median",
            "p99",
            "max",
            "max without waiting for a core",
            "CPU at a stretch: p99",
            "max",
            f"reach: p99 {FRAME_MS}, max {WORST_MS} ms",
        ),
        [_row("nothing", idle), _row("the search", busy)],
    )
    verdict = "met" if peak < MEMORY_MB and "torch" not in heavy else "NOT MET"
    print(f"Peak memory of the window's process: {peak:.0f} MB, reach {MEMORY_MB} MB: {verdict}.")
    print(f"Loaded of torch, openvino, boto3, sagemaker: {', '.join(heavy) or 'none'}.\n")


class Tick(NamedTuple):
    """Milliseconds between two ticks: how late the second came, that without waiting for a core, and CPU time."""

    late: float
    own_late: float
    cpu: float


def _row(what: str, runs: list[list[Tick]]) -> tuple[str, ...]:
    columns = zip(*(_figures(ticks) for ticks in runs), strict=True)
    samples = [Sample(tuple(value / 1000 for value in column)) for column in columns]
    met = 1000 * samples[1].median < FRAME_MS and 1000 * samples[2].median < WORST_MS
    return what, *map(str, samples), "met" if met else "NOT MET"


def _figures(ticks: list[Tick]) -> tuple[float, ...]:
    late, own_late, cpu = zip(*ticks, strict=True)
    return median(late), percentile(late, 0.99), max(late), max(own_late), percentile(cpu, 0.99), max(cpu)


def _fill(paths: AppPaths) -> dict[str, list[str]]:
    """Finished jobs, and a running search for each run with its trials; this process stands for their supervisor."""
    store = Store(paths.database)
    for number in range(JOBS - RUNS):
        spec = training_spec(f"job-{number:03d}")
        store.add_job(new_record(spec), spec)
        ended = {"status": JobStatus.COMPLETED, "secondary_status": "Completed", "ended": time.time()}
        store.update_job(spec.name, objective=0.1 + number / 1000, **ended)
    lines = "".join(f"step={step} epoch={step // 44} batch_loss={1 / (1 + step):.6f}\n" for step in range(LINES))
    searches = {}
    for number in range(RUNS):
        search = f"search-{number}"
        searches[search] = add_search(store, search, TRIALS, 0, JobStatus.IN_PROGRESS)
        for name in (search, *searches[search]):
            now = {"status": JobStatus.IN_PROGRESS, "secondary_status": "Training", "started": time.time()}
            store.update_job(name, **now)
            store.set_process(name, this_process())
        log = JobFolder(paths.jobs / searches[search][0]).create().log
        log.write_text(lines, encoding="utf-8", newline="\n")
    store.close()
    return searches


def _late(seconds: float, until: Any = lambda: False) -> list[Tick]:
    """The ticks of a timer in the UI thread."""
    from PySide6.QtCore import QEventLoop, Qt, QTimer

    loop, timer, ticks = QEventLoop(), QTimer(), list[Tick]()
    ends = time.monotonic() + seconds
    last, last_cpu, last_waited = time.perf_counter(), time.thread_time(), _waited()

    def tick() -> None:
        nonlocal last, last_cpu, last_waited
        now, cpu, waited = time.perf_counter(), time.thread_time(), _waited()
        late = 1000 * (now - last) - TICK_MS
        own_late = late - 1000 * (waited - last_waited)
        ticks.append(Tick(max(0.0, late), max(0.0, own_late), 1000 * (cpu - last_cpu)))
        last, last_cpu, last_waited = now, cpu, waited
        if time.monotonic() > ends or until():
            loop.quit()

    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(int(TICK_MS))
    loop.exec()
    timer.stop()
    return ticks


def _waited() -> float:
    """Seconds for which this thread could have run and had no core; 0 where the system does not say."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as said:
            return int(said.read().split()[1]) / 1e9
    except OSError:
        return 0.0


def _points(page: Any, names: list[str]) -> int:
    """How many values have arrived in the window."""
    series = page.watch.curves.series("train:batch_loss")
    return sum(len(series[name].x) for name in names if name in series)


if __name__ == "__main__":
    main()
