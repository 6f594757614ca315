"""How scan, store and board grow: seconds and peak memory, for a process of its own each (see bench_growth).

What is measured is made by another process, so that the peak is of the measured work (and of the libraries it needs).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from core.jobs.status import JobStatus
from core.paths import ROOT, AppPaths
from core.store import Store

EPOCHS, RUNS = 10, 3


def measure_scan(pictures: int) -> tuple[float, int]:
    """Seconds and peak bytes of a first scan of so many pictures (JPEG and PNG, 80 KiB each, in the page cache)."""
    from core.dataset import scan

    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        _elsewhere(f"tests.benchmarks.bench_scan import generate; generate(Path({place!r}), {pictures})")
        began = time.perf_counter()
        assert len(scan(Path(place)).pictures) == pictures
        return time.perf_counter() - began, peak_bytes()


def measure_store(trials: int) -> tuple[float, int]:
    """Seconds and peak bytes of recording a search (10 epochs of five metrics each) and reading all of it back."""
    from tests.benchmarks.window import METRICS, add_search

    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        began = time.perf_counter()
        store = Store(AppPaths(Path(place)).create().database)
        add_search(store, "search", trials, EPOCHS, JobStatus.COMPLETED)
        assert len(store.trials("search")) == trials
        cursor, values = 0, 0
        while (batch := store.events(cursor, "search")).events:
            cursor, values = batch.cursor, values + len(batch.events)
        seconds = time.perf_counter() - began
        store.close()
        assert values > trials * EPOCHS * len(METRICS)
        return seconds, peak_bytes()


def measure_board(trials: int) -> tuple[float, int]:
    """Seconds from choosing a search in the window until its last curve is drawn, and the window's peak bytes."""
    from tests.benchmarks.window import open_board, paint, settle, shown_window, wait_for

    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        _elsewhere(f"tests.benchmarks.growth import fill; fill(Path({place!r}), {trials})")
        with shown_window(Path(place)) as window:
            page = window.page("jobs")
            wait_for(lambda: page.watch.job is not None and window._bridge.idle)
            times = []
            for _ in range(RUNS):
                open_board(page, "small")
                settle()
                whole: list[bool] = []
                connection = page.watch.history_loaded.connect(lambda whole=whole: whole.append(True))
                began = time.perf_counter()
                open_board(page, "search")
                wait_for(lambda whole=whole: bool(whole) and not page.detail.views.curves._timer.isActive())
                paint()
                times.append(time.perf_counter() - began)
                page.watch.history_loaded.disconnect(connection)
        return median(times), peak_bytes()


def fill(home: Path, trials: int) -> None:
    """A search of so many trials, and a small one to come from."""
    from tests.benchmarks.window import add_search

    store = Store(AppPaths(home).create().database)
    add_search(store, "search", trials, EPOCHS, JobStatus.COMPLETED)
    add_search(store, "small", 2, EPOCHS, JobStatus.COMPLETED)
    store.close()


def peak_bytes() -> int:
    """The most memory that this process has had."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _elsewhere(statement: str) -> None:
    """Run `from …` in a process of its own."""
    code = f"from pathlib import Path; from {statement}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
