"""The engine in use, and the connection that is remembered for jobs on a cloud."""

from __future__ import annotations

import pytest

from core.cloud.account import Connection
from core.engine import Capabilities
from core.engines.local.engine import LocalEngine
from core.errors import EngineError
from core.jobs.specs import TrainingSpec
from core.paths import AppPaths
from core.store.rows import new_record
from core.tuning.presets import DEFAULT_METRICS
from core.workbench.installation import Installation

BEFORE = Connection("old", bucket="one", role="jobs")
NOW = Connection("new", bucket="two", role="jobs")


class _Cloud(LocalEngine):
    """The engine of this machine, but each job costs money."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(costs_money=True)


@pytest.fixture
def installation(tmp_path):
    made = Installation(AppPaths(tmp_path))
    yield made
    made.close()


@pytest.fixture
def connected(tmp_path):
    paths = AppPaths(tmp_path)
    made = Installation(paths)
    made._engine = _Cloud(paths, made.store)
    BEFORE.remember(made.settings)
    made._connection = NOW
    yield made
    made.close()


def test_the_engine_is_made_when_it_is_first_asked_for(installation):
    assert installation._engine is None  # a window is painted before that
    assert installation.engine is installation.engine
    assert isinstance(installation.engine, LocalEngine)


def test_without_a_connection_there_is_no_cloud(installation):
    assert installation.cloud is None
    assert installation.connection == Connection()


def test_a_connection_is_remembered_before_a_job_is_created_with_it(connected):
    with connected.found_again("one"):
        assert Connection.recall(connected.settings) == NOW


def test_a_connection_that_no_job_came_of_is_not_remembered(connected):
    with pytest.raises(EngineError), connected.found_again("one"):
        raise EngineError("AWS refused.")
    assert Connection.recall(connected.settings) == BEFORE


def test_the_connection_of_a_job_that_was_created_after_all_is_kept(connected):
    spec = TrainingSpec("one", {}, {}, DEFAULT_METRICS)
    connected.store.add_job(new_record(spec), spec)  # the answer was lost, or the user did not wait for it
    with pytest.raises(KeyboardInterrupt), connected.found_again("one"):
        raise KeyboardInterrupt
    assert Connection.recall(connected.settings) == NOW


def test_jobs_of_this_machine_remember_no_connection(installation):
    BEFORE.remember(installation.settings)
    installation._engine = LocalEngine(installation.paths, installation.store)
    installation._connection = NOW
    with installation.found_again("one"):
        pass
    assert Connection.recall(installation.settings) == BEFORE
