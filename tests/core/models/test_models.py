from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from core.engine import Endpoint
from core.errors import EngineError, JobNotFound, ModelError
from core.models import ModelAddress, ModelKind
from core.models.endpoint_model import EndpointModel
from core.models.files import unpacked
from core.models.local import LocalModel
from core.paths import AppPaths
from core.workbench import Workbench
from training_scripts.artifact import package


@pytest.fixture
def workbench(tmp_path):
    made = Workbench(AppPaths(tmp_path / "home"))
    yield made
    made.close()


def test_an_archive_answers_as_the_folder_it_was_made_of(trained_job, predictor, workbench, monkeypatch, tmp_path):
    monkeypatch.setattr(workbench.models, "predictor", lambda: predictor)
    archive = package(trained_job.model, tmp_path / "model.tar.gz")
    address = workbench.models.find(str(archive))
    assert address == ModelAddress(ModelKind.FILE, str(archive))
    there = workbench.models.open(address)
    here = LocalModel(predictor, trained_job.model, ModelAddress.file(trained_job.model), "colours")
    assert (there.name, here.name) == ("model.tar.gz", "colours")
    assert there.classes == here.classes == trained_job.classes
    assert there.info.preprocessing == here.info.preprocessing
    assert there.caption.startswith("3 classes  ·  efficientnet_lite0  ·  ")
    pictures = [trained_job.picture(label) for label in trained_job.classes]
    # Asked in turn, each is answered by itself: one process holds one model at a time.
    for model in (there, here, there):
        answers = model.classify(pictures, None)
        assert [answer.label for answer in answers] == list(trained_job.classes)
        assert {answer.model for answer in answers} == {model.name}
    assert there.explain(pictures[0]).label == trained_job.classes[0]


def test_what_is_no_model_is_refused_in_a_sentence(workbench, tmp_path):
    with pytest.raises(JobNotFound):
        workbench.models.find("no-such-thing")
    with pytest.raises(ModelError, match=r"holds no model.json"):
        workbench.models.open(ModelAddress.file(tmp_path))
    text = tmp_path / "notes.txt"
    text.write_text("no archive")
    with pytest.raises(ModelError, match=r"notes.txt is not a model"):
        unpacked(text, tmp_path / "kept")
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as tar:
        tar.add(text, "notes.txt")
    with pytest.raises(ModelError, match=r"other.tar.gz holds no model"):
        unpacked(tmp_path / "other.tar.gz", tmp_path / "kept")
    with pytest.raises(EngineError, match="is not there any more"):
        workbench.models.open(ModelAddress.endpoint("gone"))


def test_an_endpoint_that_does_not_serve_is_refused():
    with pytest.raises(EngineError, match="its image is missing"):
        EndpointModel(None, Endpoint("live", "Failed", 0.0, failure_reason="its image is missing"))


def test_an_archive_is_unpacked_once(trained_job, tmp_path):
    archive = package(trained_job.model, tmp_path / "model.tar.gz")
    folder = unpacked(archive, tmp_path / "kept")
    before = (folder / "model.json").stat().st_mtime_ns
    assert unpacked(archive, tmp_path / "kept") == folder
    assert (folder / "model.json").stat().st_mtime_ns == before
    (folder / "model.json").write_text("{}")  # damaged since: unpacked again
    assert unpacked(archive, tmp_path / "kept") == folder
    assert (folder / "model.json").read_text() != "{}"
    assert Path(tmp_path / "kept").is_dir()
