"""Labels mended from an evaluation's pictures are events of the dataset's own history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image
from PySide6.QtCore import Qt

from core.errors import StoreError
from core.labels.labelling import Labelling
from core.paths import AppPaths
from core.predict.evaluate import EvaluatedPicture, summarise
from core.workbench import Workbench
from gui.jobs.evaluated_pictures import EvaluatedPictures
from gui.jobs.label_mending import LabelMending
from tests.gui.fakes import press


@pytest.fixture
def workbench(tmp_path):
    made = Workbench(AppPaths(tmp_path / "home"))
    yield made
    made.close()


def test_a_wrong_label_is_mended_left_out_and_undone(workbench, bridge, qtbot, tmp_path):
    root = tmp_path / "pets"
    for number in range(6):
        label = "cat" if number < 3 else "dog"
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (40 * number, 90, 10)).save(root / label / f"{number}.png")
    judged = [EvaluatedPicture(f"cat/{number}.png", "cat", "dog", 0.9 - number / 10) for number in range(2)]
    mending = LabelMending(workbench, bridge)
    view = EvaluatedPictures(bridge, tmp_path / "cache", lambda job, file, cancel: [], mending)
    qtbot.addWidget(view)
    view.show()
    view.show_evaluation(replace(summarise(judged, ("cat", "dog"), "test", "job", None), root=root))
    assert not view.relabel.isEnabled()
    view.list.setCurrentRow(0)
    dog = next(action for action in view.relabel.menu().actions() if action.text() == "dog")
    dog.trigger()
    qtbot.waitUntil(lambda: view.list.item(0).text() == "cat → dog\n90.0 %, now dog", timeout=20_000)
    assert "The next training follows it." in view.caption.text()
    history = workbench.data.labelling(workbench.data.scan(root))
    assert history.known_labels()[0]["cat/0.png"] == "dog"
    view.list.setCurrentRow(1)
    view.list.setFocus()
    qtbot.keyClick(view.list, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: view.list.item(1).text().endswith("left out"))
    history.refresh()
    assert "cat/1.png" in history.known_labels()[1]
    press(qtbot, view.undo)
    qtbot.waitUntil(lambda: view.list.item(1).text() == "cat → dog\n80.0 %")
    # What was done elsewhere since stays.
    history.refresh()
    history.label(["dog/4.png"], "cat")
    press(qtbot, view.undo)
    qtbot.waitUntil(lambda: view.list.item(0).text() == "cat → dog\n90.0 %")
    history.refresh()
    assert history.known_labels()[0]["dog/4.png"] == "cat"
    history.undo()
    history.refresh()
    assert history.known_labels() == (
        {f"{'cat' if n < 3 else 'dog'}/{n}.png": "cat" if n < 3 else "dog" for n in range(6)},
        frozenset(),
    )
    assert not view.undo.isEnabled()


def test_undo_twice_at_once_takes_two_changes_back_and_a_failed_one_is_asked_again(
    workbench, bridge, qtbot, dataset_folder, monkeypatch
):
    mending, heard, failed = LabelMending(workbench, bridge), [], []
    mending.mended.connect(lambda mended: heard.append(mended.path))
    mending.undone.connect(lambda path, summary: heard.append((path, summary)))
    mending.failed.connect(failed.append)
    first, second = "rose/rose-00.png", "rose/rose-01.png"
    for path in (first, second):
        mending.label(dataset_folder, path, "tulip")
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=20_000)
    monkeypatch.setattr(Labelling, "undo", refuse)
    mending.undo()
    qtbot.waitUntil(lambda: len(failed) == 1)
    monkeypatch.undo()
    heard.clear()
    mending.undo()
    mending.undo()
    qtbot.waitUntil(lambda: len(heard) == 2)
    assert {path for path, summary in heard if summary.startswith("Undone: Labelled 1 picture")} == {first, second}
    assert not mending.can_undo


def refuse(*arguments):
    raise StoreError("The labels could not be kept.", "The disk is full.", "Make room.")
