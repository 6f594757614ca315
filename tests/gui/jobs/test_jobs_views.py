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
from core.models.threshold import Threshold
from core.predict.evaluate import EvaluatedPicture, summarise
from gui.jobs.evaluation_card import HEAT_CELL
from gui.jobs.jobs_model import leading_figure
from tests.gui.fakes import add_search, curve_of, make_trial, press, start_jobs
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
    assert "The old one (older), pinned" in tab.model.index(0).data(Qt.ItemDataRole.ToolTipRole)
    tab.list.search.setText("old one")
    qtbot.waitUntil(lambda: tab.list._proxy.rowCount() == 1)


def test_the_threshold_is_moved_kept_and_taken_back(tab, engine, feed, qtbot, monkeypatch):
    strange = [0.1, 0.4, 0.6, 1.1, 1.9, 2.4]
    judged = [
        EvaluatedPicture(f"test/cat/{n}.jpg", "cat", "cat" if n < 4 else "dog", 0.9, strangeness=value)
        for n, value in enumerate(strange)
    ]
    moves: list[float] = []

    def threshold() -> Threshold:
        return Threshold(moves[-1] if moves else 2.0, 2.0, 0.95, "valid", 60, len(moves))

    def evaluate(job, split, on_progress, cancel):
        return replace(summarise(judged, ("cat", "dog"), split, job, 0.2), threshold=threshold())

    def move(job, value):
        moves.pop() if value is None else moves.append(value)
        return threshold()

    monkeypatch.setattr(tab._workbench.models, "evaluation", evaluate)
    monkeypatch.setattr(tab._workbench.models, "move_threshold", move)
    add_search(engine, "pets", trials=2)
    detail = start_jobs(tab, feed, qtbot)
    detail.views.tabs.setCurrentIndex(4)
    view = detail.views.evaluation
    qtbot.waitUntil(lambda: "without the unknown 80.0 % of 83.3 %" in view.figures.text())
    press(qtbot, view.unknown)
    coverage = view.coverage
    qtbot.waitUntil(coverage.isVisible)
    assert coverage.text.text().startswith("5 of 6 pictures are answered (83 %), 4 of these rightly (80.0 %).")
    assert not coverage.keep.isEnabled()
    assert not coverage.undo.isEnabled()
    coverage.marker.setValue(70)
    coverage.marker.sigDragged.emit(coverage.marker)
    assert coverage.text.text().startswith("4 of 6 pictures are answered (67 %), 4 of these rightly (100.0 %).")
    press(qtbot, coverage.pictures)
    assert view.pictures.choice.currentText() == "Stranger than 1.10"
    assert [view.pictures.list.item(row).text() for row in range(2)] == [
        "cat → dog\n90.0 %, unknown",
        "cat → dog\n90.0 %",
    ]
    press(qtbot, coverage.keep)
    qtbot.waitUntil(lambda: "without the unknown 100.0 % of 66.7 %" in view.figures.text())
    assert moves == [1.1]
    assert coverage.origin.text() == "You moved the threshold to 1.10; the training had chosen 2.00."
    press(qtbot, coverage.undo)
    qtbot.waitUntil(lambda: "80.0 % of 83.3 %" in view.figures.text())
    coverage.classes.setCurrentText("dog")
    assert coverage.text.text().startswith("None of 0 pictures is answered.")
    press(qtbot, view.sureness)
    assert not view.unknown.isChecked()
    assert view.reliability.isVisible()


def test_evaluation_shows_the_confusion_and_a_cells_pictures(tab, engine, feed, qtbot, monkeypatch):
    judged = [EvaluatedPicture(f"test/cat/{n}.jpg", "cat", "cat" if n else "dog", 0.9) for n in range(4)]
    judged += [EvaluatedPicture(f"test/dog/{n}.jpg", "dog", "dog", 0.8) for n in range(2)]
    monkeypatch.setattr(
        tab._workbench.models,
        "evaluation",
        lambda job, split, on_progress, cancel: summarise(judged, ("cat", "dog"), split, job, 0.2),
    )
    add_search(engine, "pets", trials=2)
    detail = start_jobs(tab, feed, qtbot)
    detail.views.tabs.setCurrentIndex(4)
    view = detail.views.evaluation
    qtbot.waitUntil(lambda: view.summary.text() == "Gets 5 of 6 right on test (83.3 %, 44 to 97 %); weakest: cat")
    pictures = view.pictures
    assert [pictures.list.item(row).text() for row in range(pictures.list.count())] == ["cat → dog\n90.0 %"]
    assert [pictures.choice.itemText(row) for row in range(3)] == [
        "All mistakes (1)",
        "cat: 1 of 4 missed",
        "cat taken for dog (1)",
    ]
    rect = view.table.visualRect(view.table.model().index(0, 0))
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    assert pictures.choice.currentText() == "cat, recognised"
    assert pictures.list.count() == 3
    press(qtbot, view.sureness)
    plot = view.reliability
    qtbot.waitUntil(plot.isVisible)
    plot.grab()
    scene = plot.getPlotItem().getViewBox().mapViewToScene(QPointF(80, 100))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.mapFromScene(scene))
    assert pictures.choice.currentText() == "73 to 80 % sure"
    assert [pictures.list.item(row).text() for row in range(2)] == ["dog → dog\n80.0 %"] * 2
    pictures.choice.setCurrentIndex(0)
    pictures.list.setFocus()
    pictures.list.setCurrentRow(0)
    with qtbot.waitSignal(tab.pictures_asked) as asked:
        qtbot.keyClick(pictures.list, Qt.Key.Key_Return)
    assert asked.args[0][0].replace("\\", "/").endswith("data/pets/test/cat/0.jpg")


