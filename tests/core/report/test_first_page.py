from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.dataset.manifest import Entry, Manifest
from core.jobs.records import RuleOutcome, TrainingJob
from core.jobs.status import JobStatus, RuleStatus
from core.report.document import Document, Facts, Figures, Findings, LineChart, Verdict
from core.report.reported_run import ReadRun, Run, read_run
from core.report.sections import job_document
from core.report.story import read_story


def _document(folder: Path, *outcomes: RuleOutcome, job: TrainingJob | None = None) -> Document:
    read = read_run(Run(folder, job, outcomes), folder)
    assert isinstance(read, ReadRun)
    return job_document(read)


def _block(document: Document, kind: type) -> Any:
    return next(block for block in document.sections[0].blocks if isinstance(block, kind))


@pytest.fixture
def folder(make_job: Any, writer: Any) -> Path:
    made: Path = make_job()
    writer.system(duration=30)
    writer.trace(steps=200)
    shutil.copytree(writer.root, made / "output" / "profiler")
    return made


def test_a_story_is_read_from_the_folder(make_job: Any) -> None:
    story = read_story(make_job(losses=(1.5, 0.9, float("nan"), 0.8)))
    assert story.hyperparameters["backbone"] == "efficientnet_lite0"
    assert (story.dataset, story.classes) == ("pets", ("cat", "dog"))
    assert dict(story.pictures) == {"train": 161, "valid": 53, "test": 53}
    valid = story.curve("valid:loss")
    assert valid is not None
    assert valid.x.tolist() == [1, 2, 3, 4]
    assert valid.last == 0.8
    assert valid.broken_from == 3
    assert story.result is not None
    assert (story.result.split, story.result.right, story.result.count) == ("test", 41, 53)
    assert story.result.interval == pytest.approx((0.6449, 0.8653), abs=1e-3)


def test_the_manifest_knows_more_than_the_folder(make_job: Any, tmp_path: Path) -> None:
    entries = [
        Entry(f"{split}/cat/{n}.png", 0, split, "")
        for split, count in (("train", 3), ("test", 1))
        for n in range(count)
    ]
    story = read_story(make_job(), None, Manifest.build(tmp_path / "cats", ("cat",), entries))
    assert (story.dataset, story.classes, dict(story.pictures)) == ("cats", ("cat",), {"train": 3, "test": 1})


def test_a_damaged_folder_tells_less(make_job: Any) -> None:
    made = make_job()
    for name in ("log.txt", "output/data/evaluation.json", "input/config/hyperparameters.json"):
        (made / name).write_bytes(b"\xff{")
    (made / "input/data/features/0/features.json").write_text("[1]")
    story = read_story(made)
    assert (story.curves, story.results, dict(story.hyperparameters), story.classes) == ((), (), {}, ())


def test_an_epoch_that_was_trained_twice_counts_once(make_job: Any) -> None:
    made = make_job(losses=(1.5, 0.9))
    log = made / "log.txt"
    log.write_text(log.read_text() + log.read_text().replace("valid_loss=0.9", "valid_loss=0.4"))
    curve = read_story(made).curve("valid:loss")
    assert curve is not None
    assert curve.y.tolist() == [1.5, 0.4]


def test_the_verdict_is_two_sentences_and_names_the_root_cause(folder: Path, found_issue: Callable[..., Any]) -> None:
    verdict = _block(_document(folder, found_issue(), found_issue("Overfit")), Verdict)
    assert verdict.sentences == (
        "The model is right on 41 of 53 test pictures, 77.4 % (95 % interval 64 to 87 %).",
        "LearningRateTooHigh found why it could be better: the steps are too long.",
    )
    assert verdict.tone == "warning"


def test_one_root_cause_leads_and_its_consequences_have_no_advice(
    folder: Path, found_issue: Callable[..., Any]
) -> None:
    findings = _block(_document(folder, found_issue(), found_issue("Overfit")), Findings).items
    assert [finding.severity for finding in findings].count("cause") == 1
    assert findings[0].title == "LearningRateTooHigh"
    assert findings[0].text.endswith("From it follows: Overfit.")
    assert findings[0].change == "Try a learning rate of 0.01."
    assert "Overfit" not in {finding.title for finding in findings}


