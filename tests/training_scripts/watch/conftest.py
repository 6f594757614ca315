"""A training of this process that is watched."""

import pytest

from tests.training_scripts.watch.harness import Strict
from training_scripts.watch.checks import all_checks
from training_scripts.watch.patches import install
from training_scripts.watch.recorder import Recorder
from training_scripts.watch.session import Session


@pytest.fixture
def session(tmp_path):
    """One training of this process, watched with all checks and recorded."""
    output = tmp_path / "job" / "output"
    output.mkdir(parents=True)
    session = Session(Strict("job", output), Recorder(output, {"time_share": None}))
    session.add(all_checks)
    patches = install(session)
    yield session
    patches.close()
    session.close()
