"""An engine whose models say a word, without torch; rehearsals, which need it, have tests of their own."""

from __future__ import annotations

import dataclasses
import io
import tarfile
import time

import pytest

from core.cloud.hosting import Rehearsal
from core.engines.sagemaker.endpoints import deployer
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.timing import Timing
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.jobs.status import JobStatus

SAYS = """
import json
def model_fn(folder): return {word!r}
def input_fn(body, kind): return body
def predict_fn(data, model): return model
def output_fn(word, accept): return json.dumps({{"predictions": [{{"label": word, "probability": 1.0}}]}}), accept
"""
BROKEN = "raise RuntimeError('a wrong turn')"


@pytest.fixture
def words_engine(cloud, aws, workspace, paths, store, tmp_path, monkeypatch):
    """Jobs `one`, `two` and `bad`, trained here; what they have learnt is their name, but `bad` cannot be loaded."""
    cloud.forget()
    cloud.serving.handler = "miniature"
    monkeypatch.setattr(deployer, "rehearse", lambda *_: Rehearsal((("rehearsed", 1.0),), 0.0, 0.0))
    spec = TrainingSpec("one", {}, {}, (MetricDefinition("Average loss", "loss: ([0-9.]+)"),))
    for name, code in (("one", SAYS.format(word="one")), ("two", SAYS.format(word="two")), ("bad", BROKEN)):
        file = tmp_path / f"{name}.tar.gz"
        with tarfile.open(file, "w:gz", compresslevel=0) as tar:
            member = tarfile.TarInfo("code/inference.py")
            member.size = len(code)
            tar.addfile(member, io.BytesIO(code.encode()))
        store.add_job(TrainingJob(name, JobStatus.IN_PROGRESS, time.time()), dataclasses.replace(spec, name=name))
        store.update_job(name, status=JobStatus.COMPLETED, artifact=str(file))
    engine = SageMakerEngine(paths, store, aws, workspace, timing=Timing(0.1, 0.1, login=0.3, delete=0.05))
    yield engine
    engine.close()
    cloud.forget()
