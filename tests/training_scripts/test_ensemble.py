"""A model that is the mean of several heads: each as it would be alone, and one model wherever it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from training_scripts import train
from training_scripts.arguments import parse_args
from training_scripts.inference import model_fn
from training_scripts.job import JobError
from training_scripts.network import MeanOfHeads

DIRECT = {"optimizer": "lbfgs", "folds": 3, "refit": "true"}
BY_STEPS = {"num_epochs": 2, "learning_rate": 1e-2}


@pytest.mark.parametrize(
    ("fixed", "members"),
    [
        (DIRECT, [{"weight_decay": "0.01"}, {"weight_decay": "0.3"}]),
        (BY_STEPS, [{"head": "mlp"}, {"seed": "3"}, {"head": "linear_dropout_batchnorm"}]),
    ],
    ids=["at once", "by steps"],
)
def test_its_logits_are_the_mean_of_those_of_its_heads_alone(
    fixed: dict[str, Any],
    members: list[dict[str, str]],
    channel: Path,
    new_job: Any,
    in_job: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    heads = []
    for settings in members:
        job = new_job(features=channel)
        assert in_job(train.main, job, **{**fixed, **settings}, calibrate="false") == 0
        heads.append(model_fn(str(job.model)).network)
    job = new_job(features=channel)
    capsys.readouterr()
    assert in_job(train.main, job, **fixed, members=json.dumps(members)) == 0
    epochs = [line for line in capsys.readouterr().out.splitlines() if "epoch=" in line and "valid_loss=" in line]
    assert len(epochs) == 1, "a head's epochs would be taken for the job's"
    loaded = model_fn(str(job.model))
    assert isinstance(loaded.network.head, MeanOfHeads)
    features = torch.randn(5, 1280)
    mean = torch.stack([head.logits(features) for head in heads]).mean(dim=0)
    torch.testing.assert_close(loaded.network.logits(features) * loaded.network.temperature, mean)
    assert loaded.card["temperature"] != 1.0
    judged = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    assert judged["test"]["accuracy"] > 0.8


def test_members_are_judged_with_the_settings_that_they_share() -> None:
    members = json.dumps([{"folds": "5"}, {"folds": "3"}])
    assert parse_args(["--optimizer", "lbfgs", "--folds", "5", "--members", members]).members


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"members": '[{"views": "3"}]'}, "members differ in views"),
        ({"members": '[{"learning_rte": "3"}]'}, "did you mean learning_rate"),
        ({"members": "[1]"}, "must be a JSON list"),
        ({"members": '[{"head": "mlp"}]', "optimizer": "lbfgs"}, "cannot fit the head mlp"),
        ({"members": '[{"head": "mlp"}]', "mode": "fine_tune"}, "over frozen features"),
    ],
)
def test_what_has_no_mean_is_refused(asked: dict[str, str], sentence: str) -> None:
    with pytest.raises(JobError, match=sentence):
        parse_args([part for name, value in asked.items() for part in (f"--{name}", value)])