def test_search_views_draw_every_finished_trial(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=6, running=1)
    detail = start_jobs(tab, feed, qtbot)
    views = detail.views
    for at in (1, 2, 3):
        views.tabs.setCurrentIndex(at)
    assert len(views.history._dots.data) == 5
    best = views.history._so_far.getData()[1]
    assert list(best[:3]) == pytest.approx([1.0, 0.5, 1 / 3])
    assert views.parallel._lines.shape == (6, 4)
    views.slices.parameter.setCurrentText("optimizer")
    assert len(views.slices._dots.data) == 5


def test_a_flood_arrives_whole(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=20, running=20, epochs=0)
    for number in range(300):
        engine.put(TrainingJob(f"job-{number}", JobStatus.COMPLETED, float(-number)))
    detail = start_jobs(tab, feed, qtbot)
    for trial in engine.trials("pets"):
        engine.tell(curve_of(trial.name, 3, 500))
    names = [trial.name for trial in engine.trials("pets")]
    qtbot.waitUntil(
        lambda: all(len(tab.watch.curves.series("train:loss").get(name, _EMPTY).x) == 500 for name in names),
        timeout=20_000,
    )
    detail.views.curves.redraw()
    assert len(tab.model.jobs()) == 301
    assert detail.trials.rowCount() == 20


class _Empty:
    x = ()


_EMPTY = _Empty()


def test_both_schemes_paint_the_plot_in_their_own_colours(tab, engine, feed, qtbot, theme):
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    shades = {}
    for scheme in ("light", "dark"):
        theme.choose(scheme)
        detail.views.curves.redraw()
        qtbot.wait(50)
        plot = detail.views.curves.plot
        image = plot.grab().toImage()
        shades[scheme] = image.pixelColor(image.width() - 4, 4).lightness()
    assert shades["light"] > 200
    assert shades["dark"] < 60


def test_the_objective_is_shown_first_though_batch_losses_come_first(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=1, running=1, epochs=0)
    detail = start_jobs(tab, feed, qtbot)
    trial = engine.trials("pets")[0].name
    engine.tell([MetricEvent(trial, "train:batch_loss", 0.5, 0.0, epoch=1, step=10)])
    curves = detail.views.curves
    qtbot.waitUntil(lambda: curves.metrics() == ("train:batch_loss",), timeout=10_000)
    engine.tell(curve_of(trial, 1, 2))
    qtbot.waitUntil(lambda: curves.metrics() == ("Average loss",), timeout=10_000)
    at = curves.metric_box.findText("Loss: train and valid")
    curves.metric_box.setCurrentIndex(at)
    curves.metric_box.activated.emit(at)
    engine.tell([MetricEvent(trial, "Average loss", 0.1, 0.0, epoch=3)])
    qtbot.waitUntil(lambda: tab.watch.curves.series("Average loss")[trial].y[-1] == 0.1)
    assert curves.metrics() == ("valid:loss", "train:loss")


def choose_pair(curves) -> None:
    at = curves.metric_box.findText("Loss: train and valid")
    curves.metric_box.setCurrentIndex(at)
    curves.metric_box.activated.emit(at)
    curves.redraw()


