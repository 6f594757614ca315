"""The home: private, and a sentence where it cannot be had."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.doctor import FAIL, check_home
from core.cli.main import run
from core.errors import StoreError, reason_of
from core.paths import ROOT, AppPaths, make_outside

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_sagehound_keeps_is_the_users_alone(tmp_path: Path) -> None:
    """The real program, under the usual umask, in a home that lay open."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    environment = {**os.environ, "SAGEHOUND_HOME": str(home)}
    command = [sys.executable, str(ROOT / "__main__.py"), "jobs"]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60, umask=0o022)
    assert mode(home) == 0o700
    kept = list(home.rglob("*"))
    assert home / "sagehound.sqlite3" in kept
    assert {oct(mode(path)) for path in kept} <= {"0o600", "0o700"}


def test_a_report_has_the_rights_that_the_user_gives_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import paths

    before = os.umask(0o022)
    try:
        monkeypatch.setattr(paths, "_user_umask", None)
        paths.keep_private()
        file = tmp_path / "report.html"
        file.write_text("x")
        assert mode(file) == 0o600
        paths.give_away(file)
        assert mode(file) == 0o644
        (tmp_path / "mine").mkdir(mode=0o700)
        paths.make_outside(tmp_path / "mine" / "new" / "folder")
        kept = (tmp_path / "mine", tmp_path / "mine" / "new", tmp_path / "mine" / "new" / "folder")
        assert [oct(mode(folder)) for folder in kept] == ["0o700", "0o755", "0o755"]
    finally:
        os.umask(before)


@pytest.mark.parametrize("kind", ["a file", "inside a file", "jobs is a file"])
def test_a_home_that_cannot_be_is_a_sentence(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    if kind == "a file":
        home.write_text("")
    elif kind == "inside a file":
        (tmp_path / "file").write_text("")
        home = tmp_path / "file" / "home"
    else:
        home.mkdir()
        (home / "jobs").write_text("")
    with pytest.raises(StoreError, match="cannot keep its files"):
        AppPaths(home).create()
    monkeypatch.setenv("SAGEHOUND_HOME", str(home))
    check = check_home(AppPaths(home))  # what `doctor` says of it
    assert check.status == FAIL
    assert "cannot keep its files" in check.message
    assert "set SAGEHOUND_HOME to another folder" in check.fix
    for command in (["jobs"], ["scan", "sample"]):
        assert run(command) == 1
        said = "".join(capsys.readouterr())
        assert "cannot keep its files" in said
        assert "set SAGEHOUND_HOME to another folder" in said
        assert "Traceback" not in said


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StoreError, match=r"Permission denied \(.*home\)"):
        AppPaths(tmp_path / "home").create()


def test_a_folder_of_the_home_that_may_not_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As root everything may be written; so the system is asked, and answers for another user."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "jobs")
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path))
    assert run(["jobs"]) == 1
    assert f"Permission denied ({tmp_path / 'jobs'})" in capsys.readouterr().err


def test_what_the_system_refuses_is_a_sentence_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(options: object, paths: object, console: object) -> int:
        raise PermissionError(13, "Permission denied", "/there")

    monkeypatch.setattr("core.cli.jobs.jobs", refuse)
    assert run(["jobs"]) == 1
    expected = "The system refused what was needed. Permission denied (/there). Mend that, then try again."
    assert capsys.readouterr().err == f"sagehound: {expected}\n"


def test_a_home_of_a_user_who_is_not_there_is_taken_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEHOUND_HOME", "~nobody-of-that-name/home")
    assert AppPaths.default().home.parts[-2:] == ("~nobody-of-that-name", "home")


def test_a_database_that_may_not_be_opened_is_a_sentence_without_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sagehound.sqlite3.lock").mkdir()
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path))
    assert run(["jobs"]) == 1
    said = capsys.readouterr().err
    assert "cannot be opened. Is a directory (" in said
    assert "Errno" not in said
    assert reason_of(ValueError("it is too long")) == "it is too long"


@pytest.mark.parametrize("inside", ["", "new/folder"])
def test_a_file_in_the_way_of_a_folder_is_named(inside: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    with pytest.raises(OSError, match="is there and is no folder") as told:
        make_outside(there / inside)
    assert told.value.strerror == f"{there} is there and is no folder"
    assert there.read_text() == "mine"
