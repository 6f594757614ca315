"""What a check of the pictures finds, beside them in the Data tab, and which model it asks."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QLabel

from core.check.findings import Finding, FindingKind, Remedy
from core.models.choices import ModelChoice
from gui.shared.dialogs import Decision
from tests.gui.data.opened import do


@pytest.fixture
def tab(opened_tab):
    return opened_tab


def test_what_a_check_finds_is_a_filter_with_its_reason_and_its_remedy(tab, qtbot, workbench, monkeypatch):
    copy = Remedy("exclude", ("rose/rose-01.png",))
    findings = [
        Finding(
            FindingKind.NEAR_DUPLICATE, ("rose/rose-01.png", "rose/rose-02.png"), 0.99, "Both show it.", remedy=copy
        ),
        Finding(FindingKind.ODD, ("tulip/tulip-04.png",), 0.8, "It looks like none of the others."),
    ]
    monkeypatch.setattr(workbench.data, "check", lambda scan, on_progress, cancel, trained: findings)
    with qtbot.waitSignal(tab.check.found):
        qtbot.mouseClick(tab.check.start, Qt.MouseButton.LeftButton)
    links = {made.text(): made for made in tab.check.findChildren(QAbstractButton)}
    qtbot.mouseClick(links["1 copy"], Qt.MouseButton.LeftButton)
    assert tab.pictures.rowCount() == 2
    assert tab.card.filters.chips["odd"].text() == "Odd 0"
    tab.card._show_why(tab.pictures.number(0))
    dialog = tab.card.findChild(Decision)
    assert any(text.text() == "Both show it." for text in dialog.findChildren(QLabel))
    dialog.reject()
    do(tab, qtbot, lambda: qtbot.mouseClick(links["Leave out"], Qt.MouseButton.LeftButton))
    assert tab.pictures.rowCount() == 1
    assert workbench.data.labelling(tab.dataset.scan).events()[-1].source == "check: near_duplicate"
    do(tab, qtbot, lambda: qtbot.mouseClick(tab.card.bar.undo, Qt.MouseButton.LeftButton))
    assert tab.pictures.rowCount() == 2


def test_a_check_by_keyboard_leaves_the_focus_where_it_was(tab, qtbot, workbench, monkeypatch):
    monkeypatch.setattr(workbench.data, "check", lambda *_: [])
    tab.activateWindow()
    qtbot.waitUntil(tab.isActiveWindow)
    tab.check.start.setFocus()
    qtbot.keyClick(tab.check.start, Qt.Key.Key_Space)
    assert tab.check.progress.has_focus, "the same key would end it"
    qtbot.waitUntil(tab.check.start.isEnabled)
    assert tab.check.start.hasFocus()


def test_the_model_that_a_check_asks_is_chosen_where_there_are_models(tab, qtbot, workbench, monkeypatch):
    asked = []
    monkeypatch.setattr(workbench.data, "check", lambda *_: [])
    monkeypatch.setattr(workbench.models, "answers_for_check", lambda scan, job: asked.append(job))
    assert tab.check.model.isHidden(), "no model has learned from this folder"
    choices = [ModelChoice("flowers-2", "flowers-2", 2.0), ModelChoice("flowers-1", "flowers-1", 1.0)]
    monkeypatch.setattr(workbench.models, "trained_on", lambda scan: choices)
    tab.check.hide()
    tab.check.show()
    qtbot.waitUntil(lambda: not tab.check.model.isHidden())
    for at in range(4):
        tab.check.model.setCurrentIndex(at)
        with qtbot.waitSignal(tab.check.found):
            qtbot.mouseClick(tab.check.start, Qt.MouseButton.LeftButton)
    assert asked == ["", "flowers-2", "flowers-1"], "the last choice is to ask none"


def test_the_chosen_model_stays_chosen_for_its_folder_alone(tab, qtbot, workbench, monkeypatch):
    asked, choices = [], [ModelChoice("flowers-2", "flowers-2", 2.0), ModelChoice("flowers-1", "flowers-1", 1.0)]
    monkeypatch.setattr(workbench.data, "check", lambda *_: [])
    monkeypatch.setattr(workbench.models, "answers_for_check", lambda scan, job: asked.append(job))
    monkeypatch.setattr(workbench.models, "trained_on", lambda scan: choices if scan is here else [])
    here, box = tab.dataset.scan, tab.check.model

    def choose(job):
        qtbot.waitUntil(lambda: not box.isHidden())
        box.setCurrentIndex(box.findData(job))
        box.activated.emit(box.currentIndex())

    tab.check.open(here)
    choose("flowers-1")
    tab.check.open(None)
    tab.check.open(here)
    qtbot.waitUntil(lambda: box.currentData() == "flowers-1")
    choose("none")
    tab.check.open(replace(here, root=here.root / "another"))
    assert box.isHidden()
    with qtbot.waitSignal(tab.check.found):
        qtbot.mouseClick(tab.check.start, Qt.MouseButton.LeftButton)
    assert asked == [""]
