"""The board of a tuning job in the real window: open, sort, filter and hover, at 20, 200 and 2,000 trials.

Each trial has 10 epochs of five metrics. An action is over when the event loop has nothing left to do for it, painting
included (offscreen). Optuna Dashboard, the rival named for this, draws in a browser: only its server could be measured
here, which does none of this.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from tests.benchmarks.harness import Sample, print_table
from tests.benchmarks.window import add_search, shown_window, wait_for

SIZES = (20, 200, 2000)
RUNS = 9
REACH_MS = 100


def main() -> None:
    """Print the table."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        paths = AppPaths(Path(place)).create()
        store = Store(paths.database)
        names = {size: add_search(store, f"search-{size}", size, 10, JobStatus.COMPLETED) for size in SIZES}
        store.close()
        with shown_window(Path(place)) as window:
            wait_for(lambda: window.page("jobs").watch.job is not None)
            wait_for(lambda: not window._bridge._pending)
            rows = [_measured(window, size, names[size]) for size in SIZES]
    print_table(("trials", "open", "sort", "filter", "hover in the table", "hover in the plot", "reach"), rows)


def _measured(window: Any, size: int, names: list[str]) -> tuple[object, ...]:
    page = window.page("jobs")
    other = next(other for other in SIZES if other != size)
    opened = []
    for _ in range(RUNS):
        _open(page, f"search-{other}")
        _settle()
        opened.append(_timed(lambda: _open(page, f"search-{size}")))
        _settle()
    detail, samples = page.detail, [Sample(tuple(opened))]
    table, history = detail.table, detail.views.history
    detail.views.tabs.setCurrentIndex(1)
    _settle()
    for act in (
        lambda number: table.view.sortByColumn(2 + number % 3, _order(number)),
        lambda number: table.search.setText("learning_rate=0.0" if number % 2 else ""),
        lambda number: table.hovered.emit(names[(number * 7) % size]),
        lambda number: history._on_moved(_somewhere(history, number)),
    ):
        samples.append(Sample(tuple(_timed(lambda number=number, act=act: act(number)) for number in range(RUNS))))
    table.search.setText("")
    worst = max(sample.median for sample in samples)
    return (f"{size:,}", *samples, "met" if worst * 1000 < REACH_MS else "NOT MET")


def _open(page: Any, name: str) -> None:
    if page.watch.name == name:
        return
    loaded: list[bool] = []
    connection = page.watch.loaded.connect(lambda: loaded.append(True))
    page.show_job(name)
    wait_for(lambda: bool(loaded))
    page.watch.loaded.disconnect(connection)


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
    from PySide6.QtWidgets import QApplication

    began = time.perf_counter()
    act()
    for _ in range(3):  # what was posted, what that posted, and its paint
        QApplication.processEvents()
    return time.perf_counter() - began


def _settle() -> None:
    """Let timers that draw a little later have their turn."""
    ends = time.monotonic() + 0.4
    wait_for(lambda: time.monotonic() > ends)


if __name__ == "__main__":
    main()