def test_a_finding_that_follows_from_nothing_keeps_its_advice(folder: Path, found_issue: Callable[..., Any]) -> None:
    leak = replace(found_issue("LeakageSuspicion"), file="train.py", line=12)
    findings = _block(_document(folder, found_issue(), leak), Findings).items
    assert [(finding.title, finding.severity) for finding in findings[:2]] == [
        ("LearningRateTooHigh", "cause"),
        ("LeakageSuspicion", "warning"),
    ]
    assert findings[1].text.endswith("See train.py, line 12.")


def test_every_finding_leads_to_a_chapter_that_is_there(folder: Path, found_issue: Callable[..., Any]) -> None:
    document = _document(folder, found_issue())
    keys = [section.key for section in document.sections]
    assert len(set(keys)) == len(keys)
    assert {finding.evidence for finding in _block(document, Findings).items} <= set(keys)


def test_loss_result_and_what_was_trained_stand_on_the_first_page(folder: Path) -> None:
    document = _document(folder)
    charts = [block for block in document.sections[0].blocks if isinstance(block, LineChart)]
    assert [chart.title for chart in charts] == ["Loss", "Accuracy"]
    assert np.allclose(charts[0].lines[1].y, [1.5, 0.9, 0.7, 0.8])
    assert "lowest, 0.7, in epoch 3 of 4" in charts[0].note
    facts = dict(_block(document, Facts).items)
    assert facts["Network"] == "efficientnet_lite0, frozen, head linear"
    assert facts["Pictures"] == "161 train, 53 valid, 53 test"
    assert facts["Dataset"] == "pets, 2 classes: cat, dog"
    assert facts["Hyperparameters"] == "learning_rate 0.003"
    assert ("Accuracy, test", "77.4 %", "64 to 87 %, 41 of 53") in _block(document, Figures).items


def test_a_loss_that_is_not_a_number_is_said(make_job: Any, writer: Any) -> None:
    made = make_job(losses=(1.5, float("nan"), float("nan")))
    writer.trace(steps=20)
    shutil.copytree(writer.root, made / "output" / "profiler")
    document = _document(made)
    assert (
        _block(document, LineChart).note
        == "train is not a number from epoch 2 on. valid is not a number from epoch 2 on."
    )
    assert ("Loss, valid", "not a number", "epoch 3") in _block(document, Figures).items


def test_a_result_no_better_than_the_largest_class_is_called_so(make_job: Any, writer: Any) -> None:
    made = make_job(right=28)
    writer.trace(steps=20)
    shutil.copytree(writer.root, made / "output" / "profiler")
    assert "no better than always saying the largest class" in _block(_document(made), Verdict).sentences[0]


def test_a_healthy_run_is_called_healthy_only_by_rules_that_looked(folder: Path) -> None:
    quiet = RuleOutcome("job", "Overfit", RuleStatus.NO_ISSUES_FOUND, 0.0, evaluated=4)
    assert _block(_document(folder), Verdict).sentences[1] == "No Debugger rule has looked at it."
    blind = _block(_document(folder, replace(quiet, evaluated=0)), Verdict)
    assert blind.sentences[1] == "Nothing that rules look at was saved."
    verdict = _block(_document(folder, quiet), Verdict)
    assert verdict.sentences[1] == "One Debugger rule has looked at it and found no issue."
    assert verdict.tone == "good"


def test_a_failed_job_says_why(folder: Path) -> None:
    job = TrainingJob("j", JobStatus.FAILED, 0.0, failure_reason="Traceback\nMemoryError: out of memory")
    assert _block(_document(folder, job=job), Verdict).sentences[0] == "The job failed: MemoryError: out of memory."


def test_what_is_not_known_of_the_machine_is_said(writer: Any) -> None:
    writer.trace(steps=20)
    document = _document(writer.root)
    assert document.facts == ("machine: not known",)
    assert dict(_block(document, Facts).items)["Machine"] == "not known"
    assert "gpu" not in {section.key for section in document.sections}
    assert "GPU" not in " ".join(document.facts)


def test_the_rules_in_the_folder_count_where_no_engine_knows_them(folder: Path) -> None:
    rules = folder / "output" / "rules"
    rules.mkdir()
    told = '{"job": "job", "rule": "Overfit", "status": "IssuesFound", "time": 1.0, "meaning": "It learns by heart."}'
    (rules / "Overfit.json").write_text(told)
    assert _block(_document(folder), Verdict).sentences[1] == (
        "Overfit found why it could be better: it learns by heart."
    )
