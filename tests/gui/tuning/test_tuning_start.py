"""From Start to a job: launch, refusals, weights. (tests/gui/test_main_job.py has a real search.)"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from core.debugger.choice import keep_config
from core.errors import SpecError, WeightsUnavailable
from core.jobs.specs import DebuggerConfig, TrainingSpec, TuningSpec
from core.progress import Progress
from core.workbench.job_work import JobWork
from gui.tuning.range_draft import RangeDraft
from tests.gui.fakes import add_search, press, row_of, type_into


def test_start_hands_the_spec_to_the_engine_and_tells(tab, engine, qtbot, manifest):
    type_into(qtbot, tab.card.name, "my-search")
    with qtbot.waitSignal(tab.job_started, timeout=20_000) as started:
        press(qtbot, tab.card.start)
    assert started.args == ["my-search"]
    assert ("start", "my-search") in engine.called
    spec = engine.spec("my-search")
    assert isinstance(spec, TuningSpec)
    assert spec.training.dataset_version == manifest.version
    assert spec.training.channels == {"train": "memory"}
    assert tab.card.name.text() == ""
    assert tab.card.start.isEnabled()


def test_the_rules_chosen_for_the_project_are_part_of_the_spec(tab, bench, engine, qtbot, manifest):
    keep_config(bench.settings, str(manifest.root), DebuggerConfig(save_interval=7, actions={"Overfit": "stop"}))
    with qtbot.waitSignal(tab.job_started, timeout=20_000) as started:
        press(qtbot, tab.card.start)
    assert engine.spec(started.args[0]).training.debugger.save_interval == 7


def test_ctrl_enter_starts_from_anywhere(tab, engine, qtbot):
    row_of(tab, "learning_rate").low.setFocus()
    with qtbot.waitSignal(tab.job_started, timeout=20_000):
        qtbot.keyClick(QApplication.focusWidget() or tab, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)


def test_without_a_range_a_training_job_is_started(tab, engine, qtbot):
    tab.ranges.set_drafts([RangeDraft.fixed("num_epochs", "3")])
    assert tab.card.start.text() == "Start training"
    assert not tab.search_form.max_jobs.isEnabled()
    with qtbot.waitSignal(tab.job_started, timeout=20_000) as started:
        press(qtbot, tab.card.start)
    assert isinstance(engine.spec(started.args[0]), TrainingSpec)


def test_a_name_that_is_taken_is_refused_in_place(tab, engine, qtbot):
    add_search(engine, "taken")
    type_into(qtbot, tab.card.name, "taken")
    press(qtbot, tab.card.start)
    qtbot.waitUntil(tab.card.error.isVisible, timeout=20_000)
    assert tab.card.error.text.startswith("There is a job taken already.")
    assert tab.card.start.isEnabled()


def paste_into(qtbot, editor, text):
    """Replace a field's text by pasting: QTest types ASCII only."""
    QApplication.clipboard().setText(text)
    editor.selectAll()
    qtbot.keyClick(editor, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)


def test_a_job_can_be_called_anything(tab, engine, qtbot, feed, monkeypatch):
    titles = {}
    monkeypatch.setattr(JobWork, "rename", lambda _self, name, title: titles.__setitem__(name, title))
    add_search(engine, "Brulee-no-2", trials=1)
    with qtbot.waitSignal(feed.jobs_changed):
        feed.start()
    paste_into(qtbot, tab.card.name, "Brûlée, no. 2!")
    assert tab.card.start.isEnabled()
    with qtbot.waitSignal(tab.job_started) as started:
        press(qtbot, tab.card.start)
    assert started.args == ["Brulee-no-2-2"]
    assert titles == {"Brulee-no-2-2": "Brûlée, no. 2!"}
    paste_into(qtbot, tab.card.name, "花")
    with qtbot.waitSignal(tab.job_started) as started:
        press(qtbot, tab.card.start)
    assert titles[started.args[0]] == "花"


def test_what_is_wrong_moves_neither_the_name_nor_start(tab, qtbot):
    places = {widget: widget.mapTo(tab, widget.rect().topLeft()) for widget in (tab.card.name, tab.card.start)}
    type_into(qtbot, tab.search_form.max_jobs, "0")
    type_into(qtbot, row_of(tab, "learning_rate").low, "9")
    assert not tab.card.start.isEnabled()
    qtbot.waitUntil(tab.card.reason.isVisible)
    QApplication.processEvents()
    assert {widget: widget.mapTo(tab, widget.rect().topLeft()) for widget in places} == places


