"""The dialog that writes a labelled dataset: copies, moves that are taken back, and what is said when it fails."""

import pytest
from PySide6.QtCore import Qt

from core.labels.disk import PLAN
from gui.data.data_tab import DataTab
from gui.data.write_dialog import MOVE, WriteDialog
from tests.gui.conftest import write_picture

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def loose(tmp_path):
    """Twelve pictures in one folder, one of them in a class folder already."""
    folder = tmp_path / "loose"
    for number in range(12):
        write_picture(folder / f"{number:02}.png", (250 * (number % 2), 9 * number, 40))
    (folder / "even").mkdir()
    (folder / "00.png").rename(folder / "even" / "00.png")
    return folder


@pytest.fixture
def tab(qtbot, workbench, bridge, loose):
    """The Data tab with pictures of two classes, of which two have none."""
    made = DataTab(workbench, bridge)
    qtbot.addWidget(made)
    made.show()
    made.open_folder(loose)
    qtbot.waitUntil(lambda: made.card.labels.labelling is not None)
    made.card.labels.label_each({f"{at:02}.png": ("even", "odd")[at % 2] for at in range(1, 10)})
    qtbot.waitUntil(lambda: made.manifest is not None and len(made.manifest.pictures) == 10)
    return made


def opened(tab, qtbot):
    qtbot.mouseClick(tab.write, LEFT)
    dialog = tab.findChildren(WriteDialog)[-1]
    dialog.format.setCurrentIndex(dialog.format.findData(MOVE))
    return dialog


def files(folder):
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.png"))


def test_pictures_move_into_class_folders_in_place_and_back(tab, qtbot, loose):
    before = files(loose)
    dialog = opened(tab, qtbot)
    assert "Moves 10 pictures in 2 classes" in dialog.said.text()
    assert dialog.target.text() == str(loose)
    assert not dialog.back.isVisible()
    qtbot.mouseClick(dialog.write, LEFT)
    qtbot.waitUntil(dialog.back.isVisible)
    assert "Moved 9 pictures" in dialog.said.text()
    assert "Not moved: 3" in dialog.said.text()
    with qtbot.waitSignal(dialog.moved):
        qtbot.mouseClick(dialog.cancel, LEFT)
    qtbot.waitUntil(lambda: tab.manifest is not None and len(tab.manifest.pictures) == 10)
    assert files(loose) == sorted([f"{('even', 'odd')[at % 2]}/{at:02}.png" for at in range(10)] + ["10.png", "11.png"])
    assert {entry.path for entry in tab.manifest.pictures} == set(files(loose)) - {"10.png", "11.png"}
    dialog = opened(tab, qtbot)
    qtbot.waitUntil(dialog.back.isVisible)
    qtbot.mouseClick(dialog.back, LEFT)
    qtbot.waitUntil(lambda: "Moved 9 pictures back" in dialog.said.text())
    qtbot.mouseClick(dialog.cancel, LEFT)
    qtbot.waitUntil(lambda: tab.manifest is not None and len(tab.manifest.pictures) == 10)
    assert files(loose) == before
    assert not (loose / PLAN).exists()


def test_a_move_that_fails_says_so_and_is_finished_or_taken_back(tab, qtbot, loose, tmp_path):
    dialog = opened(tab, qtbot)
    dialog.target.setText(str(tmp_path / "out"))
    blocked = (loose / "09.png").read_bytes()
    (loose / "09.png").unlink()
    qtbot.mouseClick(dialog.write, LEFT)
    qtbot.waitUntil(dialog.back.isVisible)
    assert dialog.error.isVisible()
    assert "pictures are written, and nothing is lost" in dialog.error.text
    assert "is not finished" in dialog.earlier.accessibleName()
    (loose / "09.png").write_bytes(blocked)
    assert dialog.write.text() == "Finish the move"
    qtbot.mouseClick(dialog.write, LEFT)
    qtbot.waitUntil(lambda: "Moved 10 pictures" in dialog.said.text())
    qtbot.mouseClick(dialog.cancel, LEFT)
    qtbot.waitUntil(lambda: tab.manifest is not None and tab.manifest.root == tmp_path / "out")
    assert len(files(tmp_path / "out")) == 10
    assert files(loose) == ["10.png", "11.png"]
    assert not tab.elsewhere.isVisible(), "its folders say what the labels said"
