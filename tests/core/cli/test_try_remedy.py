"""`sagehound watch --try-remedy`: the script once more with its remedy, shortly, and what came of it."""

import sys

import pytest

from tests.core.cli.test_watch import DIGITS, script_of, watch


@pytest.mark.long
def test_a_remedy_is_tried_in_a_copy_and_said(tmp_path):
    text = DIGITS.replace("        optimizer.zero_grad()\n", "")
    name = script_of(tmp_path, text)
    done = watch(tmp_path / "home", tmp_path, sys.executable, name, "--epochs", "2", options=["--try-remedy"])
    assert done.returncode == 0
    assert "trying the remedy of GradientsNotCleared" in done.stderr
    assert "+        optimizer.zero_grad()" in done.stderr
    assert "with the remedy GradientsNotCleared is not found any more within 6" in done.stderr
    assert (tmp_path / name).read_text(encoding="utf-8") == text