def test_a_number_that_is_too_large_is_refused_and_never_cut(tab, qtbot):
    form = tab.search_form
    for spin, most in ((form.max_jobs, "10,000"), (form.patience, "10,000"), (form.minutes, "262,800")):
        type_into(qtbot, spin, "900000")
        assert spin.value() == 900_000
        assert not tab.card.start.isEnabled()
        assert f"Take {most} at most." in tab.card.reason.text()
        type_into(qtbot, spin, "20")
        assert tab.card.start.isEnabled()
    type_into(qtbot, form.max_jobs, "100000")
    assert form.fields["max_jobs"].problem == "Trials: 100,000 is too many. Take 10,000 at most."


def test_an_error_of_the_engine_about_a_row_is_shown_at_the_row(tab, bench, qtbot, monkeypatch):
    def launch(spec, manifest, on_progress, cancel, title):
        raise SpecError("The range of batch_size is too wide for this engine.", field="batch_size")

    monkeypatch.setattr(bench.jobs, "launch", launch)
    press(qtbot, tab.card.start)
    qtbot.waitUntil(lambda: not tab.card.busy)
    qtbot.waitUntil(lambda: "too wide" in row_of(tab, "batch_size").problem.text())


def test_a_launch_shows_progress_and_can_be_cancelled(tab, bench, qtbot, monkeypatch):
    def launch(spec, manifest, on_progress, cancel, title):
        on_progress(Progress(1, 4, "Making the data ready"))
        cancel.wait(20)
        cancel.raise_if_cancelled()
        return spec.name

    monkeypatch.setattr(bench.jobs, "launch", launch)
    started = []
    tab.job_started.connect(started.append)
    press(qtbot, tab.card.start)
    qtbot.waitUntil(lambda: tab.card.progress._message.text() == "Making the data ready")
    assert not tab.card.start.isEnabled()
    press(qtbot, tab.card.progress._cancel)
    assert tab.card.start.isEnabled()
    qtbot.waitUntil(lambda: tab._bridge.idle)
    assert not started


def test_missing_weights_are_said_and_the_ways_out_offered(tab, qtbot, monkeypatch):
    monkeypatch.setattr("core.fetch_weights.locate", lambda backbone, paths: None)
    tab.model_form.backbone.setCurrentIndex(tab.model_form.backbone.findData("resnet18"))
    qtbot.waitUntil(tab.weights.fetch.isVisible)
    assert tab.weights.fetch.text() == "Fetch 45 MB now"
    assert tab.card.lines()["Fetches"].startswith("45 MB")

    def no_network(backbone, paths, on_progress, cancel):
        raise WeightsUnavailable("The weights could not be fetched.", "No network.", "Choose another backbone.")

    monkeypatch.setattr("core.fetch_weights.ensure", no_network)
    press(qtbot, tab.weights.fetch)
    qtbot.waitUntil(tab.weights.error.isVisible)
    assert tab.weights.error.text == "The weights could not be fetched. No network. Choose another backbone."
    # Untrained weights, by explicit choice.
    at = tab.weights.choice.findData("none")
    tab.weights.choice.setCurrentIndex(at)
    tab.weights.choice.activated.emit(at)
    assert tab.draft().weights == "none"
    assert "Fetches" not in tab.card.lines()


def test_weights_are_fetched_with_progress(tab, qtbot, monkeypatch, tmp_path):
    found = []
    monkeypatch.setattr("core.fetch_weights.locate", lambda backbone, paths: tmp_path if found else None)

    def ensure(backbone, paths, on_progress, cancel):
        on_progress(Progress(10, 100, "Fetching the weights", "bytes"))
        found.append(backbone)
        return tmp_path

    monkeypatch.setattr("core.fetch_weights.ensure", ensure)
    tab.model_form.backbone.setCurrentIndex(tab.model_form.backbone.findData("resnet18"))
    qtbot.waitUntil(tab.weights.fetch.isVisible)
    press(qtbot, tab.weights.fetch)
    qtbot.waitUntil(lambda: tab.weights.status.text() == "On this computer.")
    assert not tab.weights.progress.isVisible()
    assert not tab.weights.fetch.isVisible()


def test_a_file_that_is_no_weights_is_refused(tab, qtbot, tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"not weights")
    tab.weights.take_file(file)
    qtbot.waitUntil(tab.weights.error.isVisible, timeout=60_000)
    assert tab.weights.error.text.startswith("weights.pth holds no weights for EfficientNet-Lite0.")
    assert tab.draft().weights == "default"


def test_earlier_searches_can_be_learned_from(tab, engine, feed, qtbot):
    add_search(engine, "earlier", trials=3)
    feed.start()
    qtbot.waitUntil(lambda: tab.search_form.warm_start.findData("earlier") > 0)
    tab.search_form.warm_start.setCurrentIndex(tab.search_form.warm_start.findData("earlier"))
    with qtbot.waitSignal(tab.job_started, timeout=20_000) as started:
        press(qtbot, tab.card.start)
    assert engine.spec(started.args[0]).warm_start == ("earlier",)
