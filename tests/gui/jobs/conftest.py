"""The Jobs tab over an engine in memory, with a feed that does not let tests wait."""

from __future__ import annotations

import pytest

from core.workbench import Workbench
from gui.feed import JobsFeed
from gui.jobs.jobs_tab import JobsTab
from tests.gui.fakes import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def feed(engine, bridge, monkeypatch):
    monkeypatch.setattr("gui.feed.IDLE_MS", 100)
    monkeypatch.setattr("gui.feed.BUSY_MS", 50)
    made = JobsFeed(lambda: engine, bridge)
    yield made
    made.stop()


@pytest.fixture
def tab(engine, paths, bridge, feed, qtbot):
    workbench = Workbench(paths, engine)
    made = JobsTab(workbench, bridge, feed)
    qtbot.addWidget(made)
    made.resize(1190, 720)
    made.show()
    yield made
    workbench.close()
