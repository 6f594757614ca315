"""From pictures without labels to a prediction in the real window, by keys, drags and a lasso."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt

from core.dataset import sample_path
from core.jobs.status import JobStatus
from core.workbench import Workbench
from gui.window.main_window import MainWindow
from tests.gui.data.opened import do
from tests.gui.data.test_labelling import CONTROL, SHIFT, chosen, click, drop_chosen, kept
from tests.gui.data.test_map_view import lasso
from tests.gui.fakes import press
from tests.gui.test_main_job import mime_of

COUNT = 14


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    """Fourteen drawings of fruit and then as many of vehicles, in one folder, under names that say nothing of that."""
    folder = tmp_path / "unsorted"
    folder.mkdir()
    for first, label in enumerate(("fruit", "vehicle")):
        for number, picture in enumerate(sorted((sample_path() / "train" / label).glob("*.jpg"))[:COUNT]):
            shutil.copy(picture, folder / f"p{first * COUNT + number:02d}.jpg")
    return folder


def truth(name: str) -> str:
    return "fruit" if int(name[1:3]) < COUNT else "vehicle"


def name_chosen(tab, qtbot, name):
    """Press Return and type a class."""
    qtbot.keyClick(tab.card.grid, Qt.Key.Key_Return)
    qtbot.keyClicks(tab.card.bar.field, name)
    with qtbot.waitSignal(tab.card.labels_changed):
        qtbot.keyClick(tab.card.bar.field, Qt.Key.Key_Return)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_from_an_unlabelled_folder_to_a_prediction(paths, bridge, theme, qtbot, drop, unlabelled):
    workbench = Workbench(paths)
    window = MainWindow(workbench, bridge, theme)
    qtbot.addWidget(window, before_close_func=lambda made: made.feed.stop())
    window.resize(1280, 900)
    window.show()
    window.start()
    window.activateWindow()
    window.show_page("data")
    data = window.page("data")

    # Drop the folder; name two classes by clicks and keys; take one back and do it again.
    assert drop(window, mime_of(unlabelled))
    qtbot.waitUntil(lambda: data.dataset.scan is not None and data.pictures.rowCount() == 2 * COUNT, timeout=30_000)
    assert not data.use.isEnabled(), "there is nothing to learn from yet"
    for first, label in ((0, "fruit"), (COUNT, "vehicle")):
        click(data, qtbot, f"p{first:02d}.jpg")
        click(data, qtbot, f"p{first + 10:02d}.jpg", SHIFT)
        name_chosen(data, qtbot, label)
    qtbot.waitUntil(lambda: data.manifest is not None, timeout=30_000)
    assert sorted(kept(data).values()).count("fruit") == 11
    with qtbot.waitSignal(data.card.labels_changed):
        qtbot.keyClick(data.card.grid, Qt.Key.Key_Z, CONTROL)
    assert "vehicle" not in kept(data).values()
    with qtbot.waitSignal(data.card.labels_changed):
        qtbot.keyClick(data.card.grid, Qt.Key.Key_Z, CONTROL | SHIFT)
    qtbot.waitUntil(lambda: data.manifest is not None, timeout=30_000)

    # Circle one picture on the map, and drag it onto its class.
    press(qtbot, data.card.filters.map)
    view = data.card.map.view
    qtbot.waitUntil(lambda: view._places is not None, timeout=120_000)
    gallery = data.pictures.gallery
    number = next(at for at, one in enumerate(gallery.pictures) if one.path == "p12.jpg")
    spot = view.place_of(number).toPoint()
    around = [QPoint(-7, -7), QPoint(7, -7), QPoint(7, 7), QPoint(-7, 7)]
    lasso(view, *(spot + corner for corner in around))
    assert "p12.jpg" in chosen(data)
    do(data, qtbot, lambda: drop_chosen(data, "fruit"))
    assert kept(data)["p12.jpg"] == "fruit"
    press(qtbot, data.card.filters.map)

    # The rest by the keys of the classes.
    for name, label in kept(data).items():
        if label != truth(name):
            click(data, qtbot, name)
            key = data.card.keys.key_of(truth(name))
            do(data, qtbot, lambda key=key: qtbot.keyClick(data.card.grid, key))
    assert all(label == truth(name) for name, label in kept(data).items())

    # Train, and check once more with what was trained.
    press(qtbot, data.use)
    qtbot.waitUntil(lambda: window.shown == "tuning", timeout=10_000)
    tuning = window.page("tuning")
    tuning.search_form.max_jobs.setValue(2)
    qtbot.waitUntil(tuning.card.start.isEnabled, timeout=20_000)
    press(qtbot, tuning.card.start)
    jobs = window.page("jobs")
    qtbot.waitUntil(lambda: jobs.watch.job is not None and jobs.watch.job.status.is_final, timeout=200_000)
    assert jobs.watch.job.status is JobStatus.COMPLETED, jobs.watch.job.failure_reason
    window.show_page("data")
    with qtbot.waitSignal(data.check.found, timeout=60_000):
        press(qtbot, data.check.start)
    assert f"Checked with {jobs.watch.job.best_trial}" in data.check.said.text()

    # Drop a picture, and read its class.
    window.show_page("predict")
    assert drop(window, mime_of(unlabelled / "p00.jpg"))
    answer = window.page("predict").answer
    qtbot.waitUntil(answer.isVisible, timeout=60_000)
    assert answer.accessibleDescription().startswith("p00.jpg is ")
    window.feed.stop()
    workbench.close()
