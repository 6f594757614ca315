"""`sagehound label` and `labels`: what is said of pictures, by name, folder and table, and how it is taken back."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from core.cli.main import run


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six pictures without labels, four of them in a folder."""
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    folder = tmp_path / "photos"
    for at, name in enumerate(("a.png", "b.png", "beach/1.png", "beach/2.png", "beach/3.png", "beach/4.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (40 * at, 0, 90)).save(folder / name)
    return folder


def asked(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    capsys.readouterr()
    assert run([*map(str, words), "--format", "unlabelled", "--json"]) == 0
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


def test_pictures_and_folders_are_labelled_undone_and_listed(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = asked(capsys, "labels", photos)["version"]
    assert asked(capsys, "label", photos, "a.png", "beach", "--class", "sea")["changed"] == 5
    assert asked(capsys, "label", photos, photos / "b.png", "--leave-out")["actions"] == ["Left out 1 picture"]
    rows = {row["path"]: row for row in asked(capsys, "labels", photos)["labels"]}  # type: ignore[attr-defined]
    assert rows["beach/3.png"]["labels"] == ["sea"]
    assert rows["b.png"]["left_out"]
    undone = asked(capsys, "label", photos, "--undo", 5)["actions"]
    assert [re.sub(r" \(.*\)", "", done) for done in undone] == [  # type: ignore[attr-defined]
        "Undone: Left out 1 picture",
        "Undone: Labelled 5 pictures sea",
    ]
    assert asked(capsys, "labels", photos)["version"] == before
    assert asked(capsys, "label", photos, "--redo")["changed"] == 5
    history = asked(capsys, "labels", photos, "--history")["history"]
    assert [row["undone"] for row in history] == [False, True]  # type: ignore[attr-defined]


def test_a_table_labels_all_or_nothing_and_comes_back_as_it_was_written(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "given.csv"
    table.write_text('path,class\na.png,"cat, wild"\n3.png,dog\n', encoding="utf-8")
    assert asked(capsys, "label", photos, "--csv", table)["changed"] == 2
    file = tmp_path / "labels.csv"
    asked(capsys, "labels", photos, "-o", file)
    with file.open(encoding="utf-8", newline="") as opened:
        written = {row["path"]: row["labels"] for row in csv.DictReader(opened)}
    assert written["a.png"] == "cat, wild"
    assert written["beach/3.png"] == "dog"
    table.write_text("path,class\na.png,cat\ngone.png,cat\n", encoding="utf-8")
    assert run(["label", str(photos), "--csv", str(table), "--format", "unlabelled"]) == 1
    assert "The first is gone.png; nothing was labelled." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--class", "cat"], 2, "No picture is named."),
        (["nowhere.png", "--class", "cat"], 1, "nowhere.png is not a picture of"),
        (["a.png", "--class", "a/b"], 1, "'a/b' is not a name for a class."),
        (["--rename", "cat", "dog"], 1, "There is no class cat."),
    ],
)
def test_what_cannot_be_done_is_said(
    photos: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, said: str
) -> None:
    assert run(["label", str(photos), *words, "--format", "unlabelled"]) == status
    assert said in capsys.readouterr().err


def test_a_renamed_folder_is_told_of_its_labels_and_takes_them_over(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(capsys, "label", photos, "beach", "--class", "sea")
    version = asked(capsys, "labels", photos)["version"]
    renamed = photos.rename(tmp_path / "holiday")
    assert run(["labels", str(renamed), "--format", "unlabelled", "--json"]) == 0
    said = capsys.readouterr().err
    assert "Labels of 4 pictures in this folder are kept for" in said
    assert f"`sagehound label {renamed} --from {photos}`" in said
    assert asked(capsys, "label", renamed, "--from", photos)["changed"] == 4
    assert asked(capsys, "labels", renamed)["version"] == version
    (undone,) = asked(capsys, "label", renamed, "--undo")["actions"]  # type: ignore[misc]
    assert undone.startswith("Undone: Labelled 4 pictures sea (")  # and when: someone else may have done it
    assert run(["label", str(renamed), "--from", str(tmp_path), "--format", "unlabelled"]) == 1
    assert "No labels are kept for" in capsys.readouterr().err
