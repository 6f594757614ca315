"""Drive the real window through the main job on the sample dataset and save each tab, light and dark.

`make screenshots` writes build/screenshots/<tab>-<light|dark>.png, and renews those that docs/screenshots has: a page
shows them. `python -m tests.screenshots --scale 2 --out FOLDER` writes to that folder alone, at another scale; with
`--only debugger` it takes just the Debugger tab on a failing training and on an imported job of AWS's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHOWN, ALL = ROOT / "docs" / "screenshots", ROOT / "build" / "screenshots"
SIZE = "1280x800"
TIMEOUT = 240.0


def main() -> int:
    """Take all pictures; 1 when the main job did not come to its end."""
    options = _options()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["QT_SCALE_FACTOR"] = str(options.scale)
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="sagehound-") as home:
        os.environ["SAGEHOUND_HOME"] = home
        width, _, height = options.size.partition("x")
        status = _Session(options.out, (int(width), int(height))).run(options.only)
    for file in SHOWN.glob("*.png") if options.out == ALL else ():
        if (made := ALL / file.name).is_file():
            shutil.copy(made, file)
    return status


class _Session:
    """One run of the window."""

    def __init__(self, out: Path, size: tuple[int, int]) -> None:
        from PySide6.QtWidgets import QApplication

        from core.paths import AppPaths
        from core.workbench import Workbench
        from gui.bridge import Bridge
        from gui.shared.theme import Theme
        from gui.window.main_window import MainWindow

        out.mkdir(parents=True, exist_ok=True)
        self._out = out
        self._app = QApplication.instance() or QApplication(["sagehound"])
        self._theme = Theme(self._app, "light")
        self._workbench = Workbench(AppPaths.default())
        self._bridge = Bridge()
        self._window = MainWindow(self._workbench, self._bridge, self._theme)
        self._window.resize(*size)
        self._window.show()
        self._window.start()

    def run(self, only: str) -> int:
        try:
            if only != "debugger":
                self._imports()
            if only == "all":
                self._main_job()
                self._running_job()
            if only != "import":
                self._failing_job()
                self._imported_job()
        finally:
            self._window.close()
            self._bridge.close(10)
            self._workbench.close()
        return 0

    def _imports(self) -> None:
        """A folder of pictures with a table, whose label is in doubt first and chosen then."""
        from core.dataset import sample_path
        from core.formats.records import ReadOptions

        data = self._window.page("data")
        with tempfile.TemporaryDirectory(prefix="sagehound-table-") as name:
            folder, rows = Path(name) / "pictures", ["picture,motif,made"]
            folder.mkdir()
            for number, file in enumerate(sorted(sample_path().glob("*/*/*.jpg"))):
                shutil.copy(file, folder / f"{number}.jpg")
                rows.append(f"{number}.jpg,{file.parent.name},{('pen', 'brush')[number % 2]}")
            (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
            self._window.show_page("data")
            data.open_folder(folder)
            self._settle(5)
            self._take("import-refused")
            data.open_folder(folder, ReadOptions(labels="labels.csv", columns="image=picture,label=motif"))
            self._settle(5)
            self._take("import")

    def _main_job(self) -> None:
        from core.dataset import sample_path
        from core.jobs.records import TuningJob

        window = self._window
        self._settle(0.5)
        self._take("first-run")
        data = window.page("data")
        data.dataset.open_sample()
        self._settle(4)
        self._take("data")
        data.use_dataset()
        self._wait(lambda: window.shown == "tuning", "the Tuning tab")
        tuning = window.page("tuning")
        tuning.apply_preset("Quick look")
        self._settle(1.5)
        self._take("tuning")
        tuning.start()
        self._wait(lambda: window.shown == "jobs", "the job's start")
        name = self._workbench.engine.jobs()[0].name
        self._wait(lambda: self._workbench.engine.job(name).status.is_final, "the end of the tuning job")
        self._settle(3)
        self._without_toasts()
        self._take("jobs")
        job = self._workbench.engine.job(name)
        assert isinstance(job, TuningJob), job
        assert job.best_trial, job.failure_reason
        if "debugger" in window._keys:
            window.show_page("debugger")
            self._settle(4)
            self._take("debugger")
        window.show_page("predict")
        self._settle(1)
        self._take("predict-empty")
        predict = window.page("predict")
        pictures = sorted((sample_path() / "test").rglob("*.jpg"))
        predict.take([pictures[12]])
        self._settle(8)
        self._take("predict")
        predict.take(pictures)
        self._settle(6)
        self._take("predict-many")

    def _running_job(self) -> None:
        """A search of long trials, in its middle; it is stopped after the picture."""
        from core.dataset import sample_path
        from core.jobs.contract import default_metrics
        from core.jobs.ranges import ContinuousRange, Scaling
        from core.jobs.specs import TrainingSpec, TuningSpec

        manifest = self._workbench.data.split(self._workbench.data.scan(sample_path()))
        training = TrainingSpec("clipart-long-search", {}, {"num_epochs": "400"}, default_metrics())
        ranges = (ContinuousRange("learning_rate", 1e-4, 3e-2, Scaling.LOGARITHMIC),)
        name = self._workbench.jobs.launch(TuningSpec(training, ranges, max_jobs=24), manifest)
        jobs = self._window.page("jobs")
        self._window.show_page("jobs")
        self._wait(lambda: len(self._finished(name)) >= 4, "four trials")
        jobs.show_job(name)
        self._settle(1.5)
        self._without_toasts()
        self._take("jobs-running")
        self._workbench.engine.stop(name)
        self._wait(lambda: self._workbench.engine.job(name).status.is_final, "the stop of the search")

    def _failing_job(self) -> None:
        """A training with a learning rate of 50, which the rules find."""
        from core.dataset import sample_path
        from core.jobs.contract import default_metrics
        from core.jobs.specs import TrainingSpec

        manifest = self._workbench.data.split(self._workbench.data.scan(sample_path()))
        hyperparameters = {"num_epochs": "26", "learning_rate": "50"}
        name = self._workbench.jobs.launch(TrainingSpec("rate-50", {}, hyperparameters, default_metrics()), manifest)
        engine, tab = self._workbench.engine, self._window.page("debugger")
        self._wait(lambda: engine.job(name).status.is_final, "the end of the failing training")
        self._window.show_page("debugger")
        self._wait(lambda: tab.source.jobs.findData(name) >= 0, "the failing training's row")
        tab.show_job(name)
        self._wait(lambda: tab.view.name == name and tab.list.choose("LearningRateTooHigh"), "its rules")
        self._wait(lambda: tab.below.histograms.is_drawn, "its histograms")
        self._settle(2)
        self._without_toasts()
        self._take("debugger-firing")

    def _imported_job(self) -> None:
        """A folder as a training job on SageMaker leaves it in S3."""
        from tests.aws_job import make_aws_job

        tab = self._window.page("debugger")
        with tempfile.TemporaryDirectory(prefix="sagehound-aws-") as folder:
            job = make_aws_job(Path(folder) / "jobs" / "photos-2026-11-21-0932")
            self._window.show_page("debugger")
            tab.open_earlier(str(job))
            self._wait(lambda: tab.view.name == job.name, "the imported job")
            tab.list.choose("LowGPUUtilization (AWS)")
            tab.below.show_profile()
            self._wait(lambda: tab.export.isEnabled(), "its profile")
            self._settle(2)
            self._without_toasts()
            self._take("debugger-imported")

    def _without_toasts(self) -> None:
        """Hide what the window says for a moment; it comes at another time in every run."""
        from gui.shared.toast import Toast

        for toast in self._window.findChildren(Toast):
            toast.hide()

    def _finished(self, name: str) -> list[str]:
        return [trial.name for trial in self._workbench.engine.trials(name) if trial.status.is_final]

    def _take(self, name: str) -> None:
        for choice in ("dark", "light"):
            self._theme.choose(choice)
            self._settle(0.3)
            file = self._out / f"{name}-{choice}.png"
            if not self._window.grab().save(str(file)):
                raise OSError(f"{file} cannot be written")
        print(f"{name}: light and dark", flush=True)

    def _settle(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._app.processEvents()
            time.sleep(0.01)

    def _wait(self, until: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + TIMEOUT
        while not until():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not come within {TIMEOUT:.0f} s")
            self._settle(0.1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ALL, help="where the pictures go")
    parser.add_argument("--scale", type=float, default=1.0, help="device pixels per pixel (default 1)")
    parser.add_argument("--size", default=SIZE, help="of the window in pixels (default %(default)s)")
    parser.add_argument("--only", choices=("all", "debugger", "import"), default="all", help="which pictures to take")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
