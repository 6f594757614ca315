"""The Jobs tab: real clicks, real keys, what becomes of a job."""

from __future__ import annotations

import dataclasses
import shlex
import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QInputDialog, QLabel

from core.cli.launch_options import tuning_spec as parsed
from core.cli.main import build_parser
from core.errors import EngineError
from core.jobs.records import RuleOutcome, TrainingJob
from core.jobs.status import JobStatus, RuleStatus
from gui.jobs.delete_dialog import DeleteDialog
from tests.gui.fakes import add_search, curve_of, make_trial, press, start_jobs, training_spec


def test_without_jobs_it_says_what_to_do(tab, feed, qtbot):
    feed.start()
    assert tab.empty.isVisible()
    with qtbot.waitSignal(tab.tuning_asked):
        press(qtbot, tab.empty.button)
    assert tab.detail is None  # nothing heavy was built


def test_the_newest_job_is_shown_with_its_figures_and_trials(tab, engine, feed, qtbot):
    add_search(engine, "older", created=1.0)
    add_search(engine, "pets", trials=5, epochs=4)
    detail = start_jobs(tab, feed, qtbot)
    assert detail.header.name.text() == "pets"
    assert detail.header.pill.text == "Completed"
    assert detail.figures.figure(0) == "0.2000"
    assert detail.figures.figure(1) == "5 / 5"
    assert detail.figures.figure(2) == "30 s"
    assert detail.trials.rowCount() == 5
    assert detail.best.title.text() == "Best trial: 5"
    assert not detail.header.stop.isVisible()
    assert not detail.failure.isVisible()


def test_what_happened_to_a_job_stands_above_its_figures(tab, engine, feed, qtbot):
    notices = tuple(f"The process of trial {number} stood still; it was started again." for number in (1, 2, 3))
    add_search(engine, "pets", notices=notices)
    add_search(engine, "quiet", created=1.0)
    detail = start_jobs(tab, feed, qtbot)
    assert detail.notices.isVisible()
    *first, last = detail.notices.accessibleName().splitlines()
    assert first == list(notices[:2])
    assert "1 more" in last
    tab.show_job("quiet")
    qtbot.waitUntil(lambda: detail.header.name.text() == "quiet")
    assert not detail.notices.isVisible()


def test_live_events_reach_table_figures_and_plot(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3, running=1, max_jobs=4)
    detail = start_jobs(tab, feed, qtbot)
    assert detail.header.stop.isVisible()
    assert detail.figures.figure(1) == "2 / 4"
    engine.put(make_trial("pets", 3, JobStatus.COMPLETED, 0.01))
    engine.put(make_trial("pets", 4, JobStatus.IN_PROGRESS, None))
    engine.tell(curve_of(make_trial("pets", 4, JobStatus.IN_PROGRESS, None).name, 4, 2))
    best = make_trial("pets", 3, JobStatus.COMPLETED, 0.01)
    job = dataclasses.replace(
        engine.job("pets"),
        best_trial=best.name,
        best_objective=0.01,
        counts={JobStatus.COMPLETED: 3, JobStatus.IN_PROGRESS: 1},
    )
    engine.put(job)
    qtbot.waitUntil(lambda: detail.figures.figure(1) == "3 / 4", timeout=10_000)
    qtbot.waitUntil(lambda: detail.trials.rowCount() == 4, timeout=10_000)
    assert detail.figures.figure(0) == "0.0100"
    assert detail.best.title.text() == "Best trial: 3"
    fourth = make_trial("pets", 4, JobStatus.IN_PROGRESS, None).name
    qtbot.waitUntil(lambda: len(tab.watch.curves.series("Average loss")[fourth].x) == 2, timeout=10_000)


def test_stop_and_resume_reach_the_engine(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3, running=1, max_jobs=9)
    detail = start_jobs(tab, feed, qtbot)
    press(qtbot, detail.header.stop)
    qtbot.waitUntil(lambda: ("stop", "pets") in engine.called)
    engine.put(dataclasses.replace(engine.job("pets"), status=JobStatus.STOPPED, ended=120.0))
    qtbot.waitUntil(detail.header.resume.isVisible, timeout=10_000)
    press(qtbot, detail.header.resume)
    qtbot.waitUntil(lambda: ("resume", "pets") in engine.called)
    qtbot.waitUntil(lambda: not tab.starting.isVisible())


