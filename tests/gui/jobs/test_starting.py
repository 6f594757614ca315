"""What is being started has a row of its own, which can be cancelled."""

from __future__ import annotations

import threading

import pytest

from core.errors import Cancelled
from core.jobs.status import JobStatus
from core.progress import CancelToken, Progress
from tests.gui.fakes import add_search, press, start_jobs


@pytest.fixture
def reading(tab, engine, feed, qtbot, monkeypatch):
    """The row of a search that is resumed, while a locked folder is read; `left` is set when that has ended."""
    jobs, left = tab._workbench.jobs, threading.Event()

    def read(manifest, on_progress, cancel=None):
        on_progress(Progress(3, 9, "Reading holiday", "pictures"))
        try:
            if cancel is not None and cancel.wait(20):
                raise Cancelled
        finally:
            left.set()

    monkeypatch.setattr(jobs._data, "manifest", lambda version: object())
    monkeypatch.setattr(jobs._folders, "refuse_held_out", read)
    add_search(engine, "pets", trials=3, max_jobs=9, status=JobStatus.STOPPED)
    detail = start_jobs(tab, feed, qtbot)
    qtbot.waitUntil(detail.header.resume.isVisible, timeout=10_000)
    press(qtbot, detail.header.resume)
    press(qtbot, detail.header.resume)  # once more: it is under way
    (row,) = tab.starting.rows.values()
    qtbot.waitUntil(lambda: row._message.text() == "Reading holiday", timeout=10_000)
    assert row.isVisible()
    return row, left


def test_resuming_shows_what_is_read_first_and_can_be_cancelled(tab, engine, qtbot, bridge, reading):
    row, left = reading
    press(qtbot, row._cancel)
    assert not tab.starting.isVisible()
    assert left.wait(10)
    qtbot.waitUntil(lambda: bridge.idle, timeout=10_000)
    assert ("resume", "pets") not in engine.called


def test_a_search_is_not_resumed_behind_a_window_that_is_closed(engine, bridge, reading):
    _, left = reading
    assert bridge.close(10)
    assert left.is_set()
    assert ("resume", "pets") not in engine.called


def test_a_resume_that_is_cancelled_after_the_reading_starts_nothing(tab, engine):
    add_search(engine, "pets", trials=3, max_jobs=9, status=JobStatus.STOPPED)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        tab._workbench.jobs.resume("pets", cancel=cancel)
    assert ("resume", "pets") not in engine.called
