"""The board of a tuning job in the real window: open, sort, filter and hover, at 20, 200 and 2,000 trials.

Each trial has 10 epochs of five metrics. An action is over when the event loop has nothing left to do for it, painting
included (offscreen). A board is opened beside Optuna Dashboard, in turn: how long its server takes to answer what its
page asks for when a study is opened. Its trials are in memory, ours are read from the disk; what the browser then does
with some megabytes of JSON comes on top, and sorting, filtering and hovering are the browser's alone.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from tests.benchmarks.harness import Pair, Sample, print_table
from tests.benchmarks.rivals import Asked, not_installed, python_with
from tests.benchmarks.window import add_search, open_board, paint, settle, shown_window, wait_for

SIZES = (20, 200, 2000)
RUNS = 9
REACH_MS = 100
# Answers each line, a number of trials, with the seconds and the CPU seconds of one request for their study.
DASHBOARD = """
import sys, threading, time, urllib.request
from wsgiref.simple_server import WSGIRequestHandler, make_server
import optuna, optuna_dashboard
from optuna.distributions import FloatDistribution, IntDistribution
optuna.logging.set_verbosity(optuna.logging.ERROR)

class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass

ranges = {"learning_rate": FloatDistribution(1e-4, 1e-1, log=True), "batch_size": IntDistribution(8, 128),
          "weight_decay": FloatDistribution(1e-6, 1e-2, log=True)}
losses = {epoch: 2 / (epoch + 1) for epoch in range(10)}
urls = {}
for line in sys.stdin:
    size = int(line)
    if size not in urls:
        storage = optuna.storages.InMemoryStorage()
        study = optuna.create_study(storage=storage)
        drawn = [{"learning_rate": 1e-4 * 1.001**n, "batch_size": 8 + n % 120, "weight_decay": 1e-4}
                 for n in range(size)]
        study.add_trials([optuna.trial.create_trial(value=1 / (1 + n), params=params, distributions=ranges,
                                                    intermediate_values=losses) for n, params in enumerate(drawn)])
        server = make_server("127.0.0.1", 0, optuna_dashboard.wsgi(storage), handler_class=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urls[size] = f"http://127.0.0.1:{server.server_port}/api/studies/{study._study_id}?after=0"
    began, cpu = time.perf_counter(), time.process_time()
    urllib.request.urlopen(urls[size]).read()
    print([time.perf_counter() - began, time.process_time() - cpu], flush=True)
"""


def main() -> None:
    """Print the tables."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    python = python_with("optuna_dashboard")
    rival = Asked(python, DASHBOARD) if python else None
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        paths = AppPaths(Path(place)).create()
        store = Store(paths.database)
        names = {size: add_search(store, f"search-{size}", size, 10, JobStatus.COMPLETED) for size in SIZES}
        store.close()
        with shown_window(Path(place)) as window:
            wait_for(lambda: window.page("jobs").watch.job is not None)
            wait_for(lambda: window._bridge.idle)
            opened = {size: _opened(window.page("jobs"), size, rival) for size in SIZES}
            rows = [_measured(window, size, names[size], opened[size][0]) for size in SIZES]
    if rival is not None:
        rival.close()
    print_table(
        (
            "trials",
            "open",
            "sort",
            "filter",
            "hover in the table",
            "hover in the plot",
            "select",
            "another view",
            "reach",
        ),
        rows,
    )
    print_table(
        (
            "trials",
            "open: CPU time",
            "until the curves are drawn too",
            "Optuna Dashboard's server",
            "its CPU time",
            "times faster",
            "by CPU time",
        ),
        [_beside(size, *opened[size]) for size in SIZES],
    )
    if rival is None:
        print(not_installed("Optuna Dashboard"))


Opened = tuple[list[tuple[float, float]], list[float], list[tuple[float, float]]]
"""Wall and CPU seconds of our openings, seconds until the curves are there, and the rival's wall and CPU seconds."""


def _opened(page: Any, size: int, rival: Asked | None) -> Opened:
    """Open a board again and again, in turn with the rival."""
    ours, curves, theirs = [], [], []
    other = next(other for other in SIZES if other != size)
    for number in range(RUNS + 1):
        open_board(page, f"search-{other}")
        settle()
        cpu, began = time.process_time(), time.perf_counter()
        whole: list[bool] = []
        connection = page.watch.history_loaded.connect(lambda whole=whole: whole.append(True))
        seconds = _timed(lambda: open_board(page, f"search-{size}"))
        opened = seconds, time.process_time() - cpu
        wait_for(lambda whole=whole: bool(whole) and not page.detail.views.curves._timer.isActive())
        paint()
        drawn = time.perf_counter() - began
        page.watch.history_loaded.disconnect(connection)
        answer = json.loads(rival.ask(size)) if rival is not None else None
        if number:  # the first run of both is a warm-up
            ours.append(opened)
            curves.append(drawn)
            theirs += [tuple(answer)] if answer is not None else []
    return ours, curves, theirs


def _beside(size: int, ours: list[Any], curves: list[float], theirs: list[Any]) -> tuple[object, ...]:
    cells: list[object] = [f"{size:,}", _sample(ours, 1), Sample(tuple(curves))]
    if not theirs:
        return *cells, "-", "-", "-", "-"
    ratios = (Pair(_sample(ours, at), _sample(theirs, at)).ratio for at in (0, 1))
    return *cells, _sample(theirs, 0), _sample(theirs, 1), *ratios


def _sample(times: list[tuple[float, float]], at: int) -> Sample:
    return Sample(tuple(time[at] for time in times))


def _measured(window: Any, size: int, names: list[str], opened: list[Any]) -> tuple[object, ...]:
    page = window.page("jobs")
    open_board(page, f"search-{size}")
    settle()
    detail, samples = page.detail, [_sample(opened, 0)]
    table, history = detail.table, detail.views.history
    detail.views.tabs.setCurrentIndex(1)
    settle()
    for act in (
        lambda number: table.view.sortByColumn(2 + number % 3, _order(number)),
        lambda number: table.search.setText("learning_rate=0.0" if number % 2 else ""),
        lambda number: table.hovered.emit(names[(number * 7) % size]),
        lambda number: history._on_moved(_somewhere(history, number)),
        lambda number: detail.select(names[(number * 11) % size]),
        lambda number: detail.views.tabs.setCurrentIndex((2, 3, 0, 1)[number % 4]),
    ):
        samples.append(Sample(tuple(_timed(lambda number=number, act=act: act(number)) for number in range(RUNS))))
    table.search.setText("")
    worst = max(sample.median for sample in samples)
    return (f"{size:,}", *samples, "met" if worst * 1000 < REACH_MS else "NOT MET")


def _order(number: int) -> Any:
    from PySide6.QtCore import Qt

    return Qt.SortOrder.DescendingOrder if number % 2 else Qt.SortOrder.AscendingOrder


def _somewhere(plot: Any, number: int) -> Any:
    """A point of the plot that the pointer was not at before."""
    from PySide6.QtCore import QPointF

    box = plot.plot.getPlotItem().getViewBox().sceneBoundingRect()
    return QPointF(box.left() + box.width() * (0.1 + 0.08 * number), box.center().y())


def _timed(act: Callable[[], object]) -> float:
    """Seconds until it is done and painted."""
    began = time.perf_counter()
    act()
    paint()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
