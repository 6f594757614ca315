"""Hyperparameters as jobs and as trials pass them; wrong ones are named in a sentence."""

from __future__ import annotations

import pytest

from training_scripts.arguments import BY_MODE, flag, parse_args
from training_scripts.job import JobError


def test_defaults() -> None:
    args = parse_args([])
    assert (args.backbone, args.mode, args.head, args.features) == ("efficientnet_lite0", "head", "linear", "auto")
    for mode, defaults in BY_MODE.items():
        found = vars(parse_args(["--mode", mode]))
        assert {name: found[name] for name in defaults} == defaults


@pytest.mark.parametrize("value", ["32", "32.0", '"32"', "3.2e1"])
def test_whole_numbers_in_every_spelling(value: str) -> None:
    batch_size = parse_args(["--batch_size", value]).batch_size
    assert (batch_size, type(batch_size)) == (32, int)


@pytest.mark.parametrize(
    ("value", "meaning"), [("True", True), ("true", True), ("1", True), ("False", False), ("0", False)]
)
def test_booleans_in_every_spelling(value: str, meaning: bool) -> None:
    assert flag(value) is meaning
    assert parse_args(["--amp", value]).amp is meaning


def test_the_tuners_own_argument_is_tolerated(capsys: pytest.CaptureFixture[str]) -> None:
    args = parse_args(["--_tuning_objective_metric", "valid:loss", "--optimizer", '"sgd"'])
    assert args.optimizer == "sgd"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("--learning_rat", "learning_rat: did you mean learning_rate?"),
        ("--Num_Epoch", "Num_Epoch: did you mean num_epochs?"),
        ("--colour=red", "colour: it has amp, augmentation, backbone"),
    ],
)
def test_unknown_hyperparameters_are_refused_with_the_nearest_name(argument: str, hint: str) -> None:
    with pytest.raises(JobError) as caught:
        parse_args([argument, "0.1", "--num_epochs", "3"])
    assert hint in str(caught.value)


def test_what_the_container_adds_is_passed_over() -> None:
    added = ["--_tuning_objective_metric", "Average loss", "--sagemaker_region", "eu-west-1"]
    assert parse_args([*added, "--num_epochs", "3"]).num_epochs == 3


def test_one_letter_names_and_abbreviations_mean_nothing_else() -> None:
    """The toolkit passes one-letter hyperparameters as -h or -l: they must neither print help nor set anything."""
    for arguments in (["-h", "5"], ["-l", "0.5"], ["--l", "0.5"], ["--num", "3"]):
        with pytest.raises(JobError, match=f"no hyperparameter {arguments[0].lstrip('-')}: "):
            parse_args(arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--learning_rate", "fast"], "learning_rate is 'fast', which is not a number."),
        (["--learning_rate", "0"], "learning_rate is '0', but must be above 0."),
        (["--learning_rate", "nan"], "learning_rate is 'nan', which is not a finite number."),
        (["--momentum", "1.5"], "momentum is '1.5', but must be 0 to 1."),
        (["--weight_decay", "-1"], "weight_decay is '-1', but must be at least 0."),
        (["--batch_size", "2.5"], "batch_size is '2.5', which is not a whole number."),
        (["--num_epochs", "0"], "num_epochs is '0', but must be at least 1."),
        (["--backbone", "resnet19"], "backbone is 'resnet19', but must be one of"),
        (["--weights", ""], "weights is '', but must not be empty."),
        (["--amp", "perhaps"], "amp is 'perhaps', but must be true or false."),
        (["--batch_size"], "expected one argument"),
        (["--batch_size", "1", "--head", "linear_dropout_batchnorm"], "at least 2 pictures"),
        (["--folds", "5"], "folds is for the optimizer lbfgs"),
        (["--refit", "true", "--optimizer", "sgd"], "refit is for the optimizer lbfgs"),
        (["--optimizer", "lbfgs", "--folds", "1"], "at least 2 parts"),
        (["--optimizer", "lbfgs", "--head", "mlp"], "cannot fit the head mlp: choose linear"),
        (["--optimizer", "lbfgs", "--mode", "fine_tune"], "over frozen features"),
        (["--augmentation", "light"], "fine_tune"),
    ],
)
def test_wrong_values_in_one_sentence(arguments: list[str], words: str) -> None:
    with pytest.raises(JobError) as caught:
        parse_args(arguments)
    assert words.lower() in str(caught.value).lower()
    assert str(caught.value).endswith(".")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_args(["--help"])
    assert caught.value.code == 0
    assert "--learning_rate" in capsys.readouterr().out
