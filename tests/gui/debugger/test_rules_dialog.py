"""The dialog of a job's rules."""

import pytest
from PySide6.QtCore import Qt

from core.errors import SpecError
from core.jobs.specs import DebuggerConfig
from gui.debugger.rules_dialog import RulesDialog


@pytest.fixture
def dialog(qtbot):
    kept = []
    made = RulesDialog(None, DebuggerConfig(), {"mode": "head"}, kept.append)
    made.kept = kept
    qtbot.addWidget(made)
    made.show()
    return made


def test_untouched_the_defaults_stay_the_defaults(dialog):
    assert dialog.config() == DebuggerConfig()


def test_a_changed_parameter_is_written_down_alone(dialog):
    dialog.choose("Overfit")
    dialog.fields["patience"].setText("5")
    dialog.action.setCurrentIndex(dialog.action.findData("stop"))
    dialog.set_on("Confusion", True)
    config = dialog.config()
    assert config.default_rules
    assert set(config.rules) == {"Overfit", "Confusion"}
    assert config.rules["Overfit"]["patience"] == "5"
    assert config.actions == {"Overfit": "stop"}


def test_without_one_of_the_defaults_all_rules_are_named(dialog):
    dialog.set_on("Overfit", False)
    config = dialog.config()
    assert not config.default_rules
    assert "Overfit" not in config.rules
    assert "NotANumber" in config.rules


def test_a_wrong_value_is_marked_and_not_kept(dialog, qtbot):
    dialog.choose("Overfit")
    dialog.fields["patience"].setText("many")
    assert dialog.fields["patience"].property("invalid")
    assert "patience must be a number" in dialog.error.text
    qtbot.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    assert dialog.kept == []
    assert dialog.isVisible()
    dialog.fields["patience"].setText("4")
    assert not dialog.error.isVisible()
    qtbot.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
    assert dialog.kept[0].rules["Overfit"]["patience"] == "4"


@pytest.mark.parametrize(("field", "text"), [("interval", "0"), ("interval", "x"), ("budget", ""), ("budget", "-1")])
def test_wrong_settings_are_refused(dialog, field, text):
    getattr(dialog, field).setText(text)
    with pytest.raises(SpecError):
        dialog.config()
