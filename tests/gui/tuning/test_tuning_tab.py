"""The Tuning tab: typing, undo, presets, checks, forecast, what it remembers."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QScrollArea

from core.dataset.augmentation import EDGE
from core.jobs.ranges import Scaling
from core.jobs.specs import Strategy
from gui.tuning.range_draft import Kind, RangeDraft
from tests.gui.fakes import add_search, press, row_of, type_into


def test_it_opens_with_the_quick_look_ready_to_start(make_tab, manifest, qtbot):
    tab = make_tab()
    tab.set_dataset(manifest)
    assert [row.draft().name for row in tab.ranges.rows()] == ["weight_decay", "optimizer", "folds", "refit"]
    assert tab.card.start.isEnabled()
    assert tab.card.start.text() == "Start tuning"
    assert tab.card.lines()["Dataset"].startswith("2 classes, 16 train")
    assert tab.card.lines()["Trials"] == "8 trials, 2 at once, Bayesian"
    qtbot.waitUntil(lambda: tab.card.lines()["Time"].startswith("About"), timeout=20_000)


def test_without_a_dataset_it_asks_for_one(make_tab, qtbot):
    tab = make_tab()
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
    tab.ranges.set_drafts([RangeDraft("head", Kind.CATEGORICAL, values="linear, mlp")])
    assert not tab.model_form.head.isEnabled()
    tab.apply_preset("Thorough")
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


def test_the_form_survives_a_restart(tab, make_tab, bench, qtbot):
    tab.apply_preset("Thorough")
    tab.search_form.max_jobs.setValue(33)
    type_into(qtbot, row_of(tab, "weight_decay").low, "0.002")
    tab.hide()
    again = make_tab()
    assert again.draft() == tab.draft()
    assert again.draft().max_jobs == 33
    bench.settings.remember("tuning_form", {"rows": [{"nonsense": 1}]})
    assert make_tab().draft().max_jobs == 8


def test_another_mode_gets_the_search_that_it_needs(tab):
    tab.apply_preset("Quick look")
    assert tab.draft().metric == "cv:loss"
    tab.model_form.mode.setCurrentIndex(tab.model_form.mode.findData("fine_tune"))
    draft = tab.draft()
    assert [row.name for row in draft.searched] == ["learning_rate"]
    assert (draft.mode, draft.metric) == ("fine_tune", "Average loss")
    assert tab.problem() is None


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


def test_every_control_has_a_name_for_screen_readers(tab):
    from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit

    for kind in (QComboBox, QAbstractSpinBox, QLineEdit, QAbstractButton):
        for control in tab.findChildren(kind):
            if not control.isVisible() or isinstance(control.parent(), QComboBox | QAbstractSpinBox | QLineEdit):
                continue
            text = control.text() if isinstance(control, QAbstractButton) else ""
            assert control.accessibleName() or text, control


def test_a_search_can_end_at_a_target_or_by_patience(tab, qtbot):
    form = tab.search_form
    type_into(qtbot, form.target, "good")
    assert form.fields["target"].problem.startswith("'good' is not a number.")
    assert not tab.card.start.isEnabled()
    type_into(qtbot, form.target, "0.05")
    form.patience.setValue(3)
    form.minutes.setValue(90)
    form.converged.setChecked(True)
    assert tab.card.start.isEnabled()
    assert (tab.draft().target, tab.draft().patience) == ("0.05", 3)
    assert (tab.draft().max_search_s, tab.draft().until_converged) == (5400, True)
    assert "ends at 0.05" in tab.card.lines()["Trials"]
    assert "ends after 1 h 30 min, ends when converged" in tab.card.lines()["Trials"]
    for draft in tab.ranges.drafts():
        press(qtbot, row_of(tab, draft.name).remove)
    assert not form.target.isEnabled()  # nothing is searched: there is no search to end


@pytest.mark.parametrize(("width", "beside"), [(1195, True), (939, False)])
def test_every_column_of_the_ranges_is_in_sight(tab, qtbot, width, beside):
    """In a window of 1280 pixels the forms stand beside the table, in one of 1024 below it."""
    tab.resize(width, 600)
    area = tab.findChildren(QScrollArea)[0]
    qtbot.waitUntil(lambda: area.horizontalScrollBar().maximum() == 0)
    corner = row_of(tab, "learning_rate").remove.mapTo(area.viewport(), QPoint(0, 0))
    assert 0 < corner.x() < area.viewport().width()
    assert (tab.model_form.mapTo(tab, QPoint(0, 0)).y() < tab.ranges.mapTo(tab, QPoint(0, 0)).y()) is beside


def test_fine_tuning_shows_what_a_picture_becomes(tab, manifest, qtbot):
    assert not tab.model_form.preview.isVisible()
    tab.model_form.mode.setCurrentIndex(tab.model_form.mode.findData("fine_tune"))
    assert tab.model_form.preview.isVisibleTo(tab)
    dialog = tab.show_augmentation()
    qtbot.waitUntil(lambda: not dialog.rows[-1].pixmap().isNull(), timeout=20_000)
    assert dialog.name.text() in {entry.path for entry in manifest.of("train")}
    plain, strong = (dialog.rows[place].pixmap().toImage() for place in (0, 2))
    assert plain.size() == strong.size()
    beside = (EDGE + 8, 0, EDGE, EDGE)
    assert plain.copy(*beside) != strong.copy(*beside)  # one square alone where nothing changes
    dialog.accept()
