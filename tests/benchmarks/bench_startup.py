"""Start-up of the window: from the process's start to the first paint and to usable, against importing Qt alone.

In turn with both starts napari, an image viewer in Python and Qt like this one (where it is installed), to its first
paint.

Usable: the window is painted, its first page is made and started, and the event loop answers. The floor is
`python -c "import PySide6.QtWidgets"`. Both are counted from before the process is created; offscreen, so that no
display server is part of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from core.paths import ROOT
from tests.benchmarks.harness import Pair, Sample, print_table
from tests.benchmarks.rivals import not_installed, python_with

RUNS = 7
REACH_S = 0.4
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "openvino",
    "optuna",
    "sagemaker",
    "boto3",
    "botocore",
    "matplotlib",
    "pyqtgraph",
)
FLOOR = "import PySide6.QtWidgets, time; print([time.time(), time.process_time()])"
# Runs __main__.py as it is; what is wrapped is what `gui.app` calls, after it has imported what it wants.
WINDOW = """
import json, runpy, sys, time
sys.path.insert(0, sys.argv[1])
heavy = json.loads(sys.argv[2])
import gui.app
inner = gui.app._run_window

def run_window(app, argv):
    import gui.window.main_window
    from PySide6.QtCore import QEvent, QObject, QTimer
    told = {}

    def painted():
        told["painted"], told["cpu"] = time.time(), time.process_time()
        told["modules"] = [name for name in heavy if name in sys.modules]
        end()

    def usable():
        told["usable"] = time.time()
        end()

    def end():
        if {"painted", "usable"} <= told.keys():
            print(json.dumps(told), flush=True)
            app.quit()

    class Watch(QObject):
        def eventFilter(self, watched, event):
            if event.type() == QEvent.Type.Paint and watched.isWidgetType() and watched.isWindow():
                app.removeEventFilter(self)
                QTimer.singleShot(0, painted)
            return False

    start = gui.window.main_window.MainWindow.start

    def started(window):
        start(window)
        QTimer.singleShot(0, usable)

    gui.window.main_window.MainWindow.start = started
    watch = Watch()
    app.installEventFilter(watch)
    return inner(app, argv)

gui.app._run_window = run_window
sys.argv = [sys.argv[1] + "/__main__.py"]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

NAPARI = """
import json, time
import napari
from napari.qt import get_qapp
from qtpy.QtCore import QEvent, QObject, QTimer
app = get_qapp()

def painted():
    print(json.dumps({"painted": time.time(), "cpu": time.process_time()}), flush=True)
    app.quit()

class Watch(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint and watched.isWidgetType() and watched.isWindow():
            app.removeEventFilter(self)
            QTimer.singleShot(0, painted)
        return False

watch = Watch()
app.installEventFilter(watch)
viewer = napari.Viewer()
app.exec()
"""


def main() -> None:
    """Print the tables."""
    floors, paints, usables, cpu, whole_cpu = [], [], [], [], []
    napari = python_with("napari")
    theirs: list[tuple[float, float]] = []
    imported: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
        environment = os.environ | {"SAGEHOUND_HOME": home, "QT_QPA_PLATFORM": "offscreen"}
        for number in range(RUNS + 1):
            floor = _run([sys.executable, "-c", FLOOR], environment)
            window = _run([sys.executable, "-c", WINDOW, str(ROOT), json.dumps(HEAVY)], environment)
            napari_run = None if napari is None else _run([napari, "-c", NAPARI], environment)
            if number == 0:
                continue  # fills the page cache and makes the installation's folders
            told, (imported_at, floor_cpu) = window[1], floor[1]
            floors.append(imported_at - floor[0])
            cpu.append(told["cpu"] - floor_cpu)
            paints.append(told["painted"] - window[0])
            usables.append(told["usable"] - window[0])
            whole_cpu.append(told["cpu"])
            if napari_run is not None:
                began, said = napari_run
                theirs.append((said["painted"] - began, said["cpu"]))
            imported |= set(told["modules"])
    above = [paint - floor for paint, floor in zip(paints, floors, strict=True)]
    print_table(
        ("import of Qt alone", "first paint", "usable", "paint above the floor", f"reach: {REACH_S} s", "CPU above it"),
        [
            (
                Sample(tuple(floors)),
                Sample(tuple(paints)),
                Sample(tuple(usables)),
                Sample(tuple(above)),
                "met" if median(above) <= REACH_S else "NOT MET",
                Sample(tuple(cpu)),
            )
        ],
    )
    if theirs:
        _beside(Sample(tuple(paints)), Sample(tuple(whole_cpu)), theirs)
    else:
        print(not_installed("napari"))
    print(f"Imported before the first paint, of {', '.join(HEAVY)}: {', '.join(sorted(imported)) or 'none'}.\n")


def _beside(paints: Sample, cpu: Sample, theirs: list[tuple[float, float]]) -> None:
    their_paints, their_cpu = (Sample(values) for values in zip(*theirs, strict=True))
    headers = ("", "Sagehound", "napari", "times faster")
    rows = [("first paint", Pair(paints, their_paints)), ("CPU time until then", Pair(cpu, their_cpu))]
    print_table(headers, [(what, pair.ours, pair.rival, pair.ratio) for what, pair in rows])


def _run(command: list[str], environment: dict[str, str]):
    """When the process was created, and what it said."""
    began = time.time()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise SystemExit(f"The process failed:\n{done.stderr[-2000:]}")
    return began, json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
