import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip

from core.dataset.records import Picture
from gui.data.picture_grid import HEADER, PictureGrid
from gui.data.pictures_model import PicturesModel
from gui.data.thumbnails import Thumbnails


def picture(label, number):
    return Picture(f"{label}/{number:05}.jpg", label, None, 2048, 640, 480, "JPEG", f"{label}-{number}", 0)


class CountingThumbnails(Thumbnails):
    """Counts what a paint asks for, and has none of it."""

    def __init__(self, bridge, folder):
        super().__init__(bridge, folder)
        self.asked_for = []

    def pixmap(self, picture):
        self.asked_for.append(picture.path)


@pytest.fixture
def grid(qtbot, bridge, tmp_path):
    model = PicturesModel()
    made = PictureGrid(model, CountingThumbnails(bridge, tmp_path))
    qtbot.addWidget(made)
    made.resize(640, 480)
    made.show()
    model.set_pictures([picture(label, number) for label in "abc" for number in range(13)])
    return made


def test_every_picture_is_found_where_it_is_drawn(grid):
    for row in range(39):
        index = grid.model().index(row)
        grid.scrollTo(index)
        rect = grid.visualRect(index)
        assert grid.viewport().rect().contains(rect)
        assert grid.indexAt(rect.center()) == index
        assert not grid.indexAt(rect.topRight() + QPoint(4, 0)).isValid()


def test_headers_and_gaps_are_no_pictures(grid):
    assert not grid.indexAt(QPoint(10, HEADER // 2)).isValid()
    assert not grid.indexAt(QPoint(10, grid._height + 50)).isValid()


def test_keys_move_across_lines_and_classes(grid, qtbot):
    columns = grid.columns
    assert columns >= 4
    grid.setFocus()
    grid.setCurrentIndex(grid.model().index(0))

    def press(key):
        qtbot.keyClick(grid, key)
        return grid.currentIndex().row()

    assert press(Qt.Key.Key_Right) == 1
    assert press(Qt.Key.Key_Down) == 1 + columns
    assert press(Qt.Key.Key_Up) == 1
    assert press(Qt.Key.Key_Left) == 0
    assert press(Qt.Key.Key_Left) == 0
    assert press(Qt.Key.Key_End) == 38
    assert grid.viewport().rect().contains(grid.visualRect(grid.currentIndex()))
    assert press(Qt.Key.Key_Down) == 38
    assert press(Qt.Key.Key_Home) == 0
    lines = -(-13 // columns)
    for _ in range(lines):
        row = press(Qt.Key.Key_Down)
    assert row == 13, "the line below a class's last is the next class's first"
    assert press(Qt.Key.Key_PageDown) > 13


def test_a_click_selects_and_the_tooltip_tells(grid, qtbot):
    index = grid.model().index(2)
    middle = grid.visualRect(index).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    assert grid.selectedIndexes() == [index]
    QApplication.sendEvent(
        grid.viewport(), QHelpEvent(QEvent.Type.ToolTip, middle, grid.viewport().mapToGlobal(middle))
    )
    qtbot.waitUntil(lambda: "a/00002.jpg" in QToolTip.text())
    QToolTip.hideText()
    qtbot.waitUntil(lambda: not QToolTip.isVisible())


def test_only_what_is_in_sight_is_painted_of_ten_thousand(grid, qtbot):
    grid.model().set_pictures([picture(label, number) for label in "abcdefghij" for number in range(1000)])
    grid.verticalScrollBar().setValue(grid._height // 2)
    grid._thumbnails.asked_for.clear()
    grid.grab()
    asked = set(grid._thumbnails.asked_for)
    lines = grid.viewport().height() // grid.cell + 2
    assert 0 < len(asked) <= lines * grid.columns
    grid.show_class("j")
    assert grid.indexAt(QPoint(20, HEADER + 20)).data() == "00000.jpg"


def test_the_lines_fill_the_width(grid):
    for width in (300, 640, 901):
        grid.resize(width, 400)
        columns = grid.columns
        used = columns * grid.cell + (columns - 1) * 8
        assert 0 <= grid.viewport().width() - used < columns
