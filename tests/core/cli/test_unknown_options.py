"""What a command says of options that it does not have."""

from __future__ import annotations

import pytest

from core.cli.main import run


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("tune x --num-epochs 2", "tune has no option --num-epochs. It is a hyperparameter: --static num_epochs=2"),
        (
            "train x --learning_rate=0.1",
            "train has no option --learning_rate. It is a hyperparameter: --static learning_rate=0.1",
        ),
        ("train x --num_epochs", "train has no option --num_epochs. It is a hyperparameter: --static num_epochs=VALUE"),
        (
            "train --learning-rate 0.1 /data",  # argparse takes 0.1 as the dataset
            "train has no option --learning-rate. It is a hyperparameter: --static learning_rate=0.1",
        ),
        ("watch --stopon 3 -- python x.py", "watch has no option --stopon. Did you mean --stop-on?"),
        ("jobs --jsn", "jobs has no option --jsn. Did you mean --json?"),
        ("scan x --wat", "scan has no option --wat. See sagehound scan --help."),
        ("show one two", "show does not know what to do with two. See sagehound show --help."),
    ],
)
def test_the_first_is_named_with_what_may_have_been_meant(
    command: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.split()) == 2
    assert capsys.readouterr().err == f"sagehound: {sentence}\n"
