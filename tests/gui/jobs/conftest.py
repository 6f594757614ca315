"""The Jobs tab over an engine in memory, with a feed that does not let tests wait."""

from __future__ import annotations

import pytest

from core.workbench import Workbench
from gui.feed import FeedTiming, JobsFeed
from gui.jobs.jobs_tab import JobsTab
from tests.gui.fakes import FakeEngine


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def feed(engine, bridge):
    made = JobsFeed(lambda: engine, bridge, FeedTiming(50, 100))
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