def test_an_engine_that_refuses_is_quoted_in_place(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3, running=1)
    detail = start_jobs(tab, feed, qtbot)
    engine.refuse["stop"] = EngineError("The job cannot be stopped.", "It is not there.", "Refresh.")
    press(qtbot, detail.header.stop)
    qtbot.waitUntil(detail.error.isVisible)
    assert detail.error.text == "The job cannot be stopped. It is not there. Refresh."


def asked(tab) -> DeleteDialog:
    """The question that is open."""
    return next(dialog for dialog in tab.window().findChildren(DeleteDialog) if dialog.isVisible())


def test_delete_asks_and_names_what_goes(tab, engine, feed, qtbot, tmp_path, monkeypatch):
    folder = tmp_path / "pets"
    folder.mkdir()
    (folder / "model.tar.gz").write_bytes(bytes(1200))
    monkeypatch.setattr(engine, "job_folder", lambda name: folder if name == "pets" else None)
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    press(qtbot, detail.header.delete)
    dialog = asked(tab)
    texts = [text.text() for text in dialog.findChildren(QLabel)]
    assert "Delete pets?" in texts
    assert "3 trials go too, with models and logs. The files cannot be brought back." in texts
    qtbot.waitUntil(lambda: dialog.room.text() == "1.2 kB on this disk will be free again.")
    press(qtbot, dialog.buttons["cancel"])
    assert tab.list.current() == "pets"
    assert ("delete", "pets") not in engine.called


def test_delete_key_deletes_after_the_question(tab, engine, feed, qtbot):
    add_search(engine, "pets")
    add_search(engine, "other", created=1.0)
    start_jobs(tab, feed, qtbot)
    tab.list.view.setFocus()
    qtbot.keyClick(tab.list.view, Qt.Key.Key_Delete)
    press(qtbot, asked(tab).buttons["delete"])
    assert [job.name for job in tab.model.jobs()] == ["other"]  # at once
    qtbot.waitUntil(lambda: ("delete", "pets") in engine.called)
    qtbot.waitUntil(lambda: [job.name for job in feed.jobs] == ["other"], timeout=10_000)
    qtbot.waitUntil(lambda: "pets is deleted." in tab._toasts.messages)
    assert [job.name for job in tab.model.jobs()] == ["other"]
    add_search(engine, "pets", created=900.0)  # another job of the same name is another job
    qtbot.waitUntil(lambda: [job.name for job in tab.model.jobs()] == ["pets", "other"], timeout=10_000)


def test_a_delete_that_fails_brings_the_job_back(tab, engine, feed, qtbot):
    add_search(engine, "pets")
    start_jobs(tab, feed, qtbot)
    engine.refuse["delete"] = EngineError("The files are in use.")
    tab.delete("pets")
    press(qtbot, asked(tab).buttons["delete"])
    qtbot.waitUntil(lambda: [job.name for job in tab.model.jobs()] == ["pets"])
    assert "The files are in use." in tab._toasts.messages[-1]


def test_a_running_job_is_not_deleted_but_says_why(tab, engine, feed, qtbot):
    add_search(engine, "pets", running=1)
    start_jobs(tab, feed, qtbot)
    tab.delete("pets")
    assert tab._toasts.messages == ["pets is running: stop it first."]
    assert not tab.window().findChildren(DeleteDialog)


def test_the_job_says_when_it_was_made_of_what_by_which_code(tab, engine, feed, qtbot):
    add_search(engine, "pets", dataset_version="abcdef0123456789", code_version="0.1.0+3f2a91c0")
    detail = start_jobs(tab, feed, qtbot)
    assert detail.header.facts.text().endswith("· dataset abcdef01 · code 0.1.0+3f2a91c0")
    assert "code 0.1.0+3f2a91c0" in tab.model._sentence(engine.job("pets"))


