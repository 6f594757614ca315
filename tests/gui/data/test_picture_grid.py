import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QToolTip

from core.dataset.records import Picture
from gui.data.grid_layout import HEADER
from gui.data.picture_grid import PictureGrid
from gui.data.pictures_model import PICTURE_ROLE, PicturesModel
from gui.shared.thumbnail_pixmaps import Thumbnails


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
    assert not grid.indexAt(QPoint(10, grid._layout.height + 50)).isValid()


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
    assert grid._pictures.chosen_pictures() == [index.data(PICTURE_ROLE)]
    QApplication.sendEvent(
        grid.viewport(), QHelpEvent(QEvent.Type.ToolTip, middle, grid.viewport().mapToGlobal(middle))
    )
    qtbot.waitUntil(lambda: "a/00002.jpg" in QToolTip.text())
    qtbot.mouseMove(grid.viewport(), grid.visualRect(grid.model().index(4)).center())
    qtbot.waitUntil(lambda: not QToolTip.isVisible())  # it would cover the pictures around


def test_only_what_is_in_sight_is_painted_of_ten_thousand(grid, qtbot):
    grid.model().set_pictures([picture(label, number) for label in "abcdefghij" for number in range(1000)])
    grid.verticalScrollBar().setValue(grid._layout.height // 2)
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


def chosen(grid):
    return sorted(map(grid._pictures.row_of, grid._pictures.chosen))


def at(grid, row):
    return grid.visualRect(grid.model().index(row)).center()


def click(grid, qtbot, row, modifier=Qt.KeyboardModifier.NoModifier):
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, modifier, at(grid, row))


def test_the_header_that_stays_at_the_top_is_before_the_pictures_behind_it(grid, qtbot):
    grid.model().set_pictures([picture("a", number) for number in range(200)])
    grid.verticalScrollBar().setValue(HEADER + grid.cell // 2)
    spot = QPoint(grid.viewport().width() - 20, HEADER // 2)
    assert not grid.indexAt(spot).isValid()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert chosen(grid) == list(range(200))


def test_many_are_chosen_by_click_and_by_key(grid, qtbot):
    shift, control = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
    click(grid, qtbot, 1)
    click(grid, qtbot, 4, shift)
    assert chosen(grid) == [1, 2, 3, 4]
    click(grid, qtbot, 3, control)
    click(grid, qtbot, 6, control)
    assert chosen(grid) == [1, 2, 4, 6]
    click(grid, qtbot, 4)
    assert chosen(grid) == [4], "a click on one of several chooses it alone"
    qtbot.keyClick(grid, Qt.Key.Key_Right, shift)
    qtbot.keyClick(grid, Qt.Key.Key_Right, shift)
    assert chosen(grid) == [4, 5, 6]
    qtbot.keyClick(grid, Qt.Key.Key_Right, control)
    assert chosen(grid) == [4, 5, 6]
    qtbot.keyClick(grid, Qt.Key.Key_Space, control)
    assert chosen(grid) == [4, 5, 6, 7]
    qtbot.keyClick(grid, Qt.Key.Key_A, control)
    assert len(chosen(grid)) == 39
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(20, HEADER // 2))
    assert chosen(grid) == list(range(13)), "the header stands for its class"


def drag(grid, start, end):
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    for kind, point, buttons in (
        (QEvent.Type.MouseButtonPress, start, left),
        (QEvent.Type.MouseMove, (start + end) / 2, left),
        (QEvent.Type.MouseMove, end, left),
        (QEvent.Type.MouseButtonRelease, end, Qt.MouseButton.NoButton),
    ):
        spot = QPointF(point)
        event = QMouseEvent(kind, spot, grid.viewport().mapToGlobal(spot), left, buttons, none)
        QApplication.sendEvent(grid.viewport(), event)


def test_a_drag_encloses_pictures_and_one_from_a_chosen_picture_takes_them_along(grid, monkeypatch):
    taken = []
    monkeypatch.setattr("gui.data.picture_grid.drag_chosen", lambda source, count, thumbnail: taken.append(count))
    columns = grid.columns
    drag(grid, at(grid, 1), at(grid, columns + 2))
    assert chosen(grid) == [1, 2, columns + 1, columns + 2]
    drag(grid, at(grid, 2), at(grid, 2) + QPoint(80, 30))
    assert taken == [4]
    assert chosen(grid) == [1, 2, columns + 1, columns + 2]
    drag(grid, at(grid, 0), QPoint(-60, at(grid, 0).y()))
    assert taken == [4, 1], "towards the classes"
    assert chosen(grid) == [0]


def test_keys_ask_for_what_they_stand_for(grid, qtbot):
    typed, commands = [], []
    grid.key_typed.connect(typed.append)
    grid.command.connect(commands.append)
    click(grid, qtbot, 0)
    for key in (Qt.Key.Key_3, Qt.Key.Key_K):
        qtbot.keyClick(grid, key)
    for key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_Return, Qt.Key.Key_Escape):
        qtbot.keyClick(grid, key)
    assert typed == ["3", "k"]
    assert commands == ["leave_out", "unlabel", "label", "escape"]
    with qtbot.waitSignal(grid.view_asked):
        qtbot.keyClick(grid, Qt.Key.Key_Space)


def test_the_current_picture_stays_current_under_another_order_unless_its_place_is_kept(grid, qtbot):
    click(grid, qtbot, 5)
    grid._pictures.ask(label="a", order="time")
    assert grid.currentIndex().data() == "00005.jpg"
    grid._pictures.gallery.set_labels({"a/00005.jpg": "z"})
    grid._pictures.arrange(keep_place=True)
    assert (grid.current_row, grid.currentIndex().data()) == (5, "00006.jpg")


def test_the_current_picture_is_read_out(grid, qtbot, monkeypatch):
    heard = []
    monkeypatch.setattr("gui.data.grid_view.announce", lambda _grid, said: heard.append(said))
    monkeypatch.setattr(grid, "hasFocus", lambda: True)
    click(grid, qtbot, 2)
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    assert [said.partition(",")[0] for said in heard] == ["a/00002.jpg", "a/00003.jpg"]
    assert grid.accessibleDescription() == heard[-1]
    grid._pictures.arrange()
    assert len(heard) == 2, "nothing is said twice"


def test_a_grid_without_what_the_filters_ask_for_says_so(grid):
    grid._pictures.ask(text="nowhere")
    said = grid.grab().toImage()
    grid._pictures.set_pictures(())
    assert len({said.pixel(x, said.height() // 2) for x in range(said.width() - 20)}) > 2, "words"
    assert len({grid.grab().toImage().pixel(x, said.height() // 2) for x in range(said.width() - 20)}) == 1


def test_squares_grow_and_shrink(grid, qtbot):
    before = grid.columns
    qtbot.keyClick(grid, Qt.Key.Key_Minus, Qt.KeyboardModifier.ControlModifier)
    assert grid.columns > before
    for _ in range(5):
        qtbot.keyClick(grid, Qt.Key.Key_Plus, Qt.KeyboardModifier.ControlModifier)
    assert 1 <= grid.columns < before
