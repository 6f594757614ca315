from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.dataset.manifest import Entry, Manifest
from core.errors import Cancelled, ModelError
from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus
from core.models import ModelAddress
from core.models.local import LocalModel
from core.predict.evaluate import EvaluatedPicture, compute_evaluation, read_evaluation, summarise
from core.progress import CancelToken
from core.workbench.job_work import JobWork


@pytest.fixture
def manifest(trained_job) -> Manifest:
    """The trained job's dataset, all of it."""
    entries = [
        Entry(path.relative_to(trained_job.dataset).as_posix(), trained_job.classes.index(path.parent.name), split, "")
        for split in ("train", "valid", "test")
        for path in sorted((trained_job.dataset / split).rglob("*.jpg"))
    ]
    return Manifest.build(trained_job.dataset, trained_job.classes, entries)


def computed(trained_job, predictor, manifest, split="test", **listening):
    model = LocalModel(predictor, trained_job.model, ModelAddress.job("colours"), "colours")
    labelled = [(entry.path, manifest.classes[entry.label]) for entry in manifest.of(split)]
    return compute_evaluation(model, manifest.root, labelled, split, **listening)


def test_what_the_job_found_is_read(trained_job):
    found = read_evaluation(trained_job.folder / "output" / "data", "test", "colours")
    assert (found.job, found.split, found.classes, found.count) == ("colours", "test", trained_job.classes, 9)
    assert found.accuracy == 1
    assert found.loss is not None
    assert 0 < found.loss < 0.2
    assert found.confusion == ((3, 0, 0), (0, 3, 0), (0, 0, 3))
    assert [(score.precision, score.recall, score.support) for score in found.per_class] == [(1, 1, 3)] * 3
    assert len(found.pictures) == 9
    assert found.root is not None
    assert all((found.root / picture.path).is_file() for picture in found.pictures)
    assert found.wrong == ()


def test_the_result_of_a_job_says_how_sure_it_is_and_where_it_is_weakest():
    jobs = JobWork(SimpleNamespace(), None, None)
    job = TrainingJob("colours", JobStatus.COMPLETED, 0.0, metrics={"test:accuracy": 8 / 9, "test:count": 9.0})
    assert jobs.result(job) == "Gets 8 of 9 right on test (88.9 %, 57 to 98 %)"
    assert jobs.result(replace(job, weakest="fish")).endswith("; weakest: fish")
    assert jobs.result(replace(job, metrics={"test:accuracy": 0.75})) == "Gets 75.0 % right on test"
    assert jobs.result(replace(job, metrics={})) == ""


def test_computing_it_gives_what_the_job_found(trained_job, predictor, manifest):
    kept = read_evaluation(trained_job.folder / "output" / "data", "test", "colours")
    told = []
    found = computed(trained_job, predictor, manifest, on_progress=told.append)
    assert found.accuracy == kept.accuracy
    for name in ("brier", "ece", "macro_f1", "balanced_accuracy"):
        assert getattr(found.scores, name) == pytest.approx(getattr(kept.scores, name), abs=1e-3)
    assert [picture.rank for picture in kept.pictures] == [1] * 9
    assert found.confusion == kept.confusion
    assert found.loss == pytest.approx(kept.loss, abs=1e-3)
    assert {p.path.split("/")[-1]: p.predicted for p in found.pictures} == {
        p.path.split("/")[-1]: p.predicted for p in kept.pictures
    }
    assert told[-1].done == 9


def test_pictures_that_cannot_be_read_are_counted_and_left_out(trained_job, predictor, manifest, tmp_path):
    root = shutil.copytree(trained_job.dataset, tmp_path / "dataset")
    next(iter((root / "test" / "red").iterdir())).write_bytes(b"broken")
    moved = Manifest.build(root, manifest.classes, manifest.pictures)
    found = computed(trained_job, predictor, moved)
    assert (found.count, found.unreadable) == (8, 1)
    assert found.per_class[2].support == 2
    shutil.rmtree(root / "test")
    with pytest.raises(ModelError, match="None of the test pictures"):
        computed(trained_job, predictor, moved)


def test_what_cannot_be_evaluated_says_so(trained_job, predictor, manifest):
    with pytest.raises(ModelError, match="no holdout pictures"):
        computed(trained_job, predictor, manifest, "holdout")
    foreign = Manifest.build(trained_job.dataset, ("cyan", "green", "red"), manifest.pictures)
    with pytest.raises(ModelError, match="does not know these classes of the pictures: cyan"):
        computed(trained_job, predictor, foreign)
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        computed(trained_job, predictor, manifest, cancel=cancel)


def test_counts_of_a_model_that_errs():
    judged = [
        EvaluatedPicture("1", "a", "a", 0.9),
        EvaluatedPicture("2", "a", "b", 0.6),
        EvaluatedPicture("3", "b", "b", 0.7),
        EvaluatedPicture("4", "b", "a", 0.8),
        EvaluatedPicture("5", "b", "b", 0.5),
    ]
    found = summarise(judged, ("a", "b", "c"), "valid", "job", None)
    assert found.accuracy == 3 / 5
    assert found.confusion == ((1, 1, 0), (1, 2, 0), (0, 0, 0))
    assert [(s.precision, s.recall, s.support) for s in found.per_class] == [
        (1 / 2, 1 / 2, 2),
        (2 / 3, 2 / 3, 3),
        (None, None, 0),
    ]
    assert [picture.path for picture in found.wrong] == ["4", "2"]
    assert [picture.path for picture in found.confused("a", "b")] == ["2"]
    assert found.confused("c", "a") == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"classes": ["a"], "test": null}',
        '{"classes": ["a"], "test": {"count": 1}}',
        '{"classes": ["a", "b"], "test": {"count": 1, "accuracy": 1.0, "confusion": [[1]]}}',
    ],
)
def test_a_damaged_evaluation_is_as_good_as_none(tmp_path, text):
    (tmp_path / "evaluation.json").write_text(text, encoding="utf-8")
    assert read_evaluation(tmp_path, "test") is None


def test_a_loss_that_is_no_number_is_none(tmp_path):
    data = {"classes": ["a"], "test": {"count": 1, "accuracy": 1.0, "confusion": [[1]], "loss": math.nan, "note": "n"}}
    (tmp_path / "evaluation.json").write_text(json.dumps(data), encoding="utf-8")
    found = read_evaluation(tmp_path, "test")
    assert found is not None
    assert found.loss is None
    assert found.pictures == ()
    assert found.note == "n"
