"""The evaluation of a job: confusion and its pictures, the threshold, tables of many classes."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Event

import pytest
from PySide6.QtCore import QPointF, Qt

from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus
from core.models.threshold import Threshold
from core.predict.evaluate import EvaluatedPicture, summarise
from gui.jobs.best_card import BestCard
from gui.jobs.confusion_table import HEAT_CELLS, _narrowed
from gui.jobs.job_header import JobHeader
from gui.jobs.jobs_model import leading_figure
from tests.gui.fakes import add_search, press, start_jobs


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

    monkeypatch.setattr(tab._workbench.evaluations, "of_job", evaluate)
    monkeypatch.setattr(tab._workbench.evaluations, "move_threshold", move)
    add_search(engine, "pets", trials=2)
    detail = start_jobs(tab, feed, qtbot)
    detail.views.tabs.setCurrentIndex(4)
    view = detail.views.evaluation
    qtbot.waitUntil(lambda: "80.0 % (38 to 96 %) right of the 83.3 % that it" in view.figures.text())
    press(qtbot, view.unknown)
    coverage = view.coverage
    qtbot.waitUntil(coverage.isVisible)
    assert coverage.text.text().startswith(
        "5 of 6 pictures are answered (83 %), 4 of these rightly (80.0 %, 38 to 96 %)."
    )
    assert not coverage.keep.isEnabled()
    assert not coverage.undo.isEnabled()
    coverage.marker.setValue(70)
    coverage.marker.sigDragged.emit(coverage.marker)
    assert coverage.text.text().startswith(
        "4 of 6 pictures are answered (67 %), 4 of these rightly (100.0 %, 51 to 100 %)."
    )
    press(qtbot, coverage.pictures)
    assert view.pictures.choice.currentText() == "Stranger than 1.10"
    assert [view.pictures.list.item(row).text() for row in range(2)] == [
        "cat → dog\n90.0 %, unknown",
        "cat → dog\n90.0 %",
    ]
    press(qtbot, coverage.keep)
    qtbot.waitUntil(lambda: "100.0 % (51 to 100 %) right of the 66.7 % that it" in view.figures.text())
    assert moves == [1.1]
    assert coverage.origin.text() == "You moved the threshold to 1.10; the training had chosen 2.00."
    press(qtbot, coverage.undo)
    qtbot.waitUntil(lambda: "80.0 % (38 to 96 %) right of the 83.3 %" in view.figures.text())
    coverage.classes.setCurrentText("dog")
    assert coverage.text.text().startswith("None of 0 pictures is answered.")
    press(qtbot, view.sureness)
    assert not view.unknown.isChecked()
    assert view.reliability.isVisible()


def test_evaluation_shows_the_confusion_and_a_cells_pictures(tab, engine, feed, qtbot, monkeypatch):
    judged = [EvaluatedPicture(f"test/cat/{n}.jpg", "cat", "cat" if n else "dog", 0.9) for n in range(4)]
    judged += [EvaluatedPicture(f"test/dog/{n}.jpg", "dog", "dog", 0.8) for n in range(2)]
    monkeypatch.setattr(
        tab._workbench.evaluations,
        "of_job",
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
    recall = view.table.visualRect(view.table.model().index(0, 2)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=recall)
    assert pictures.choice.currentText() == "cat: 1 of 4 missed"
    view.table.verticalHeader().sectionClicked.emit(1)  # of dogs none is missed
    assert pictures.choice.currentText() == "dog, recognised"
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
    assert asked.args[1] == view._job, "with the model whose evaluation it is"
    judging, gate = asked.args[1], Event()
    monkeypatch.setattr(tab._workbench.evaluations, "of_job", lambda *arguments: gate.wait(60) and 1 / 0)
    view.show_job("pets-other", ready=True)
    try:
        with qtbot.waitSignal(tab.pictures_asked) as asked:
            pictures.activated.emit(["a.jpg"])
    finally:
        view._cancel()
        gate.set()
    assert asked.args[1] == judging, "also while another's is asked for"


def test_accuracy_leads_and_the_loss_comes_second(tab, engine, feed, qtbot):
    job = add_search(engine, "pets", trials=3, best_metrics={"test:accuracy": 0.973, "valid:accuracy": 0.9})
    assert leading_figure(job) == "97.3 %"
    counted = replace(job, best_metrics={"test:accuracy": 72 / 74, "test:count": 74.0})
    assert (leading_figure(counted), counted.accuracy.bounds) == ("97.3 %", "91–99 %")
    assert counted.accuracy.counted == "72 of 74 right on test, 91 to 99 %"
    assert counted.accuracy.sentence == "72 of 74 right on test (97.3 %, 91 to 99 %)"
    detail = start_jobs(tab, feed, qtbot)
    assert detail.figures.figure(0) == "97.3 %"
    assert detail.figures._captions[0].text() == "Right on test; Average loss 0.3333"
    measured = replace(job, best_metrics={})
    assert leading_figure(measured) == "0.3333"
    assert "97.3 % right on test" in tab.model.data(tab.model.index(0), Qt.ItemDataRole.AccessibleTextRole)


def test_the_bar_of_a_search_keeps_its_place(engine, qtbot):
    header = JobHeader()
    qtbot.addWidget(header)
    counts = {JobStatus.COMPLETED: 120, JobStatus.IN_PROGRESS: 2}
    best = {"test:accuracy": 72 / 74, "test:count": 74.0}
    job = add_search(engine, "pets", trials=1, best_metrics=best)
    job = replace(
        job, status=JobStatus.IN_PROGRESS, started=time.time() - 4000, ended=None, max_jobs=300, counts=counts
    )
    header.show_job(job, resumes=True)
    assert header._left.text().startswith("120 of 300 trials · 1 h")
    assert header._left.sizeHint().width() <= header._left.minimumWidth()


@pytest.mark.parametrize("watched", [False, True])
def test_a_script_of_the_users_own_has_no_settings_to_take_to_tuning(qtbot, watched):
    header, card = JobHeader(), BestCard()
    for widget in (header, card):
        qtbot.addWidget(widget)
    job = TrainingJob("mine", JobStatus.COMPLETED, 1.0, watched=watched)
    header.show_job(job, resumes=False)
    card.show_trial(job, "Hyperparameters")
    texts = [action.text() for action in header.more.menu().actions() if action.isVisible()]
    assert ("Take to Tuning" in texts) is ("Copy as command line" in texts) is (not watched)
    assert card.train.isHidden() is watched
    assert header.facts.text().startswith("Watched script · ") is watched


def test_the_figure_that_a_page_begins_with_opens_the_pictures_behind_it(tab, engine, feed, qtbot, monkeypatch):
    judged = [EvaluatedPicture(f"valid/{n}.jpg", "cat", "cat" if n else "dog", 0.9) for n in range(4)]
    monkeypatch.setattr(
        tab._workbench.evaluations,
        "of_job",
        lambda job, split, on_progress, cancel: summarise(judged, ("cat", "dog"), split, job, 0.2),
    )
    add_search(engine, "pets", trials=3, best_metrics={"valid:accuracy": 0.75})
    detail = start_jobs(tab, feed, qtbot)
    detail.select(detail.trials.name_at(1))
    press(qtbot, detail.figures._link)
    view = detail.views.evaluation
    qtbot.waitUntil(lambda: view.summary.text().startswith("Gets 3 of 4 right on valid"))
    assert detail.selected == ""
    assert [view.pictures.list.item(row).text() for row in range(view.pictures.list.count())] == ["cat → dog\n90.0 %"]


def test_where_names_do_not_fit_the_longest_give_way():
    assert _narrowed([40, 60, 140], 200) == [40, 60, 100]
    assert _narrowed([90, 100], 300) == [90, 100]
    assert _narrowed([90, 100], 50) == [40, 40]


def test_of_many_classes_the_table_is_a_heat_map_that_fits(tab, engine, feed, qtbot, monkeypatch):
    names = tuple(f"a class with a long name {number:03d}" for number in range(120))
    judged = [EvaluatedPicture(f"{n}.jpg", names[n % 120], names[n % 120 if n % 7 else 0], 0.9) for n in range(600)]
    monkeypatch.setattr(
        tab._workbench.evaluations,
        "of_job",
        lambda job, split, on_progress, cancel: summarise(judged, names, split, job, 0.2),
    )
    add_search(engine, "pets", trials=2)
    detail = start_jobs(tab, feed, qtbot)
    detail.views.tabs.setCurrentIndex(4)
    view = detail.views.evaluation
    qtbot.waitUntil(lambda: bool(view.summary.text()))
    side = view.table.columnWidth(0)
    assert view.table.columnViewportPosition(119) + view.table.columnWidth(119) == 120 * side
    room = view.table.viewport().size()
    assert side >= HEAT_CELLS[0]
    assert 120 * side <= max(120 * HEAT_CELLS[0], min(room.width(), room.height()))
    assert not view.table.horizontalHeader().isVisible()
    cell = view.table.visualRect(view.table.model().index(7, 0)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert view.pictures.choice.currentText().startswith("a class with a long name 007 taken for a class with a long")
    assert view.pictures.list.count() == 1
    assert view.pictures.choice.itemText(1) == "a class with a long name 003: 1 of 5 missed"


def test_the_trials_come_back_under_the_evaluation_when_the_window_grows(tab, engine, feed, qtbot, monkeypatch):
    judged = [EvaluatedPicture("test/cat/0.jpg", "cat", "cat", 0.9)]
    evaluation = summarise(judged, ("cat", "dog"), "test", "pets", 0.2)
    monkeypatch.setattr(tab._workbench.evaluations, "of_job", lambda *arguments: evaluation)
    add_search(engine, "pets", trials=2)
    detail = start_jobs(tab, feed, qtbot)
    tab.resize(1190, 660)
    detail.views.tabs.setCurrentIndex(4)
    assert not detail.table.isVisible()
    tab.resize(1190, 1000)
    qtbot.waitUntil(detail.table.isVisible)
    tab.resize(1190, 660)
    qtbot.waitUntil(lambda: not detail.table.isVisible())
