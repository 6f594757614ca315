"""A check after a training: what the model says of pictures that it did not learn from counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.check.check import check
from core.check.findings import Finding, FindingKind
from core.check.trained import TrainedAnswer, TrainedAnswers
from core.dataset.manifest import Manifest
from core.errors import ModelError
from core.features.dataset_features import PictureFeatures
from core.jobs.contract import JobFolder
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.jobs.status import JobStatus
from core.labels.label_state import LabelState
from core.paths import AppPaths
from core.workbench import Workbench
from tests.core.labels.conftest import scan_of


def test_what_the_job_kept_becomes_probabilities_of_the_classes_as_they_are_now() -> None:
    answers = {
        "a": TrainedAnswer("cat", 0.7, "dog", 0.2),
        "b": TrainedAnswer("cat", 0.9, "cat", 0.9),
        "c": TrainedAnswer("bird", 0.9),
    }
    found = TrainedAnswers("job", "net", answers).probabilities(["a", "b", "c", "d"], ["cat", "dog", "fish"])
    assert found[0] == pytest.approx([0.7, 0.2, 0.1])
    assert found[1] == pytest.approx([0.9, 0.05, 0.05])
    assert np.isnan(found[2:]).all(), "a class that is gone, and a picture that it learned from"


def _suspects(trained: TrainedAnswers | None) -> list[Finding]:
    """Check forty pictures of two classes that lie apart; the last four dogs are among the cats."""
    scan = scan_of(Path("/none"), [("cat" if at < 20 else "dog", None, at) for at in range(40)])
    random = np.random.default_rng(0)
    matrix = random.normal(0, 0.1, (40, 16)).astype(np.float32)
    matrix[:20, 0] += 1
    matrix[20:36, 1] += 1
    matrix[36:, 0] += 1
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    found = check(scan, LabelState(), {}, PictureFeatures(scan.pictures, matrix, "net"), trained=trained)
    return [finding for finding in found if finding.kind is FindingKind.LABEL_SUSPECT]


def _said(predicted: str) -> TrainedAnswers:
    """Return a model that took the last four for one class, and is sure of it."""
    sure = TrainedAnswer(predicted, 0.999, "dog", 0.999 if predicted == "dog" else 0.001)
    return TrainedAnswers("flowers-1", "net", {f"{at:064x}": sure for at in range(36, 40)})


def test_what_a_trained_model_says_counts_and_is_said() -> None:
    alone, agrees, objects = (_suspects(trained) for trained in (None, _said("cat"), _said("dog")))
    assert 0 < len(alone) < 4, "the features alone are not sure of all"
    assert [finding.suggested for finding in agrees] == ["cat"] * 4
    assert all("flowers-1, which did not learn from it, says cat too (100%)." in finding.why for finding in agrees)
    assert not any("flowers-1" in finding.why for finding in alone)
    assert not objects, "a model that has not learned from them knows these dogs"


def test_the_best_job_on_the_folder_is_used_and_only_for_what_it_did_not_learn_from(make_dataset, tmp_path) -> None:
    workbench = Workbench(AppPaths(tmp_path / "home").create())
    try:
        scan = workbench.data.scan(make_dataset({"cat": 20, "dog": 20}))
        assert workbench.models.answers_for_check(scan) is None
        manifest = workbench.data.split(scan)
        workbench.data.remember(manifest)
        _finish(workbench, "flowers-1", manifest)
        found = workbench.models.answers_for_check(scan)
        assert found is not None
        assert (found.job, found.backbone) == ("flowers-1", "net")
        held_out = {entry.sha256 for entry in manifest.pictures if entry.split != "train"}
        assert found.answers.keys() == held_out
        assert found == workbench.models.answers_for_check(scan, "flowers-1")
        assert f"answers on the {len(held_out)} pictures" in found.sentence([one.sha256 for one in scan.pictures])
        assert [choice.job for choice in workbench.models.trained_on(scan)] == ["flowers-1"]
        other = workbench.data.scan(make_dataset({"cat": 3, "dog": 3}, "other", 90))
        assert workbench.models.trained_on(other) == []
        assert workbench.models.answers_for_check(other) is None, "it was trained on another folder"
        (JobFolder(workbench.paths.jobs / "flowers-1").output_data / "evaluation.json").unlink()
        assert workbench.models.answers_for_check(scan) is None
        with pytest.raises(ModelError, match="kept no answers"):
            workbench.models.answers_for_check(scan, "flowers-1")
    finally:
        workbench.close()


def _finish(workbench: Workbench, name: str, manifest: Manifest) -> None:
    """Put a finished training job into the store that was right about every picture of valid and test."""
    parameters = {"backbone": "net"}
    metrics = (MetricDefinition("Average loss", "Average loss: ([0-9.]+)"),)
    spec = TrainingSpec(
        name, {}, parameters, metrics, dataset_version=manifest.version, dataset_path=str(manifest.root)
    )
    job = TrainingJob(name, JobStatus.IN_PROGRESS, 1.0, hyperparameters=parameters, dataset_version=manifest.version)
    workbench.store.add_job(job, spec)
    workbench.store.update_job(name, status=JobStatus.COMPLETED, artifact="model.tar.gz")
    folder = JobFolder(workbench.paths.jobs / name).create().output_data
    whole = {"accuracy": 1.0, "loss": 0.1, "count": 1, "confusion": [[1, 0], [0, 1]], "per_class": []}
    (folder / "evaluation.json").write_text(
        json.dumps({"classes": list(manifest.classes), "valid": whole, "test": whole}), encoding="utf-8"
    )
    for split in ("valid", "test"):
        lines = ["path,label,predicted,probability"]
        for entry in manifest.of(split):
            label = manifest.classes[entry.label]
            lines.append(f"{entry.path},{label},{label},0.9")
        (folder / f"predictions_{split}.csv").write_text("\n".join(lines), encoding="utf-8")
