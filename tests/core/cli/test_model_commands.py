from __future__ import annotations

import json

import pytest

from core.cli.main import run


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sort", "folder"], "with --into"),
        (["sort", "folder", "--into", "out", "--threshold", "2"], "from 0 to 1"),
        (["serve", "--port", "70000"], "from 0 to 65535"),
    ],
)
def test_wrong_use_is_said_before_anything_is_loaded(words, said, capsys):
    assert run(words) == 2
    assert said in capsys.readouterr().err


def test_a_model_that_is_not_there_and_a_folder_that_was_never_sorted_are_said(tmp_path, capsys):
    assert run(["export", "no-such-model", "--format", "openvino", "-o", str(tmp_path / "out")]) == 1
    assert "no-such-model" in capsys.readouterr().err
    assert run(["sort", "--undo", str(tmp_path)]) == 1
    assert "Nothing was sorted into" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_exported_model_answers_on_the_command_line(trained_job, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["export", str(trained_job.model), "--format", "openvino", "-o", str(out), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert (written["path"], written["compared"]) == (str(out), 100)
    assert written["largest_difference"] <= 1e-4
    assert run(["classify", str(trained_job.picture("red")), "--model", str(out / "model.xml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == "red"
