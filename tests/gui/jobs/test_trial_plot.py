"""The plots of a job: curves, what is lit, isolated and read off, and floods of values."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication

from core.jobs.records import MetricEvent, TrainingJob
from core.jobs.status import JobStatus
from tests.gui.fakes import add_search, curve_of, make_trial, press, start_jobs


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
