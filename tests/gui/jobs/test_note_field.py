"""Notes of jobs and trials: typed, kept, each at its own."""

from __future__ import annotations

import dataclasses

from PySide6.QtCore import Qt

from core.jobs.status import JobStatus
from tests.gui.fakes import add_search, make_trial, start_jobs


def test_a_note_is_kept_when_the_focus_leaves(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    note = detail.header.note
    assert note.text() == ""
    note.setFocus()
    qtbot.keyClicks(note, "good start")
    assert ("note", "pets") not in engine.called
    detail.table.view.setFocus()
    qtbot.waitUntil(lambda: engine.job("pets").note == "good start")
    qtbot.waitUntil(lambda: tab.model.index(0).data(Qt.ItemDataRole.ToolTipRole).endswith("good start"), timeout=10_000)
    detail.header.show_job(dataclasses.replace(engine.job("pets"), note=""), True)  # described before it was kept
    assert note.text() == "good start"
    note.setFocus()
    qtbot.keyClicks(note, " but")
    qtbot.keyClick(note, Qt.Key.Key_Escape)
    assert note.text() == "good start"


def test_typing_goes_on_while_the_job_changes_and_is_kept_for_the_right_job(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3, running=1)
    add_search(engine, "other", created=1.0)
    detail = start_jobs(tab, feed, qtbot)
    detail.header.note.setFocus()
    qtbot.keyClicks(detail.header.note, "half a th")
    detail.header.show_job(dataclasses.replace(engine.job("pets"), progress=0.9, note="from elsewhere"), True)
    assert detail.header.note.text() == "half a th"
    tab.show_job("other")
    qtbot.waitUntil(lambda: engine.job("pets").note == "half a th")
    qtbot.waitUntil(lambda: detail.header.note.text() == "")
    assert engine.job("other").note == ""


def test_a_trial_has_a_note_of_its_own(tab, engine, feed, qtbot):
    add_search(engine, "pets", trials=3)
    detail = start_jobs(tab, feed, qtbot)
    second = make_trial("pets", 2, JobStatus.COMPLETED, 0.5).name
    detail.select(second)
    detail.best.note.setFocus()
    qtbot.keyClicks(detail.best.note, "odd one")
    qtbot.keyClick(detail.best.note, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: engine.job(second).note == "odd one")
    row = detail.trials.row_of(second)
    tip = Qt.ItemDataRole.ToolTipRole
    qtbot.waitUntil(lambda: detail.trials.index(row, 0).data(tip) == f"{second}\nodd one", timeout=10_000)