def test_train_is_dashed_beside_valid_in_the_same_colour_and_tells_its_trial_too(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    curves = detail.views.curves
    choose_pair(curves)
    count = len(curves._faint) // 2
    for solid, dashed in zip(curves._faint[:3], curves._faint[count : count + 3], strict=True):
        assert solid.opts["pen"].color() == dashed.opts["pen"].color()
        assert not solid.opts["pen"].dashPattern()
        assert dashed.opts["pen"].dashPattern()
    second = make_trial("pets", 2, JobStatus.COMPLETED, 0.5).name
    x, y = tab.watch.curves.series("train:loss")[second].arrays()
    curves.plot.grab()
    scene = curves.plot.getPlotItem().getViewBox().mapViewToScene(QPointF(x[3], y[3]))
    curves._on_moved(scene)
    assert curves.readout.text().startswith("Trial 2 · valid 0.5183, train 0.4147 at 4")


def test_the_readout_is_of_the_epoch_under_the_pointer(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3)
    curves = start_jobs(tab, feed, qtbot).views.curves
    curves.redraw()
    curves.plot.grab()
    second = make_trial("pets", 2, JobStatus.COMPLETED, 0.5).name
    x, y = tab.watch.curves.series("Average loss")[second].arrays()
    box = curves.plot.getPlotItem().getViewBox()
    for at in (1, 2, 0):
        curves._on_moved(box.mapViewToScene(QPointF(x[at] + 0.2, y[at])))
        assert curves.readout.text() == f"Trial 2 · {y[at]:.4f} at {x[at]:g}"
    curves.highlight("")
    curves.highlight(second)  # the table's row has no epoch: the last one
    assert curves.readout.text().endswith("at 4")


def test_isolate_leaves_only_the_selected_trial_and_fits_to_it(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=5)
    detail = start_jobs(tab, feed, qtbot)
    curves = detail.views.curves
    assert not curves.isolate.isEnabled()
    curves.redraw()
    assert set(curves._bundle.owner) == {0, 1, 2, 3, 4}
    detail.select(make_trial("pets", 4, JobStatus.COMPLETED, 0.25).name)
    press(qtbot, curves.isolate)
    assert set(curves._bundle.owner) == {3}
    curves.plot.grab()
    _low, high = curves.plot.getPlotItem().getViewBox().viewRange()[1]
    assert high < 0.7  # trial 1 begins at 1.37
    detail.select("")
    curves.redraw()
    assert set(curves._bundle.owner) == {0, 1, 2, 3, 4}


def test_the_legend_names_fifty_trials_and_counts_the_rest(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=50)
    detail = start_jobs(tab, feed, qtbot)
    curves = detail.views.curves
    curves.redraw()
    legend = curves.legend
    tab.resize(1500, 1100)
    qtbot.waitUntil(lambda: legend.hidden == 0 and legend.geometry().bottom() < curves.height())
    curves.layout().activate()
    assert legend.shown == (49, *range(49))  # the best one first
    assert legend.height() <= 3 * 18
    chip = next(chip for chip in legend._chips if chip.trial == 6)
    seventh = make_trial("pets", 7, JobStatus.COMPLETED, 1 / 7).name
    qtbot.mouseMove(legend, chip.rect.center().toPoint())
    qtbot.waitUntil(lambda: curves.readout.text().startswith("Trial 7"))
    qtbot.mouseClick(legend, Qt.MouseButton.LeftButton, pos=chip.rect.center().toPoint())
    assert detail.selected == seventh
    legend.show_trials(2000, 49, ("valid", "train"))
    assert legend.hidden > 1900
    assert legend.height() == 3 * 18
    assert legend.toolTip().endswith("the table has them all")


def test_a_plot_at_rest_draws_nothing(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    drawn = []
    curves = detail.views.curves
    qtbot.waitUntil(lambda: not curves._timer.isActive())  # what was scheduled while loading
    curves.plot.restyled.connect(lambda: drawn.append("restyled"))
    curves.redraw()
    for _ in range(3):  # what the drawing posts, and what that posts
        QApplication.processEvents()
    assert not curves._timer.isActive()
    assert not drawn


def test_accuracy_leads_and_the_loss_comes_second(tab, engine, feed, qtbot):
    job = add_search(engine, "pets", trials=3, best_metrics={"test:accuracy": 0.973, "valid:accuracy": 0.9})
    assert leading_figure(job) == "97.3 %"
    detail = start_jobs(tab, feed, qtbot)
    assert detail.figures.figure(0) == "97.3 %"
    assert detail.figures._captions[0].text() == "Right on test (best Average loss 0.3333)"
    measured = replace(job, best_metrics={})
    assert leading_figure(measured) == "0.3333"
    assert "97.3 % right on test" in tab.model.data(tab.model.index(0), Qt.ItemDataRole.AccessibleTextRole)


def test_of_many_classes_the_table_is_a_heat_map_that_fits(tab, engine, feed, qtbot, monkeypatch):
    names = tuple(f"a class with a long name {number:03d}" for number in range(120))
    judged = [EvaluatedPicture(f"{n}.jpg", names[n % 120], names[n % 120 if n % 7 else 0], 0.9) for n in range(600)]
    monkeypatch.setattr(
        tab._workbench.models,
        "evaluation",
        lambda job, split, on_progress, cancel: summarise(judged, names, split, job, 0.2),
    )
    add_search(engine, "pets", trials=2)
    detail = start_jobs(tab, feed, qtbot)
    detail.views.tabs.setCurrentIndex(4)
    view = detail.views.evaluation
    qtbot.waitUntil(lambda: bool(view.summary.text()))
    assert view.table.columnViewportPosition(119) + view.table.columnWidth(119) == 120 * HEAT_CELL
    assert not view.table.horizontalHeader().isVisible()
    cell = view.table.visualRect(view.table.model().index(7, 0)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert view.pictures.choice.currentText().startswith("a class with a long name 007 taken for a class with a long")
    assert view.pictures.list.count() == 1
    assert view.pictures.choice.itemText(1) == "a class with a long name 003: 1 of 5 missed"
