"""Jobs stand under the dataset that they learned from."""

from __future__ import annotations

import dataclasses
import threading

from PySide6.QtCore import Qt

from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus
from gui.jobs.jobs_model import JobRole, JobsModel
from tests.gui.fakes import start_jobs, training_spec


def test_jobs_stand_under_the_dataset_that_they_learned_from(tab, engine, feed, qtbot):
    for created, (name, folder) in enumerate(
        [("old-cats", "/pictures/cats"), ("dogs", "/pictures/dogs"), ("new-cats", "/pictures/cats"), ("kept", "/x/y")]
    ):
        job = TrainingJob(name, JobStatus.COMPLETED, float(created), pinned=name == "kept")
        engine.put(job, dataclasses.replace(training_spec(name), dataset_path=folder))
    start_jobs(tab, feed, qtbot, "kept")
    qtbot.waitUntil(lambda: tab.model.index(1).data(JobRole.GROUP) == "cats")
    rows = [tab.model.index(row) for row in range(tab.model.rowCount())]
    assert [(row.data(), row.data(JobRole.GROUP)) for row in rows] == [
        ("kept", "Pinned"),
        ("new-cats", "cats"),
        ("old-cats", "cats"),
        ("dogs", "dogs"),
    ]
    assert "dataset /pictures/dogs" in rows[3].data(Qt.ItemDataRole.ToolTipRole)
    view = tab.list.view
    heights = [view.visualRect(view.model().index(row, 0)).height() for row in range(4)]
    assert heights[0] == heights[1] == heights[3] > heights[2]  # the others have a heading above them
    tab.list.search.setText("dogs")
    view.doItemsLayout()
    assert view.visualRect(view.model().index(0, 0)).height() == heights[2]  # one group needs no heading


def test_watched_scripts_stand_together():
    model = JobsModel()
    rows = [TrainingJob(name, JobStatus.COMPLETED, 1.0, watched=name != "cats") for name in ("mine", "cats", "script")]
    model.set_jobs(rows, {"cats": "/pictures/cats"})
    shown = [model.index(row).data(JobRole.GROUP) for row in range(3)]
    assert shown == ["Watched scripts", "Watched scripts", "cats"]


def test_a_dataset_that_the_engine_did_not_know_is_asked_for_again_but_not_without_end(
    tab, engine, feed, qtbot, bridge, monkeypatch
):
    asked, known = [], threading.Event()

    def datasets(names):
        asked.append(names)
        return {name: "/pictures/cats" if known.is_set() else "" for name in names}

    monkeypatch.setattr(tab._workbench.jobs, "datasets", datasets)
    jobs = tuple(TrainingJob(name, JobStatus.COMPLETED, 1.0) for name in ("cats", "more-cats"))

    def change():
        tab._on_jobs_changed(jobs)
        qtbot.waitUntil(lambda: bridge.idle)

    def group():
        return tab.model.index(0).data(JobRole.GROUP)

    monkeypatch.setattr(feed, "_jobs", jobs)
    change()
    assert group() == "Dataset not known"
    for _ in range(20):
        change()
    assert len(asked) == 1 + 5  # at the 1st, 2nd, 4th, 8th and 16th change
    known.set()
    for _ in range(12):
        change()
    assert group() == "cats"
    assert len(asked) == 7