@pytest.mark.qt_log_ignore("This plugin does not support grabbing the keyboard")  # which a menu does
def test_a_trial_is_stopped_from_its_row_by_menu_or_key(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3, running=1)
    detail = start_jobs(tab, feed, qtbot)
    table = detail.table
    done, running = (make_trial("pets", n, JobStatus.IN_PROGRESS, None).name for n in (2, 3))
    detail.select(running)
    table.view.customContextMenuRequested.emit(table.view.visualRect(table.view.currentIndex()).center())
    assert table.menu.isVisible()
    assert table.stop.isEnabled()
    assert not table.predict.isEnabled()
    table.stop.trigger()
    table.menu.hide()
    qtbot.waitUntil(lambda: ("stop", running) in engine.called)
    engine.called.clear()
    detail.select(done)
    tab.activateWindow()  # shortcuts are heard by the active window alone
    qtbot.waitUntil(tab.isActiveWindow)
    table.view.setFocus()
    qtbot.keyClick(table.view, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    assert engine.called == []  # it has ended
    detail.select(running)
    qtbot.keyClick(table.view, Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: engine.called == [("stop", running)])


def test_a_trials_command_line_is_a_training_of_its_own(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    detail.select(make_trial("pets", 2, JobStatus.COMPLETED, 0.5).name)
    QGuiApplication.clipboard().setText("")
    detail.table.command.trigger()
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text().startswith("sagehound train /data/pets"))
    assert "learning_rate=0.0002" in QGuiApplication.clipboard().text()


def test_a_failed_job_leads_with_its_reason(tab, engine, feed, qtbot):
    reason = "The loss is not a number.\nTraceback (most recent call last):\n  x\nValueError: nan"
    add_search(engine, "pets", trials=2, status=JobStatus.FAILED, failure_reason=reason, max_jobs=9)
    detail = start_jobs(tab, feed, qtbot)
    assert detail.failure.isVisible()
    assert detail.failure._what.text() == "The loss is not a number."
    assert "Resume" in detail.failure._next.text()
    assert detail.failure._trace.isVisible()  # first the sentence, then the traceback, then the way to the log
    assert detail.failure._what.y() < detail.failure._trace.y() < detail.failure.open_log.y()
    assert detail.failure._trace.toPlainText().endswith("ValueError: nan")
    press(qtbot, detail.failure.show_trace)
    assert not detail.failure._trace.isVisible()
    press(qtbot, detail.failure.open_log)
    assert detail.log.is_open


def test_a_failed_trial_that_is_chosen_says_why(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=2)
    failed = make_trial("pets", 3, JobStatus.FAILED, None)
    engine.put(dataclasses.replace(failed, failure_reason="The process was killed.", engine="sagemaker"))
    engine.log_url = lambda name: f"https://console/{name}"
    detail = start_jobs(tab, feed, qtbot)
    assert not detail.failure.isVisible()
    detail.select(failed.name)
    assert detail.failure._what.text() == "The process was killed."
    qtbot.waitUntil(lambda: detail.failure.web_log.url == f"https://console/{failed.name}", timeout=5_000)
    assert "did without this trial" in detail.failure._next.text()
    assert not detail.figures.isVisible()
    assert not detail.best.predict.isVisible()  # it left no model
    table = detail.table.view
    qtbot.waitUntil(lambda: table.viewport().rect().contains(table.visualRect(table.currentIndex()).center()))
    detail.table.view.setFocus()
    qtbot.keyClick(detail.table.view, Qt.Key.Key_Escape)
    assert detail.selected == ""
    assert not detail.failure.isVisible()


def test_a_single_training_job_has_no_trials_but_all_else(tab, engine, feed, qtbot):
    spec = training_spec("single", learning_rate="0.003")
    job = TrainingJob("single", JobStatus.COMPLETED, 5.0, hyperparameters=spec.hyperparameters, objective=0.1)
    engine.put(job, spec)
    engine.tell(curve_of("single", 10, 5))
    detail = start_jobs(tab, feed, qtbot, "single")
    assert not detail.table.isVisible()
    assert not detail.views.tabs.isTabVisible(2)
    assert detail.figures.figure(1) == "100 %"
    assert detail.best.title.text() == "Hyperparameters"
    detail.views.curves.redraw()
    assert len(detail.views.curves._thick[0].getData()[0]) >= 5


def test_train_this_and_use_for_predictions_name_the_trial(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    best = make_trial("pets", 3, JobStatus.COMPLETED, 1 / 3).name
    with qtbot.waitSignal(tab.train_again_asked) as train:
        press(qtbot, detail.best.train)
    with qtbot.waitSignal(tab.use_model_asked) as use:
        press(qtbot, detail.best.predict)
    assert train.args == use.args == [best]
    press(qtbot, detail.best.copy)
    assert "learning_rate=0.00030000000000000003" in QGuiApplication.clipboard().text()


def test_the_command_line_of_a_job_asks_for_the_same(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    QGuiApplication.clipboard().setText("")
    detail.header.command_asked.emit()
    qtbot.waitUntil(lambda: QGuiApplication.clipboard().text() != "")
    words = shlex.split(QGuiApplication.clipboard().text())
    spec = parsed(build_parser().parse_args(words[1:]))
    asked = engine.spec("pets")
    assert spec.ranges == asked.ranges
    assert spec.max_jobs == asked.max_jobs
    assert spec.training.objective == asked.training.objective
    assert asked.training.hyperparameters.items() <= spec.training.hyperparameters.items()


def test_a_job_that_is_not_known_yet_is_shown_as_soon_as_it_is(tab, engine, feed, qtbot):
    add_search(engine, "pets")
    start_jobs(tab, feed, qtbot)
    tab.show_job("new")
    add_search(engine, "new", trials=1, created=500.0)
    qtbot.waitUntil(lambda: tab.list.current() == "new", timeout=10_000)


def test_a_job_that_cannot_be_described_says_why(tab, engine, feed, qtbot, monkeypatch):
    add_search(engine, "pets")

    def refuse(name):
        raise EngineError("The job cannot be read.", "The database is locked.", "Try again.")

    monkeypatch.setattr(engine, "spec", refuse)
    feed.start()
    qtbot.waitUntil(lambda: tab._choose._sentence.text() == "The job cannot be read.", timeout=10_000)
    assert tab._choose._detail.text() == "The database is locked. Try again."


def test_a_job_that_loads_slowly_says_so(tab, engine, feed, qtbot, monkeypatch):
    add_search(engine, "pets")
    go, spec = threading.Event(), engine.spec

    def slow(name):
        go.wait(20)
        return spec(name)

    monkeypatch.setattr(engine, "spec", slow)
    said = []
    monkeypatch.setattr(tab._slow, "start", lambda: said.append(tab._choose._sentence.text()))
    feed.start()
    qtbot.waitUntil(lambda: said == [""])  # not that a job is to be chosen
    tab._slow.timeout.emit()
    assert tab._choose._sentence.text() == "Loading pets…"
    go.set()
    qtbot.waitUntil(lambda: tab.detail is not None and tab.detail.isVisible(), timeout=10_000)


def test_closing_the_log_gives_its_room_back(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=4)
    detail = start_jobs(tab, feed, qtbot)
    qtbot.waitUntil(detail.isVisible)
    press(qtbot, detail.log.switch)
    opened = detail.split.sizes()
    assert opened[2] >= 160
    press(qtbot, detail.log.switch)
    closed = detail.split.sizes()
    assert closed[2] == detail.log.height() < 60
    assert closed[0] > opened[0]
    assert closed[1] >= opened[1]  # its rows are whole in both
    press(qtbot, detail.log.switch)
    press(qtbot, detail.log.switch)
    assert detail.split.sizes() == closed


def test_no_job_is_claimed_to_be_missing_before_the_engine_has_answered(tab, feed, qtbot):
    assert tab.empty.accessibleName() == "Looking for your jobs…"
    assert not tab.empty.button.isVisible()
    feed.start()
    qtbot.waitUntil(lambda: tab.empty.accessibleName() == "No job has been started yet.")
    assert tab.empty.button.isVisible()


def test_report_findings_and_comparison_are_saved_from_a_jobs_menu(tab, engine, feed, qtbot, tmp_path):
    add_search(engine, "pets", trials=3)
    add_search(engine, "older", trials=1, created=1.0)
    found = RuleOutcome("pets-002", "Overfit", RuleStatus.ISSUES_FOUND, 1.0, evaluated=3, details="It overfits.")
    engine.tell([dataclasses.replace(found, job=trial.name) for trial in engine.trials("pets")])
    detail = start_jobs(tab, feed, qtbot)

    def saved(asked, name):
        dialog = asked("pets")
        dialog.fileSelected.emit(str(tmp_path / name))
        dialog.close()
        qtbot.waitUntil((tmp_path / name).exists, timeout=30_000)
        return (tmp_path / name).read_text(encoding="utf-8")

    assert saved(tab.exports.save_findings, "all.csv").count("Overfit") == 3
    assert "Overfit found why it could be better" in saved(tab.exports.save_report, "report.html")
    actions = {action.text(): action for action in detail.header.more.menu().actions()}
    actions["Compare reports…"].trigger()
    question = tab.findChild(QInputDialog)
    assert question.comboBoxItems() == ["older"]
    question.reject()
