"""The main job in the real window: drop a folder, tune, watch, drop a picture, read its class; find it all again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QUrl

from core.dataset import sample_path
from core.jobs.ranges import Scaling
from core.jobs.status import JobStatus
from core.workbench import Workbench
from gui.tuning.range_draft import Kind, RangeDraft
from gui.window.main_window import MainWindow
from tests.gui.fakes import press

CLASSES = ("fruit", "insect", "vehicle")
KEPT = {"train": 8, "valid": 4, "test": 4}


@pytest.fixture
def drawings(tmp_path) -> Path:
    """Three classes of the sample dataset, few pictures of each."""
    folder = tmp_path / "drawings"
    for split, count in KEPT.items():
        for label in CLASSES:
            target = folder / split / label
            target.mkdir(parents=True)
            for picture in sorted((sample_path() / split / label).iterdir())[:count]:
                shutil.copy(picture, target)
    return folder


def mime_of(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


@pytest.mark.long
@pytest.mark.timeout(300)
def test_from_a_folder_to_a_prediction(paths, bridge, theme, qtbot, drop, drawings):
    workbench = Workbench(paths)
    window = MainWindow(workbench, bridge, theme)
    qtbot.addWidget(window, before_close_func=lambda made: made.feed.stop())
    window.show()
    window.start()

    # Drop the folder anywhere on the window.
    assert drop(window, mime_of(drawings))
    data = window.page("data")
    qtbot.waitUntil(lambda: data.use.isEnabled(), timeout=30_000)
    press(qtbot, data.use)
    qtbot.waitUntil(lambda: window.shown == "tuning", timeout=10_000)

    # Choose ranges, and start.
    tuning = window.page("tuning")
    tuning.ranges.set_drafts(
        [
            RangeDraft("learning_rate", Kind.CONTINUOUS, "0.002", "0.02", Scaling.LOGARITHMIC),
            RangeDraft.fixed("num_epochs", "3"),
            RangeDraft.fixed("batch_size", "8"),
        ]
    )
    tuning.search_form.max_jobs.setValue(2)
    qtbot.waitUntil(tuning.card.start.isEnabled, timeout=20_000)
    press(qtbot, tuning.card.start)
    qtbot.waitUntil(lambda: window.shown == "jobs", timeout=60_000)

    # Watch every trial's loss until the search is over.
    jobs = window.page("jobs")
    qtbot.waitUntil(lambda: jobs.watch.job is not None and jobs.watch.job.status.is_final, timeout=200_000)
    assert jobs.watch.job.status is JobStatus.COMPLETED, jobs.watch.job.failure_reason
    name, best = jobs.watch.job.name, jobs.watch.job.best_trial
    qtbot.waitUntil(lambda: jobs.detail.trials.rowCount() == 2)
    qtbot.waitUntil(lambda: [len(s.x) for s in jobs.watch.curves.series("Average loss").values()] == [3, 3])
    assert jobs.detail.figures.figure(1) == "2 / 2"
    jobs.detail.log.set_open(True)
    qtbot.waitUntil(lambda: jobs.detail.log.model.total > 3)
    jobs.detail.views.tabs.setCurrentIndex(4)
    evaluation = jobs.detail.views.evaluation
    qtbot.waitUntil(lambda: evaluation.summary.text().startswith("Gets "))

    # Drop a picture anywhere, and read its class.
    window.show_page("predict")
    picture = sorted((drawings / "test" / "fruit").iterdir())[0]
    assert drop(window, mime_of(picture))
    answer = window.page("predict").answer
    qtbot.waitUntil(answer.isVisible, timeout=60_000)
    description = answer.accessibleDescription()
    assert description.startswith(f"{picture.name} is ")
    assert any(f" is {label}, " in description for label in CLASSES)
    assert window.page("predict").session.model.name == best

    # Another window on the same files, days later: everything is there.
    window.feed.stop()
    workbench.close()
    later = Workbench(paths)
    try:
        assert [job.name for job in later.engine.jobs()] == [name]
        assert {trial.status for trial in later.engine.trials(name)} == {JobStatus.COMPLETED}
        assert later.models.best().job == best
    finally:
        later.close()
