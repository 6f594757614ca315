"""Plots, table, log and evaluation of a job, linked by one selection; floods."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from core.jobs.records import MetricEvent, TrainingJob
from core.jobs.status import JobStatus
from tests.gui.fakes import add_search, make_trial, press, start_jobs
from training_scripts.metrics import BATCH_LOSS


def test_table_plot_and_card_share_one_selection(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=5)
    detail = start_jobs(tab, feed, qtbot)
    table = detail.table.view
    rect = table.visualRect(detail.trials.index(1, 2))
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    second = make_trial("pets", 2, JobStatus.COMPLETED, 0.5).name
    assert detail.selected == second
    assert detail.best.title.text() == "Trial 2"
    assert detail.views.curves._selected == second
    # A click on a curve selects its trial in the table.
    detail.views.curves.redraw()
    third = make_trial("pets", 3, JobStatus.COMPLETED, 1 / 3).name
    plot = detail.views.curves.plot
    x, y = tab.watch.curves.series("Average loss")[third].arrays()
    plot.grab()  # the range is fitted while painting
    scene = plot.getPlotItem().getViewBox().mapViewToScene(QPointF(x[2], y[2]))
    assert detail.views.curves.trial_at(scene) == third
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.mapFromScene(scene))
    qtbot.waitUntil(lambda: detail.selected == third)
    assert detail.trials.name_at(table.currentIndex().row()) == third
    # The empty plane goes back to the best trial.
    detail.select("")
    assert detail.best.title.text() == "Best trial: 5"


def test_the_buttons_of_a_trial_never_lie_over_each_other(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=2)
    best = start_jobs(tab, feed, qtbot).best
    trial = replace(make_trial("pets", 1, JobStatus.COMPLETED, 0.5), artifact="model.tar.gz")
    best.setParent(None)
    qtbot.addWidget(best)
    best.show_trial(trial, "Trial 1")
    best.show()
    for height, texts in ((600, {"Use for predictions", "Take to Tuning", "Save model…", "Deploy…"}), (250, {""})):
        best.resize(200, height)
        QApplication.processEvents()
        shown = [action for action in best._words if action.isVisible()]
        assert {action.text() for action in shown} == texts
        assert all(action.accessibleName() for action in shown)
        areas = [action.geometry() for action in shown]
        assert not any(one.intersects(other) for one in areas for other in areas if one != other)


def test_heads_fitted_at_once_show_the_search_first_and_their_steps_as_curves(tab, engine, feed, qtbot):
    add_search(engine, "quick", trials=2, epochs=1, created=200.0)
    spec = engine.spec("quick")
    ranges = tuple(item for item in spec.ranges if item.name != "optimizer")
    at_once = {**spec.training.hyperparameters, "optimizer": "lbfgs"}
    engine._specs["quick"] = replace(spec, ranges=ranges).with_training(hyperparameters=at_once)
    for number in (1, 2):
        name = make_trial("quick", number, JobStatus.COMPLETED, 0.5).name
        engine.tell([MetricEvent(name, BATCH_LOSS, 1 / step, 0.0, epoch=1, step=step) for step in range(1, 6)])
    detail = start_jobs(tab, feed, qtbot, "quick")
    views = detail.views
    assert views.tabs.tabText(views.tabs.currentIndex()) == "History"
    views.tabs.setCurrentIndex(0)
    qtbot.waitUntil(lambda: views.curves.metrics() == (BATCH_LOSS,))
    views.curves.redraw()
    assert list(views.curves._thick[0].getData()[0][:5]) == [1, 2, 3, 4, 5]
    # Epochs of one point each: the axis begins at none and has whole ones.
    views.curves.metric_box.setCurrentIndex(views.curves.metric_box.findData(("valid:loss",)))
    views.curves.redraw()
    views.curves.plot.grab()
    (low, high), _ = views.curves.plot.getPlotItem().getViewBox().viewRange()
    assert 0 <= low < 1 < high
    assert high - low >= 2


def test_a_search_without_a_value_shows_a_sentence_and_no_axes(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=1, running=1)
    detail = start_jobs(tab, feed, qtbot)
    detail.views.tabs.setCurrentIndex(1)
    history = detail.views.history
    history.redraw()
    assert history._nothing.isVisible()
    assert history._nothing.text() == "No trial has a value yet."
    engine.put(make_trial("pets", 1, JobStatus.COMPLETED, 0.5))
    history.set_trials([make_trial("pets", 1, JobStatus.COMPLETED, 0.5)], "")
    history.redraw()
    assert history.plot.isVisible()


def test_a_filter_keeps_the_selection_and_the_widths(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=5)
    detail = start_jobs(tab, feed, qtbot)
    second = make_trial("pets", 2, JobStatus.COMPLETED, 0.5).name
    detail.select(second)
    detail.table.view.setColumnWidth(4, 300)
    qtbot.keyClicks(detail.table.search, "optimizer=sgd")
    assert detail.trials.rowCount() == 2
    assert detail.trials.name_at(detail.table.view.currentIndex().row()) == second
    assert detail.selected == second
    assert detail.table.view.columnWidth(4) == 300


def test_a_long_value_makes_the_card_no_wider(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=1)
    detail = start_jobs(tab, feed, qtbot)
    trial = make_trial("pets", 1, JobStatus.COMPLETED, 0.5)
    members = '[{"learning_rate": "0.00646642", "batch_size": "14"}]' * 4
    detail.best.show_trial(replace(trial, hyperparameters={"members": members, "seed": "7"}), "Hyperparameters")
    needed = detail.best._rows.minimumSizeHint().width()
    assert needed <= detail.best._area.viewport().width()


def test_hovering_a_row_lights_its_curve_up(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=5)
    detail = start_jobs(tab, feed, qtbot)
    detail.views.curves.redraw()
    detail.table.hovered.emit(make_trial("pets", 2, JobStatus.COMPLETED, 0.5).name)
    assert detail.views.curves.readout.text().startswith("Trial 2")
    assert len(detail.views.curves._top[0].getData()[0]) > 1
    detail.table.hovered.emit("")
    assert detail.views.curves.readout.text() == ""


def test_csv_export_writes_the_rows_as_shown(tab, engine, feed, qtbot, tmp_path):
    add_search(engine, "pets", trials=4)
    detail = start_jobs(tab, feed, qtbot)
    qtbot.keyClicks(detail.table.search, "optimizer=adam")
    tab.export_csv(tmp_path / "trials.csv")
    qtbot.waitUntil(lambda: bool(tab._toasts.messages))
    with (tmp_path / "trials.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["optimizer"] for row in rows] == ["adam", "adam"]
    assert float(rows[1]["objective"]) == pytest.approx(1 / 3)


def test_csv_export_to_an_impossible_place_says_so(tab, engine, feed, qtbot, tmp_path):
    add_search(engine, "pets")
    detail = start_jobs(tab, feed, qtbot)
    tab.export_csv(tmp_path / "missing" / "trials.csv")
    qtbot.waitUntil(detail.error.isVisible)
    assert detail.error.text.startswith("The trials could not be saved.")


def test_the_log_follows_searches_and_filters(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=2, running=1)
    second = make_trial("pets", 2, JobStatus.IN_PROGRESS, None).name
    engine.logs[second] = [f"line {number}" for number in range(25_000)] + ["ERROR: disk full"]
    detail = start_jobs(tab, feed, qtbot)
    detail.select(second)
    press(qtbot, detail.log.switch)
    qtbot.waitUntil(lambda: detail.log.model.total == 25_001, timeout=10_000)
    bar = detail.log.view.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.value() == bar.maximum())
    engine.logs[second].append("epoch=1/2 Average loss: 1.0")
    qtbot.waitUntil(lambda: detail.log.model.total == 25_002, timeout=10_000)
    qtbot.keyClicks(detail.log.search, "DISK")
    qtbot.waitUntil(lambda: detail.log.model.rowCount() == 1)
    detail.log.search.clear()
    detail.log.level.setCurrentIndex(3)
    assert detail.log.model.rowCount() == 1
    press(qtbot, detail.log.copy)
    assert QGuiApplication.clipboard().text() == "ERROR: disk full"


def test_a_job_is_renamed_and_pinned_and_stays_chosen(tab, engine, feed, qtbot, monkeypatch):
    asked = []
    jobs = tab._workbench.jobs
    monkeypatch.setattr(jobs, "rename", lambda name, title: asked.append((name, title)))
    monkeypatch.setattr(jobs, "pin", lambda name, pinned: asked.append((name, pinned)))
    add_search(engine, "pets", trials=1)
    engine.put(TrainingJob("older", JobStatus.COMPLETED, 1.0))
    detail = start_jobs(tab, feed, qtbot)
    qtbot.waitUntil(lambda: detail.header.name.text() == "pets")
    dialog = detail.header.ask_name()
    dialog.setTextValue("Cats by night")
    dialog.accept()
    detail.header.pin_action.trigger()
    qtbot.waitUntil(lambda: asked == [("pets", "Cats by night"), ("pets", True)])
    pinned = replace(engine.job("older"), pinned=True, title="The old one")
    tab.show_jobs((engine.job("pets"), pinned))
    assert [job.name for job in tab.model.jobs()] == ["older", "pets"]
    assert tab.list.current() == "pets"
    assert "The old one (older); pinned" in tab.model.index(0).data(Qt.ItemDataRole.ToolTipRole)
    tab.list.search.setText("old one")
    qtbot.waitUntil(lambda: tab.list._proxy.rowCount() == 1)
