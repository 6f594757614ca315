import json
from dataclasses import fields

import pytest

from core.errors import UserFacingError
from core.settings import VERSION, Settings, SettingsFile, declared, migrate


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "settings.json"


def test_defaults_without_a_file(path):
    file = SettingsFile(path)
    assert file.current == Settings()
    assert file.problem == ""
    assert not path.exists()


def test_changes_and_state_survive(path):
    file = SettingsFile(path)
    file.change(theme="dark", split_seed=7)
    file.remember("window.tab", "jobs")
    file.remember("gone", 1)
    file.remember("gone", None)
    again = SettingsFile(path)
    assert (again.current.theme, again.current.split_seed) == ("dark", 7)
    assert again.recall("window.tab") == "jobs"
    assert again.recall("gone", "default") == "default"
    assert [found.name for found in path.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"theme": "pink"},
        {"valid_percent": 4},
        {"valid_percent": 46},
        {"split_seed": "7"},
        {"notify": 1},
        {"split_seed": True},
    ],
)
def test_what_is_not_allowed_changes_nothing(path, change):
    file = SettingsFile(path)
    with pytest.raises(UserFacingError):
        file.change(**change)
    assert file.current == Settings()
    assert not path.exists()


def test_every_setting_says_what_it_is():
    for item in fields(Settings):
        how = declared(item.name)
        assert how.section
        assert how.title
        assert (how.low is None) == (how.high is None)


def test_fractions_add_up():
    assert sum(Settings(valid_percent=20, test_percent=45).fractions) == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"version": 99, "settings": {}, "state": {}}', "\x00\xff"])
def test_a_file_that_cannot_be_read_is_kept_beside_and_said(path, text):
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    file = SettingsFile(path)
    assert file.current == Settings()
    assert "kept" in file.problem
    assert path.with_suffix(".json.bad").read_text(encoding="utf-8") == text
    file.change(theme="light")
    assert SettingsFile(path).current.theme == "light"


def test_values_of_another_time_fall_back_one_by_one(path):
    path.parent.mkdir(parents=True)
    values = {"theme": "sepia", "split_seed": 3, "no_longer_there": 1}
    path.write_text(json.dumps({"version": VERSION, "settings": values, "state": {}}), encoding="utf-8")
    file = SettingsFile(path)
    assert (file.current.theme, file.current.split_seed) == ("system", 3)
    assert file.problem == ""


def test_the_first_version_is_brought_to_this_one(path):
    path.parent.mkdir(parents=True)
    path.write_text('{"theme": "dark"}', encoding="utf-8")
    assert SettingsFile(path).current.theme == "dark"
    assert migrate({"theme": "dark"})["version"] == VERSION


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserFacingError, match="could not be saved"):
        SettingsFile(tmp_path / "file" / "settings.json").change(theme="dark")
