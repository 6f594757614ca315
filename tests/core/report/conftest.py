from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from training_scripts.metrics import epoch_line

MakeJob = Callable[..., Path]


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    """Make the folder of a job as train.py leaves it, without its profile."""

    def make(
        name: str = "job",
        losses: tuple[float, ...] = (1.5, 0.9, 0.7, 0.8),
        right: int = 41,
        count: int = 53,
        **hyperparameters: str,
    ) -> Path:
        folder = tmp_path / name
        for part in ("input/config", "output/data", "input/data/features/0"):
            (folder / part).mkdir(parents=True)
        given = {"backbone": "efficientnet_lite0", "mode": "head", "head": "linear", "learning_rate": "0.003"}
        (folder / "input/config/hyperparameters.json").write_text(json.dumps(given | hyperparameters))
        lines = [
            epoch_line(epoch, len(losses), (loss * 0.8, 0.6 + epoch / 20), (loss, 0.5 + epoch / 20), 0.003, 0.1)
            for epoch, loss in enumerate(losses, 1)
        ]
        (folder / "log.txt").write_text("features: all known\n" + "\n".join(lines) + "\n")
        features = {"classes": ["cat", "dog"], "splits": {"train": 161, "valid": 53, "test": 53}}
        (folder / "input/data/features/0/features.json").write_text(json.dumps(features))
        cats = count // 2
        confusion = [[right // 2, cats - right // 2], [count - cats - (right - right // 2), right - right // 2]]
        told = {
            "accuracy": right / count,
            "loss": 0.5,
            "count": count,
            "root": "C:\\data\\pets",
            "confusion": confusion,
        }
        evaluation = {"classes": ["cat", "dog"], "valid": told, "test": told}
        (folder / "output/data/evaluation.json").write_text(json.dumps(evaluation))
        return folder

    return make


def issue(rule: str = "LearningRateTooHigh", job: str = "job") -> RuleOutcome:
    return RuleOutcome(
        job,
        rule,
        RuleStatus.ISSUES_FOUND,
        0.0,
        first_step=2,
        details="The loss climbed from 1.7 to 2035.",
        meaning="The steps are too long.",
        advice="Try a learning rate of 0.01.",
    )


@pytest.fixture
def found_issue() -> Callable[..., RuleOutcome]:
    return issue
