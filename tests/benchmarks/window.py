"""The real window on a private installation, for the benchmarks of the interface: jobs as a search leaves them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.jobs.ranges import ContinuousRange, IntegerRange, Scaling
from core.jobs.records import MetricEvent
from core.jobs.specs import Objective, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from core.store.rows import new_record
from core.tuning.presets import DEFAULT_HYPERPARAMETERS, DEFAULT_METRICS

METRICS = ("Average loss", "train:loss", "valid:loss", "train:accuracy", "valid:accuracy")
WAIT_S = 60.0


@contextmanager
def shown_window(home: Path) -> Iterator[Any]:
    """The main window, painted and started, on the Jobs page; all is closed at the end."""
    from PySide6.QtWidgets import QApplication

    from core.workbench import Workbench
    from gui.bridge import Bridge
    from gui.shared.theme import Theme
    from gui.window.garbage import Garbage
    from gui.window.main_window import MainWindow

    app = QApplication.instance() or QApplication(["sagehound"])
    theme, workbench, bridge = Theme(app), Workbench(AppPaths(home)), Bridge()
    window, garbage = MainWindow(workbench, bridge, theme), Garbage()
    garbage.start()
    try:
        window.show()
        window.start()
        window.show_page("jobs")
        wait_for(lambda: bool(window.feed.jobs))
        yield window
    finally:
        garbage.stop()
        window.feed.stop()
        window.close()
        bridge.close(10)
        workbench.close()


def wait_for(condition: Callable[[], bool]) -> None:
    """Run the event loop until something is so."""
    from PySide6.QtWidgets import QApplication

    ends = time.monotonic() + WAIT_S
    while not condition():
        QApplication.processEvents()
        time.sleep(0.0005)  # or this thread would take the interpreter away from those that work
        if time.monotonic() > ends:
            raise TimeoutError("The window did not get there in time.")


def open_board(page: Any, name: str) -> None:
    """Choose a job and run the event loop until its trials are there."""
    from PySide6.QtCore import QEventLoop

    if page.watch.name == name:
        return
    loop = QEventLoop()
    page.watch.loaded.connect(loop.quit)
    page.show_job(name)
    loop.exec()
    page.watch.loaded.disconnect(loop.quit)


def paint() -> None:
    """Let the event loop do what there is to do, painting included."""
    from PySide6.QtWidgets import QApplication

    for _ in range(3):  # what was posted, what that posted, and its paint
        QApplication.processEvents()


def settle() -> None:
    """Let timers that draw a little later have their turn."""
    ends = time.monotonic() + 0.4
    wait_for(lambda: time.monotonic() > ends)


def training_spec(name: str, **hyperparameters: str) -> TrainingSpec:
    """A job over frozen features."""
    return TrainingSpec(
        name=name,
        channels={},
        hyperparameters={**DEFAULT_HYPERPARAMETERS, **hyperparameters},
        metrics=DEFAULT_METRICS,
        objective=Objective(),
    )


def add_search(store: Store, name: str, trials: int, epochs: int, status: JobStatus) -> list[str]:
    """Record a tuning job and its trials, with `epochs` values of five metrics each; returns the trials' names."""
    training = replace(training_spec(name), hyperparameters={"backbone": "efficientnet_lite0", "num_epochs": "10"})
    ranges = (
        ContinuousRange("learning_rate", 1e-4, 1e-1, Scaling.LOGARITHMIC),
        IntegerRange("batch_size", 8, 128),
        ContinuousRange("weight_decay", 1e-6, 1e-2, Scaling.LOGARITHMIC),
    )
    spec = TuningSpec(training, ranges, max_jobs=trials, max_parallel_jobs=2)
    store.add_job(new_record(spec), spec)
    names = []
    for number in range(trials):
        rate, batch = 10 ** (-4 + 3 * ((number * 0.618) % 1)), 8 + (number * 37) % 120
        drawn = {"learning_rate": f"{rate:.6g}", "batch_size": str(batch), "weight_decay": f"{rate / 100:.3g}"}
        trial = training_spec(f"{name}-{number + 1:03d}-{number:08x}", **drawn)
        store.add_job(replace(new_record(trial), tuning_job=name), trial)
        losses = [abs(math.log10(rate) + 2.3) + 2 / (epoch + 1) for epoch in range(epochs)]
        store.record(
            MetricEvent(trial.name, metric, loss, time.time(), epoch, None)
            for epoch, loss in enumerate(losses, 1)
            for metric in METRICS
        )
        if status.is_final:
            now = time.time()
            changes = {"started": now - 1, "ended": now, "objective": losses[-1], "progress": 1.0}
            store.update_job(trial.name, status=status, secondary_status=str(status), **changes)
        names.append(trial.name)
    if status.is_final:
        store.update_job(name, status=status, secondary_status=str(status), ended=time.time())
    return names
