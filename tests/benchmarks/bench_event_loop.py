"""Does the window stall? The Jobs tab while 20 trials stream 2,000 points each, and the board of 2,000 trials.

A timer of 2 ms runs in the window's thread; how late it comes is how long a click would have waited. Beside the
stream there are 500 jobs in the list and an open log of 100,000 lines that grows. The engine is in memory: what is
measured is the window, with its feed, its threads and its plots.
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPointF, Qt, QTimer
from PySide6.QtWidgets import QApplication

from core.jobs.records import MetricEvent, TrainingJob
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.feed import JobsFeed
from gui.tabs.jobs_tab import JobsTab
from gui.theme import Theme
from tests.benchmarks.harness import percentile, print_table
from tests.gui.fakes import FakeEngine, add_search

RUNS, TRIALS, POINTS, SECONDS = 5, 20, 2000, 8.0
BOARD, EPOCHS, LOG_LINES, JOBS = 2000, 15, 100_000, 500
FRAME_MS, MOST_MS, BOARD_MS = 16.0, 50.0, 100.0
_METRICS = ("Average loss", "train:loss", "valid:loss")
_TICK_MS = 2


class Window:
    """A Jobs tab over an engine in memory."""

    def __init__(self, trials: int, epochs: int, running: bool) -> None:
        self.engine = FakeEngine()
        add_search(self.engine, "pets", trials, epochs, running=trials if running else 0, created=1e6)
        for number in range(JOBS):
            self.engine.put(TrainingJob(f"job-{number:03d}", list(JobStatus)[number % 5], float(number)))
        self._home = tempfile.TemporaryDirectory(prefix="sagehound-bench-", ignore_cleanup_errors=True)
        self.workbench = Workbench(AppPaths(Path(self._home.name)).create(), self.engine)
        self.bridge = Bridge()
        self.feed = JobsFeed(lambda: self.engine, self.bridge)
        self.tab = JobsTab(self.workbench, self.bridge, self.feed)
        self.tab.resize(1190, 720)
        self.tab.show()
        self.feed.start()
        spin(30, lambda: self.tab.watch.job is not None)
        spin(1.5)

    def close(self) -> None:
        """End threads and windows."""
        self.feed.stop()
        self.bridge.close()
        self.tab.close()
        self.tab.deleteLater()
        self.workbench.close()
        self._home.cleanup()


def main() -> None:
    """Run both parts and print their tables."""
    app = QApplication([])
    Theme(app, "light")
    rows = [stream() for _ in range(RUNS)]
    print(f"{TRIALS} trials x {POINTS:,} points x {len(_METRICS)} metrics in {SECONDS:.0f} s, {RUNS} runs.\n")
    columns = list(zip(*rows, strict=True))
    names = ("median", "p99", "largest")
    goals = ("", f"under {FRAME_MS:.0f} ms", f"under {MOST_MS:.0f} ms")
    table = []
    for name, goal, values in zip(names, goals, columns, strict=True):
        middle = percentile(values, 0.5)
        table.append((name, f"{middle:.2f} ms ({min(values):.2f} to {max(values):.2f})", goal))
    print_table(("delay of the event loop", "measured", "goal"), table)
    print(f"The board of {BOARD:,} trials, each as long as until it is painted; goal: under {BOARD_MS:.0f} ms.\n")
    print_table(("action", "measured"), board())


def stream() -> tuple[float, float, float]:
    """Median, 99th percentile and largest delay in milliseconds while values stream in."""
    window = Window(TRIALS, 0, running=True)
    engine, names = window.engine, [trial.name for trial in window.engine.trials("pets")]
    engine.logs[names[0]] = [f"epoch={number} Average loss: 0.5" for number in range(LOG_LINES)]
    detail = window.tab.detail
    assert detail is not None
    detail.select(names[0])
    detail.log.set_open(True)
    spin(30, lambda: detail.log.model.total == LOG_LINES)
    batches = [_events(names, start) for start in range(0, POINTS, 20)]
    delays: list[float] = []
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        delays.append(max(0.0, 1000 * (now - last) - _TICK_MS))
        last = now

    def produce() -> None:
        for batch in batches:
            engine.tell(batch)
            engine.logs[names[0]].append("step=1 epoch=1 batch_loss=0.5")
            time.sleep(SECONDS / len(batches))

    gc.collect()
    gc.freeze()  # the events made beforehand are not the window's: they must not slow its garbage collections
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    producer = threading.Thread(target=produce)
    QTimer.singleShot(int(1000 * SECONDS), QApplication.instance().quit)  # type: ignore[union-attr]
    producer.start()
    timer.start(_TICK_MS)
    last = time.perf_counter()
    QApplication.exec()
    timer.stop()
    producer.join()
    window.close()
    return percentile(delays, 0.5), percentile(delays, 0.99), max(delays)


def _events(names: list[str], start: int) -> list[MetricEvent]:
    """20 points of every trial and metric."""
    return [
        MetricEvent(name, metric, 1 / number + 1 / (1 + epoch), 0.0, epoch=epoch)
        for epoch in range(start + 1, start + 21)
        for number, name in enumerate(names, 1)
        for metric in _METRICS
    ]


def board() -> list[tuple[str, str]]:
    """What people do with a large search."""
    window = Window(BOARD, EPOCHS, running=False)
    detail = window.tab.detail
    assert detail is not None
    views, trials = detail.views, detail.trials
    down = Qt.SortOrder.DescendingOrder
    actions: dict[str, Callable[[], object]] = {
        "open": detail._on_loaded,
        "draw all curves": views.curves.redraw,
        "sort by objective": lambda: detail.table.view.sortByColumn(2, down),
        "sort by a hyperparameter": lambda: detail.table.view.sortByColumn(4, down),
        "filter": lambda: trials.set_filter("optimizer=sgd"),
        "lift the filter": lambda: trials.set_filter(""),
        "hover a row": lambda: views.highlight(trials.name_at(7) or ""),
        "hover the plot": lambda: views.curves._on_moved(QPointF(300, 120)),
        "select": lambda: detail.select(trials.name_at(9) or ""),
        "objective over trials": lambda: views.tabs.setCurrentIndex(1),
        "parallel coordinates": lambda: views.tabs.setCurrentIndex(2),
        "slices": lambda: views.tabs.setCurrentIndex(3),
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(RUNS):
        views.tabs.setCurrentIndex(0)
        detail.select("")
        views.highlight("")
        QApplication.processEvents()
        for name, action in actions.items():
            began = time.perf_counter()
            action()
            QApplication.processEvents()
            times[name].append(1000 * (time.perf_counter() - began))
    window.close()
    return [(name, f"{percentile(t, 0.5):.1f} ms ({min(t):.1f} to {max(t):.1f})") for name, t in times.items()]


def spin(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let the event loop run until something is so, at most so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.001)


if __name__ == "__main__":
    main()
