"""`sagehound show`, `note` and `delete`, over a store that holds a search as a supervisor would have left it."""

from __future__ import annotations

import dataclasses
import io
import json

import pytest

from core.cli.main import run
from core.engines.local.detached import this_process
from core.engines.local.recovery import recover, write_record
from core.jobs.contract import JobFolder
from core.jobs.footprint import Footprint, folder_bytes, size_text
from core.jobs.ranges import ContinuousRange
from core.jobs.specs import MetricDefinition, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from core.store.rows import new_record
from training_scripts.version import code_version


@pytest.fixture
def paths(tmp_path, monkeypatch) -> AppPaths:
    """A home with the finished tuning job `pets` of one trial, 1,500 bytes on disk beside their records."""
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    paths = AppPaths.default().create()
    loss = MetricDefinition("Average loss", "Average loss: ([0-9.]+)")
    training = TrainingSpec("pets", {}, {"seed": "0"}, (loss,))
    search = TuningSpec(training, (ContinuousRange("learning_rate", 1e-4, 1e-1),), max_jobs=1)
    trial = dataclasses.replace(training, name="pets-001-0123abcd")
    store = Store(paths.database)
    store.add_job(new_record(search), search)
    store.add_job(dataclasses.replace(new_record(trial), tuning_job="pets"), trial)
    for name in (trial.name, "pets"):
        folder = JobFolder(paths.jobs / name).create()
        (folder.output_data / "big").write_bytes(bytes(1000 if name == "pets" else 500))
        store.update_job(name, status=JobStatus.COMPLETED, secondary_status="Completed", ended=2.0)
    store.close()
    return paths


def told(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def test_a_note_is_kept_and_shown_in_text_and_json(paths, capsys):
    assert run(["note", "pets", "  Zu klein: noch einmal ✓ "]) == 0
    capsys.readouterr()
    assert run(["show", "pets"]) == 0
    assert "note: Zu klein: noch einmal ✓" in capsys.readouterr().out
    assert run(["show", "pets", "--json"]) == 0
    assert told(capsys)["note"] == "Zu klein: noch einmal ✓"
    assert run(["note", "pets", ""]) == 0
    assert "no note any more" in capsys.readouterr().out
    assert run(["show", "pets"]) == 0
    assert "note:" not in capsys.readouterr().out


def test_a_note_on_a_job_that_is_not_there_fails(paths, capsys):
    assert run(["note", "nobody", "x"]) == 1
    assert "no job called nobody" in capsys.readouterr().err


def test_show_tells_the_code_version_of_job_and_trials(paths, capsys):
    assert run(["show", "pets"]) == 0
    assert f"code {code_version()}" in capsys.readouterr().out
    assert run(["show", "pets", "--json"]) == 0
    shown = told(capsys)
    assert shown["code_version"] == shown["trials"][0]["code_version"] == code_version()


def test_note_and_code_version_survive_the_loss_of_the_database(paths):
    store = Store(paths.database)
    folder = JobFolder(paths.jobs / "pets")
    store.set_note("pets", "keep me")
    write_record(store, folder, "pets")
    before = store.job("pets")
    store.close()
    empty = Store(paths.home / "new.sqlite3")
    assert recover(empty, paths.jobs) == 1
    assert (empty.job("pets").note, empty.job("pets").code_version) == ("keep me", before.code_version)
    empty.close()


def test_delete_asks_on_a_terminal_and_names_what_goes(paths, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert run(["delete", "pets"]) == 1
    said = capsys.readouterr().err
    assert "Delete pets (1 trial, 1.5 kB on disk)?" in said
    assert "Nothing was deleted." in said
    assert (paths.jobs / "pets").is_dir()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert run(["delete", "pets"]) == 0
    assert list(paths.jobs.glob("pets*")) == []
    assert run(["show", "pets"]) == 1


def test_delete_without_a_terminal_needs_yes(paths, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(["delete", "pets"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert (paths.jobs / "pets").is_dir()
    assert run(["delete", "pets", "--yes", "--json"]) == 0
    assert told(capsys) == {"name": "pets", "deleted": True, "trials": 1, "bytes": 1500}
    assert not (paths.jobs / "pets").exists()


def test_a_running_job_is_refused_without_a_question(paths, capsys, monkeypatch):
    store = Store(paths.database)
    store.update_job("pets", reopen=True, status=JobStatus.IN_PROGRESS, ended=None)
    store.set_process("pets", this_process())  # that lives: a job without one is interrupted
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["delete", "pets"]) == 1
    assert "pets is running" in capsys.readouterr().err
    store.close()


def test_sizes_are_said_as_people_say_them(tmp_path):
    assert [size_text(n) for n in (0, 999, 1000, 999_960, 34_200_000, 5e12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "1.0 MB",
        "34.2 MB",
        "5,000.0 GB",
    ]
    assert str(Footprint(0, 10)) == "10 bytes on disk"
    assert str(Footprint(2000, 0)) == "2,000 trials, 0 bytes on disk"
    assert folder_bytes(tmp_path / "missing") == 0


def test_a_file_of_weights_is_named_from_where_the_command_runs(tmp_path, monkeypatch):
    from core.cli.launch_options import training_spec
    from core.cli.main import build_parser

    (tmp_path / "mine.pth").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for words in (["--weights", "mine.pth"], ["--static", "weights=mine.pth"]):
        spec = training_spec(build_parser().parse_args(["train", "pictures", *words]))
        assert spec.hyperparameters["weights"] == str(tmp_path / "mine.pth")
    usual = training_spec(build_parser().parse_args(["train", "pictures", "--weights", "none"]))
    assert usual.hyperparameters["weights"] == "none"
