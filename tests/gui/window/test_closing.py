"""Closing the window: what it remembers, and what becomes of running jobs."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from gui.window.main_window import GEOMETRY_KEY, TAB_KEY


def test_it_closes_at_once_when_nothing_runs_and_remembers_its_state(window, workbench, open_window, qtbot):
    window.show_page("tuning")
    window.resize(1111, 700)
    assert window.close()
    assert workbench.settings.recall(TAB_KEY) == "tuning"
    assert workbench.settings.recall(GEOMETRY_KEY)
    again = open_window(workbench)
    qtbot.waitUntil(lambda: again.shown == "tuning", timeout=5000)
    # The virtual screen is narrower than the window, so Qt fits the width to it; the height is as it was.
    assert again.height() == 700


def test_a_state_that_makes_no_sense_is_ignored(workbench, open_window):
    workbench.settings.remember(TAB_KEY, "gone")
    workbench.settings.remember(GEOMETRY_KEY, "AAAA")
    assert open_window(workbench).shown == "data"


@pytest.mark.parametrize("answer", ["continue", "stop", "cancel"])
def test_closing_with_jobs_running_asks(busy, qtbot, scripted_engine, answer):
    assert not busy.close()
    dialog = busy.closing.dialog
    assert dialog.isVisible()
    assert not busy.close(), "asking twice opens no second dialog"
    assert busy.closing.dialog is dialog
    qtbot.mouseClick(dialog.buttons[answer], Qt.MouseButton.LeftButton)
    if answer == "cancel":
        assert busy.isVisible()
        assert not busy.close()
        busy.closing.dialog.reject()
    else:
        qtbot.waitUntil(lambda: not busy.isVisible(), timeout=5000)
    assert scripted_engine.stopped == (["flowers-1"] if answer == "stop" else [])


def test_the_answer_can_be_kept(busy, qtbot, scripted_engine):
    busy.close()
    busy.closing.dialog.remember.setChecked(True)
    qtbot.mouseClick(busy.closing.dialog.buttons["continue"], Qt.MouseButton.LeftButton)
    assert not busy.isVisible()
    assert busy.workbench.settings.current.on_close == "continue"


def test_the_setting_to_stop_stops_without_asking(busy, qtbot, scripted_engine):
    busy.workbench.settings.change(on_close="stop")
    busy.close()
    qtbot.waitUntil(lambda: not busy.isVisible(), timeout=5000)
    assert busy.closing.dialog is None
    assert scripted_engine.stopped == ["flowers-1"]
