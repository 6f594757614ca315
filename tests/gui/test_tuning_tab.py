"""The Tuning tab: typing, undo, presets, checks, weights, forecast, start; and one real search on the local engine."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from core.debugger.choice import keep_config
from core.errors import SpecError, WeightsUnavailable
from core.jobs.specs import DebuggerConfig, Strategy, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.progress import Progress
from core.tuning.ranges import Scaling
from core.workbench import Workbench
from gui.feed import JobsFeed
from gui.models.range_draft import Kind, RangeDraft
from gui.tabs.jobs_tab import JobsTab
from gui.tabs.tuning_tab import TuningTab
from tests.gui.fakes import FakeEngine, add_search


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes that differ in colour, 12 pictures each."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for label, colour in (("blue", (30, 60, 200)), ("red", (200, 60, 30))):
        (root / label).mkdir()
        for number in range(12):
            noise = random.integers(-25, 25, (32, 32, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def bench(engine, paths):
    made = Workbench(paths, engine)
    yield made
    made.close()


@pytest.fixture
def feed(engine, bridge):
    made = JobsFeed(lambda: engine, bridge)
    yield made
    made.stop()


@pytest.fixture
def manifest(bench, pictures):
    return bench.split(bench.scan(pictures))


def make_tab(bench, bridge, feed, qtbot) -> TuningTab:
    tab = TuningTab(bench, bridge, feed)
    qtbot.addWidget(tab)
    tab.resize(1190, 720)
    tab.show()
    return tab


@pytest.fixture
def tab(bench, bridge, feed, manifest, qtbot):
    made = make_tab(bench, bridge, feed, qtbot)
    made.set_dataset(manifest)
    return made


def type_into(qtbot, editor, text):
    editor.setFocus()
    editor.selectAll()
    qtbot.keyClicks(editor, text)


def press(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def row_of(tab, name):
    return next(row for row in tab.ranges.rows() if row.draft().name == name)


def test_it_opens_with_the_quick_look_ready_to_start(tab, qtbot):
    assert [row.draft().name for row in tab.ranges.rows()] == ["learning_rate", "batch_size", "num_epochs"]
    assert tab.card.start.isEnabled()
    assert tab.card.start.text() == "Start tuning"
    assert tab.card.lines()["Dataset"].startswith("2 classes, 16 train")
    assert tab.card.lines()["Trials"] == "8 trials, 2 at once, Bayesian"
    qtbot.waitUntil(lambda: tab.card.lines()["Time"].startswith("About"), timeout=20_000)


def test_without_a_dataset_it_asks_for_one(bench, bridge, feed, qtbot):
    tab = make_tab(bench, bridge, feed, qtbot)
    assert not tab.card.start.isEnabled()
    assert tab.card.start.toolTip() == "There is no dataset yet."
    with qtbot.waitSignal(tab.dataset_asked):
        press(qtbot, tab.card.data)


def test_typing_is_checked_beside_the_field_and_start_says_why(tab, qtbot):
    row = row_of(tab, "learning_rate")
    type_into(qtbot, row.low, "1")
    assert row.problem.text().startswith("The range of learning_rate ends before it starts.")
    assert row.high.property("invalid")
    assert not tab.card.start.isEnabled()
    assert "ends before it starts" in tab.card.reason.text()
    type_into(qtbot, row.low, "0.001")
    assert not row.problem.isVisible()
    assert tab.card.start.isEnabled()


def test_every_edit_can_be_undone(tab, qtbot):
    before = tab.ranges.drafts()
    row = row_of(tab, "batch_size")
    type_into(qtbot, row.high, "99")
    qtbot.keyClick(row.high, Qt.Key.Key_Return)
    edited = tab.ranges.drafts()
    assert edited != before
    press(qtbot, row_of(tab, "learning_rate").remove)
    assert len(tab.ranges.rows()) == 2
    assert tab.ranges.undo_button.toolTip().startswith("Undo removing learning_rate")
    press(qtbot, tab.ranges.undo_button)
    assert tab.ranges.drafts() == edited
    press(qtbot, tab.ranges.undo_button)
    assert tab.ranges.drafts() == before
    assert not tab.ranges.undo_button.isVisible()


def test_a_row_that_is_named_gets_a_sensible_range(tab, qtbot):
    press(qtbot, tab.ranges.add_range)
    row = tab.ranges.rows()[-1]
    assert row.draft().name not in {"learning_rate", "batch_size", "num_epochs"}
    tab.ranges.set_drafts([RangeDraft()])
    row = tab.ranges.rows()[0]
    assert row.problem.text().startswith("The hyperparameter has no name.")
    row.name.setEditText("weight_decay")
    assert row.draft().low == "1e-6"
    assert row.draft().scaling is Scaling.LOGARITHMIC
    assert row.strip.toolTip().startswith("Values such as 1e-06")


def test_a_fixed_value_and_a_categorical_have_one_field(tab, qtbot):
    press(qtbot, tab.ranges.add_fixed)
    row = tab.ranges.rows()[-1]
    assert row.draft().kind is Kind.FIXED
    assert not row.low.isVisible()
    assert row.values.isVisible()
    row.kind.setCurrentIndex(row.kind.findData(Kind.CATEGORICAL))
    type_into(qtbot, row.values, "a, a")
    assert "twice" in row.problem.text()


def test_what_the_table_searches_is_grey_in_the_form(tab):
    assert tab.model_form.head.isEnabled()
    tab.apply_preset("Thorough")
    assert not tab.model_form.head.isEnabled()
    press_undo = tab.ranges.undo_button
    assert press_undo.toolTip().startswith("Undo the preset Thorough")


def test_presets_fill_everything(tab):
    tab.apply_preset("ResNet-18 notebook")
    draft = tab.draft()
    assert draft.backbone == "resnet18"
    assert draft.head == "linear_dropout_batchnorm"
    assert draft.regex == r"Average loss: ([0-9\.]+)"
    assert (draft.max_jobs, draft.maximize) == (10, False)


def test_the_regex_is_tried_on_a_real_line(tab, qtbot):
    check = tab.card.metric_check
    assert "<b" in check.line.text()
    assert check.result.text() == "Value found: 0.123400"
    type_into(qtbot, check.regex, r"no such thing (\d+)")
    assert "The regex finds no Average loss." in check.field.problem
    assert not tab.card.start.isEnabled()
    type_into(qtbot, check.regex, "(")
    assert "cannot be read" in check.field.problem
    type_into(qtbot, check.regex, r"valid_loss=([0-9.]+)")
    assert tab.card.start.isEnabled()
    assert tab.draft().regex == r"valid_loss=([0-9.]+)"


def test_another_metric_brings_its_regex_and_goal(tab, qtbot):
    box = tab.search_form.metric_box
    at = box.findText("valid:accuracy")
    box.setCurrentIndex(at)
    box.activated.emit(at)
    assert tab.search_form.goal.currentText() == "Maximize"
    assert tab.card.metric_check.regex.text().startswith("valid_accuracy=")
    assert tab.card.start.isEnabled()


def test_warnings_come_from_the_forecast(tab, qtbot):
    tab.search_form.max_jobs.setValue(2)
    tab.search_form.parallel.setValue(2)
    qtbot.waitUntil(lambda: any("it is a random one" in text for text in tab.card.warnings), timeout=20_000)
    tab.search_form.max_jobs.setValue(12)
    qtbot.waitUntil(lambda: not any("it is a random one" in text for text in tab.card.warnings), timeout=20_000)


def test_grid_refuses_a_continuous_range_at_the_strategy(tab):
    tab.search_form.strategy.setCurrentText("Grid")
    assert "Grid cannot try every value of learning_rate." in tab.search_form.fields["strategy"].problem
    assert not tab.card.start.isEnabled()
    tab.ranges.set_drafts([RangeDraft("batch_size", Kind.INTEGER, "4", "8")])
    assert tab.card.lines()["Grid"] == "5 combinations"
    assert tab.card.start.isEnabled()


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
    type_into(qtbot, tab.card.name, "no good")
    assert "cannot be a job's name" in tab.card.name_field.problem


def test_an_error_of_the_engine_about_a_row_is_shown_at_the_row(tab, bench, qtbot, monkeypatch):
    def launch(spec, manifest, report, cancel):
        raise SpecError("The range of batch_size is too wide for this engine.", field="batch_size")

    monkeypatch.setattr(bench, "launch", launch)
    press(qtbot, tab.card.start)
    qtbot.waitUntil(lambda: not tab.card.busy)
    qtbot.waitUntil(lambda: "too wide" in row_of(tab, "batch_size").problem.text())


def test_a_launch_shows_progress_and_can_be_cancelled(tab, bench, qtbot, monkeypatch):
    def launch(spec, manifest, report, cancel):
        report(Progress(1, 4, "Making the data ready"))
        cancel.wait(20)
        cancel.raise_if_cancelled()
        return spec.name

    monkeypatch.setattr(bench, "launch", launch)
    started = []
    tab.job_started.connect(started.append)
    press(qtbot, tab.card.start)
    qtbot.waitUntil(lambda: tab.card.progress._message.text() == "Making the data ready")
    assert not tab.card.start.isEnabled()
    press(qtbot, tab.card.progress._cancel)
    assert tab.card.start.isEnabled()
    qtbot.wait(50)
    assert not started


def test_missing_weights_are_said_and_the_ways_out_offered(tab, qtbot, monkeypatch):
    monkeypatch.setattr("core.weights.locate", lambda backbone, paths: None)
    tab.model_form.backbone.setCurrentIndex(tab.model_form.backbone.findData("resnet18"))
    qtbot.waitUntil(tab.weights.fetch.isVisible)
    assert tab.weights.fetch.text() == "Fetch 45 MB now"
    assert tab.card.lines()["Fetches"].startswith("45 MB")

    def no_network(backbone, paths, report, cancel):
        raise WeightsUnavailable("The weights could not be fetched.", "No network.", "Choose another backbone.")

    monkeypatch.setattr("core.weights.ensure", no_network)
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
    monkeypatch.setattr("core.weights.locate", lambda backbone, paths: tmp_path if found else None)

    def ensure(backbone, paths, report, cancel):
        report(Progress(10, 100, "Fetching the weights", "bytes"))
        found.append(backbone)
        return tmp_path

    monkeypatch.setattr("core.weights.ensure", ensure)
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


def test_the_form_survives_a_restart(tab, bench, bridge, feed, qtbot):
    tab.apply_preset("Thorough")
    tab.search_form.max_jobs.setValue(33)
    type_into(qtbot, row_of(tab, "learning_rate").low, "0.002")
    tab.hide()
    again = make_tab(bench, bridge, feed, qtbot)
    assert again.draft() == tab.draft()
    assert again.draft().max_jobs == 33
    bench.settings.remember("tuning_form", {"rows": [{"nonsense": 1}]})
    assert make_tab(bench, bridge, feed, qtbot).draft().max_jobs == 8


def test_a_jobs_settings_come_back_into_the_form(tab, engine, qtbot):
    add_search(engine, "pets", trials=3)
    tab.load_job("pets")
    qtbot.waitUntil(lambda: [row.name for row in tab.draft().searched] == ["learning_rate", "batch_size", "optimizer"])
    assert tab.draft().strategy is Strategy.BAYESIAN
    trial = engine.trials("pets")[1]
    tab.load_job(trial.name)
    qtbot.waitUntil(lambda: not tab.draft().is_tuning)
    assert RangeDraft.fixed("learning_rate", "0.0002") in tab.draft().rows
    assert tab.card.start.text() == "Start training"


def test_earlier_searches_can_be_learned_from(tab, engine, feed, qtbot):
    add_search(engine, "earlier", trials=3)
    feed.start()
    qtbot.waitUntil(lambda: tab.search_form.warm_start.findData("earlier") > 0)
    tab.search_form.warm_start.setCurrentIndex(tab.search_form.warm_start.findData("earlier"))
    with qtbot.waitSignal(tab.job_started, timeout=20_000) as started:
        press(qtbot, tab.card.start)
    assert engine.spec(started.args[0]).warm_start == ("earlier",)


def test_every_control_has_a_name_for_screen_readers(tab):
    from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit

    for kind in (QComboBox, QAbstractSpinBox, QLineEdit, QAbstractButton):
        for control in tab.findChildren(kind):
            if not control.isVisible() or isinstance(control.parent(), QComboBox | QAbstractSpinBox | QLineEdit):
                continue
            text = control.text() if isinstance(control, QAbstractButton) else ""
            assert control.accessibleName() or text, control


@pytest.mark.timeout(240)
def test_a_real_search_from_start_to_its_curves(workbench, bridge, pictures, qtbot):
    """Tuning tab, local engine, real training script, Jobs tab."""
    feed = JobsFeed(lambda: workbench.engine, bridge)
    tuning = TuningTab(workbench, bridge, feed)
    jobs = JobsTab(workbench, bridge, feed)
    for page in (tuning, jobs):
        qtbot.addWidget(page)
        page.resize(1190, 720)
        page.show()
    tuning.job_started.connect(jobs.show_job)
    feed.start()
    tuning.set_dataset(workbench.split(workbench.scan(pictures)))
    tuning.ranges.set_drafts(
        [
            RangeDraft("learning_rate", Kind.CONTINUOUS, "0.001", "0.03", Scaling.LOGARITHMIC),
            RangeDraft.fixed("num_epochs", "3"),
            RangeDraft.fixed("batch_size", "8"),
        ]
    )
    tuning.search_form.max_jobs.setValue(2)
    tuning.search_form.parallel.setValue(1)
    try:
        with qtbot.waitSignal(tuning.job_started, timeout=60_000) as started:
            press(qtbot, tuning.card.start)
        name = started.args[0]
        qtbot.waitUntil(lambda: jobs.watch.job is not None and jobs.watch.job.name == name, timeout=30_000)
        qtbot.waitUntil(lambda: jobs.watch.job.status.is_final, timeout=150_000)
        assert jobs.watch.job.status is JobStatus.COMPLETED, jobs.watch.job.failure_reason
        qtbot.waitUntil(lambda: jobs.detail.trials.rowCount() == 2, timeout=10_000)
        losses = jobs.watch.curves.series("Average loss")
        qtbot.waitUntil(lambda: [len(series.x) for series in losses.values()] == [3, 3], timeout=10_000)
        assert jobs.detail.figures.figure(1) == "2 / 2"
        jobs.detail.log.set_open(True)
        qtbot.waitUntil(lambda: jobs.detail.log.model.total > 3, timeout=10_000)
        jobs.detail.views.tabs.setCurrentIndex(4)
        evaluation = jobs.detail.views.evaluation
        qtbot.waitUntil(lambda: evaluation.summary.text().startswith("Accuracy"), timeout=30_000)
    finally:
        feed.stop()
        for job in workbench.engine.jobs():
            workbench.engine.stop(job.name)
