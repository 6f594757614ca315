from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.predict.predictor import Predictor


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of converted models, shared: converting takes seconds."""
    return tmp_path_factory.mktemp("converted")


@pytest.fixture(scope="session")
def predictor(trained_job, converted, tmp_path_factory) -> Iterator[Predictor]:
    """A predictor that has loaded the model of the trained job."""
    made = Predictor(converted, log=tmp_path_factory.mktemp("logs") / "predictor.log")
    made.load(trained_job.model, "colours")
    yield made
    made.close()
