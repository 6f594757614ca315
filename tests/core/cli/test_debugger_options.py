"""`--rule`, `--save-interval` and their kin: what the Debugger tab lets choose, on the command line."""

import pytest

from core.cli.console import Console
from core.cli.debug import report
from core.cli.launch_options import training_spec, tuning_spec
from core.cli.main import build_parser
from core.debugger.job_rules import check, rules_for
from core.errors import SpecError, UsageError
from core.jobs.specs import DebuggerConfig
from core.paths import AppPaths

HEAD = {"mode": "head"}


def config(*words, command="train"):
    options = build_parser().parse_args([command, "sample", *words])
    return training_spec(options).debugger if command == "train" else tuning_spec(options).training.debugger


def test_without_options_the_usual_rules_run():
    assert config() == config(command="tune") == DebuggerConfig()
    off = config("--no-debugger")
    assert not off.enabled
    assert not off.profiler


def test_rules_with_parameters_and_actions_beside_the_usual_ones():
    made = config("--rule", "Overfit", "patience=5", "action=stop", "--rule", "Confusion", "--rule", "NotANumber")
    check(made)
    usual, rules = rules_for(DebuggerConfig(), HEAD), rules_for(made, HEAD)
    assert set(rules) == {*usual, "Confusion"}
    assert rules["Overfit"] == usual["Overfit"] | {"patience": "5"}
    assert made.actions == {"Overfit": "stop"}
    assert config("--rule", "StalledTraining", "action=stop").actions == {"StalledTrainingRule": "stop"}
    alone = config("--rule", "Overfit", "--only-these-rules", command="tune")
    assert rules_for(alone, HEAD) == {"Overfit": usual["Overfit"]}


def test_what_is_saved():
    made = config("--save-interval", "50", "--save-interval", "gradients=500", "--tensor-budget", "8")
    check(made)
    assert (made.save_interval, made.save_intervals, made.tensor_budget_mb) == (50, {"gradients": 500}, 8)


@pytest.mark.parametrize(
    "words",
    [
        ("--rule", "NoSuchRule", "action=stop"),
        ("--rule", "Overfit", "patience=many"),
        ("--rule", "Overfit", "action=explode"),
        ("--save-interval", "0"),
        ("--save-interval", "pictures=3"),
        ("--tensor-budget", "0"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(words):
    with pytest.raises(SpecError) as refused:
        check(config(*words))
    assert refused.value.why or refused.value.fix


@pytest.mark.parametrize("words", [("--rule", "Overfit", "patience"), ("--save-interval", "often")])
def test_what_cannot_be_read_is_wrong_use(words):
    with pytest.raises(UsageError):
        config(*words)


def test_what_aws_reports_is_of_one_job(tmp_path):
    options = build_parser().parse_args(["report", "first", "second", "--aws", "-o", "aws.html"])
    with pytest.raises(UsageError, match="AWS's own report is of one job"):
        report(options, AppPaths(tmp_path), Console(False))
