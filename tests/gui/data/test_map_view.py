import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QApplication

from core.dataset.records import Picture
from gui.data.map_view import MapView
from gui.data.pictures_model import PicturesModel
from gui.shared.theme import series_colour
from gui.shared.thumbnail_pixmaps import Thumbnails


@pytest.fixture
def model(qapp):
    made = PicturesModel()
    made.set_pictures(
        [Picture(f"{'ab'[n % 2]}/{n:03}.jpg", "ab"[n % 2], None, 100, 64, 48, "JPEG", f"{n}", 0) for n in range(400)]
    )
    return made


@pytest.fixture
def view(qtbot, bridge, tmp_path, model):
    """A map whose pictures of a are at the left and those of b at the right, each in a column of 200."""
    made = MapView(model, Thumbnails(bridge, tmp_path))
    qtbot.addWidget(made)
    made.resize(424, 424)
    made.show()
    numbers = np.arange(400)
    made.set_places(np.column_stack([0.25 + 0.5 * (numbers % 2), numbers / 400]).astype(np.float32))
    return made


def mouse(view, kind, point, buttons=Qt.MouseButton.LeftButton, button=Qt.MouseButton.LeftButton, keys=None):
    spot = QPointF(point)
    modifiers = keys or Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(view, QMouseEvent(kind, spot, view.mapToGlobal(spot), button, buttons, modifiers))


def lasso(view, *points, keys=None):
    mouse(view, QEvent.Type.MouseButtonPress, points[0], keys=keys)
    for point in points[1:]:
        mouse(view, QEvent.Type.MouseMove, point, keys=keys)
    mouse(view, QEvent.Type.MouseButtonRelease, points[-1], Qt.MouseButton.NoButton, keys=keys)


def test_a_lasso_chooses_exactly_what_it_encloses(view, model):
    left = view.place_of(0).x()
    lasso(view, QPoint(left - 20, 0), QPoint(left + 20, 0), QPoint(left + 20, 210), QPoint(left - 20, 210))
    inside = {n for n in range(400) if n % 2 == 0 and view.place_of(n).y() < 209}
    assert inside - model.chosen <= {n for n in inside if view.place_of(n).y() > 207}
    assert {model.gallery.label_of(n) for n in model.chosen} == {"a"}
    assert len(model.chosen) > 80
    before = set(model.chosen)
    right = view.place_of(1).x()
    corners = [QPoint(right - 9, 380), QPoint(right + 9, 380), QPoint(right + 9, 424), QPoint(right - 9, 424)]
    lasso(view, *corners, keys=Qt.KeyboardModifier.ControlModifier)
    assert before < model.chosen
    lasso(view, QPoint(200, 200), QPoint(210, 200), QPoint(210, 210))
    assert not model.chosen, "an empty lasso chooses nothing"


def test_what_a_filter_hides_is_not_chosen(view, model):
    model.ask(label="b")
    everything = QPolygonF([QPointF(0, 0), QPointF(424, 0), QPointF(424, 424), QPointF(0, 424)])
    assert sorted(view.enclosed(everything)) == list(range(1, 400, 2))


def test_classes_have_their_colours_and_the_map_zooms_at_the_pointer(view, model):
    spot = view.place_of(1)
    colour = view.grab().toImage().pixelColor(spot.toPoint())
    assert colour in (series_colour(0), series_colour(1))
    wheel = QWheelEvent(
        spot, view.mapToGlobal(spot), QPoint(), QPoint(0, 480), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, wheel)
    assert (view.place_of(1) - spot).manhattanLength() < 0.01
    assert view.place_of(399).y() > 424
    view.colour_by("suspect")
    model.gallery.set_trait("suspect", ["b/001.jpg"])
    model.arrange()
    assert view.grab().toImage().pixelColor(spot.toPoint()) != colour


def test_keys_zoom_move_and_choose(view, model, qtbot):
    view.setFocus()
    start = view.place_of(0)
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert view.place_of(0) != start
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.place_of(0) == start
    qtbot.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    assert len(model.chosen) == 400


def test_keys_ask_for_what_they_stand_for_in_the_grid(view, qtbot):
    asked = []
    view.command.connect(asked.append)
    view.key_typed.connect(asked.append)
    for key in (Qt.Key.Key_Delete, Qt.Key.Key_Return, Qt.Key.Key_Escape, Qt.Key.Key_3):
        qtbot.keyClick(view, key)
    qtbot.keyClick(view, Qt.Key.Key_Y, Qt.KeyboardModifier.ShiftModifier)
    assert asked == ["leave_out", "label", "escape", "3", "y"]


def test_a_click_chooses_the_nearest_and_a_double_click_asks_for_it(view, model, qtbot):
    spot = view.place_of(399).toPoint() + QPoint(3, 0)
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=spot)
    assert model.chosen == {399}
    with qtbot.waitSignal(view.picture_asked) as asked:
        qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=spot)
    assert model.number(asked.args[0]) == 399


def test_a_map_without_places_paints_nothing(view):
    view.set_places(None)
    assert view.number_at(QPointF(10, 10)) is None
    assert view.grab().toImage().pixelColor(106, 100) != QColor(series_colour(0))
