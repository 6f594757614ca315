from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QProgressBar

from core.errors import EngineError
from core.jobs.accuracy import Accuracy
from core.models import BEST, ModelAddress
from core.models.choices import ModelChoice
from core.predict.intake import Intake, NamedPicture
from core.predict.records import Explanation, Rendered
from core.predict.training_neighbours import TrainingPicture
from core.progress import CancelToken, Progress
from core.store.held_out import HeldOut
from gui.bridge import Handle
from gui.predict.answer_view import AnswerView
from gui.predict.class_bars import ROW, ClassBars
from gui.predict.judged_folder import JudgedFolder
from gui.predict.model_chooser import ModelChooser
from gui.predict.picture_view import PictureView
from gui.predict.predict_tab import _folder_among
from gui.predict.prediction_model import Column, PredictionModel
from gui.predict.recent_strip import MOST, RecentStrip
from gui.shared.nearest_strip import NearestStrip
from gui.shared.picture_mime import has_pictures, picture_items
from tests.gui.predict.answers import answer_to, jpeg, picture_named
from training_scripts.pictures.reading import open_picture

# Mime data ---------------------------------------------------------------------------------------------------------


def test_files_are_taken_before_anything_else(qapp, tmp_path):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / "fünf 5.jpg")), QUrl("https://example.org/x.jpg")])
    mime.setImageData(QImage(4, 4, QImage.Format.Format_RGB32))
    assert has_pictures(mime)
    assert picture_items(mime) == [tmp_path / "fünf 5.jpg"]


def test_a_picture_out_of_a_browser_brings_its_data(qapp):
    image = QImage(6, 4, QImage.Format.Format_RGB32)
    image.fill(QColor(10, 200, 30))
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/x.jpg")])
    mime.setImageData(image)
    (data,) = picture_items(mime)
    assert isinstance(data, bytes)
    opened = Image.open(io.BytesIO(data))
    assert (opened.size, opened.convert("RGB").getpixel((2, 2))) == ((6, 4), (10, 200, 30))


def test_a_transparent_picture_keeps_its_transparency(qapp):
    image = QImage(6, 4, QImage.Format.Format_ARGB32)
    image.fill(QColor(10, 200, 30, 0))
    mime = QMimeData()
    mime.setImageData(image)
    (data,) = picture_items(mime)
    assert isinstance(data, bytes)
    assert open_picture(data).getpixel((2, 2)) == (255, 255, 255)


def test_encoded_data_are_taken_as_they_are(qapp):
    mime = QMimeData()
    mime.setData("image/jpeg", jpeg())
    assert has_pictures(mime)
    assert picture_items(mime) == [jpeg()]


def test_addresses_and_text_are_handed_on(qapp, tmp_path):
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/x.jpg")])
    assert picture_items(mime) == ["https://example.org/x.jpg"]
    mime = QMimeData()
    address = "data:image/jpeg;base64," + base64.b64encode(jpeg()).decode()
    mime.setText(address)
    assert not has_pictures(mime)
    assert picture_items(mime) == [address]
    (tmp_path / "a.jpg").write_bytes(jpeg())
    mime.setText(f'"{tmp_path / "a.jpg"}"\n')
    assert picture_items(mime) == [tmp_path / "a.jpg"]
    assert picture_items(QMimeData()) == []


# Bars and picture --------------------------------------------------------------------------------------------------


def test_bars_say_all_to_a_screen_reader_and_are_chosen_by_click_and_key(qtbot):
    bars = ClassBars()
    qtbot.addWidget(bars)
    bars.set_classes((("cat", 0.9), ("dog", 0.099), ("frog", 0.0005)))
    bars.resize(300, bars.sizeHint().height())
    bars.show()
    assert bars.accessibleDescription() == "cat 90.0 %, dog 9.9 %, frog < 0.1 %"
    chosen = []
    bars.chosen.connect(chosen.append)
    qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(20, ROW + 10))
    qtbot.keyClick(bars, Qt.Key.Key_Down)
    qtbot.keyClick(bars, Qt.Key.Key_Down)  # the last one: nothing below
    qtbot.keyClick(bars, Qt.Key.Key_Up)
    qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(20, ROW + 10))  # chosen already
    assert chosen == ["dog", "frog", "dog"]
    assert bars.current == "dog"


def test_a_bar_is_as_long_as_its_probability(qtbot, theme):
    from gui.shared.theme import tokens

    bars = ClassBars()
    qtbot.addWidget(bars)
    bars.set_classes((("cat", 0.75), ("dog", 0.25)))
    bars.resize(316, bars.sizeHint().height())
    image = bars.grab().toImage()
    scale = image.devicePixelRatio()

    def filled(row: int) -> float:
        y = int((row * ROW + ROW - 6 - 4) * scale)
        line = QColor(tokens().line)
        part = [x for x in range(int(8 * scale), int(308 * scale)) if QColor(image.pixel(x, y)) != line]
        return len(part) / (300 * scale)

    assert filled(0) == pytest.approx(0.75, abs=0.02)
    assert filled(1) == pytest.approx(0.25, abs=0.02)


def test_a_picture_fits_zooms_and_carries_an_overlay(qtbot):
    view = PictureView()
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.show()
    qtbot.waitExposed(view)
    image = QImage(1600, 600, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.blue)
    view.set_picture(image, "blue")
    fitted = view.scale_factor
    assert fitted == pytest.approx(view.viewport().width() / 1600 * view.devicePixelRatioF(), rel=0.02)
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert view.scale_factor == pytest.approx(fitted * 1.25)
    qtbot.keyClick(view, Qt.Key.Key_1)
    assert view.scale_factor == pytest.approx(1)
    view.resize(500, 300)
    assert view.scale_factor == pytest.approx(1)
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.scale_factor < 0.4
    for _ in range(40):
        view.zoom_out()
    assert view.scale_factor == pytest.approx(view.viewport().width() / 1600 * view.devicePixelRatioF(), rel=0.02)
    red = QImage(16, 6, QImage.Format.Format_ARGB32)
    red.fill(Qt.GlobalColor.red)
    view.set_overlay(red)
    centre = QColor(view.grab().toImage().pixel(250, 150))
    assert centre.red() > 120
    view.set_overlay(None)
    assert QColor(view.grab().toImage().pixel(250, 150)).red() < 20
    assert not view.has_overlay


# Recent ----------------------------------------------------------------------------------------------------------


def test_the_strip_of_recent_pictures_keeps_the_latest_first(qtbot):
    strip = RecentStrip()
    qtbot.addWidget(strip)
    assert not strip.isVisibleTo(None)
    for number in range(MOST + 3):
        strip.add(picture_named(f"{number}.jpg"), answer_to("x", "cat", 0.9))
    strip.add(picture_named("10.jpg"), answer_to("x", "dog", 0.9))
    assert strip.count() == MOST
    assert strip.item(0).toolTip() == "10.jpg: dog 90.0 %"
    chosen = []
    strip.picture_chosen.connect(chosen.append)
    strip.resize(600, 80)
    strip.show()
    qtbot.waitExposed(strip)
    place = strip.visualItemRect(strip.item(1)).center()
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert [picture.name for picture in chosen] == [f"{MOST + 2}.jpg"]


# Answer and models -------------------------------------------------------------------------------------------------


def test_the_answer_shows_the_classes_the_model_and_the_time(qtbot, bridge, tmp_path):
    view = AnswerView(NearestStrip(bridge, tmp_path))
    qtbot.addWidget(view)
    view.resize(900, 600)
    view.show()
    view.set_answer(picture_named("a.jpg"), answer_to("a.jpg", "cat", 0.9, 12.34), None)
    view.set_picture(Rendered(2, 1, bytes([255, 0, 0, 0, 0, 255])))
    assert view.bars.classes[0] == ("cat", 0.9)
    assert view.accessibleDescription() == "a.jpg is cat, 90.0 % sure"
    assert view.picture.has_picture
    asked = []
    view.explanation_asked.connect(asked.append)
    qtbot.mouseClick(view.why_button, Qt.MouseButton.LeftButton)
    buffer = io.BytesIO()
    Image.new("RGBA", (20, 10), (255, 0, 0, 200)).save(buffer, "PNG")
    view.set_explanation(Explanation(Path("a.jpg"), "cat", 0.9, buffer.getvalue(), 100))
    assert view.picture.has_overlay
    qtbot.keyClick(view.bars, Qt.Key.Key_Down)
    qtbot.mouseClick(view.why_button, Qt.MouseButton.LeftButton)
    assert asked == ["cat", "other", ""]
    assert not view.picture.has_overlay


def test_left_and_right_step_through_a_table_but_not_where_they_go_through_something_else(qtbot, bridge, tmp_path):
    view = AnswerView(NearestStrip(bridge, tmp_path))
    qtbot.addWidget(view)
    view.resize(900, 600)
    view.show()
    view.activateWindow()
    qtbot.waitUntil(view.isActiveWindow)
    view.set_answer(picture_named("a.jpg"), answer_to("a.jpg", "cat", 0.9, 12.34), None)
    view.set_picture(Rendered(400, 200, bytes(3 * 400 * 200)))
    view.nearest._show([TrainingPicture(tmp_path, f"{at}.jpg", f"{at:064x}", "cat", 0.1) for at in range(3)])
    view.nearest.list.setCurrentRow(0)
    asked, strip, picture = [], view.nearest.list, view.picture
    view.step_asked.connect(asked.append)

    def press(*widgets):
        for widget in widgets:
            widget.setFocus()
            qtbot.keyClick(widget, Qt.Key.Key_Right)

    press(picture, strip, view.why_button)
    assert (asked, strip.currentRow()) == ([], 1), "no table is behind it"
    view.set_from_table(True)
    press(strip)
    assert (asked, strip.currentRow()) == ([], 2)
    press(picture, view.back_button)
    assert asked == [1, 1]
    picture.zoom(8)
    before = picture.horizontalScrollBar().value()
    press(picture)
    assert len(asked) == 2
    assert picture.horizontalScrollBar().value() > before


def test_an_unknown_picture_says_so_and_what_it_would_have_been(qtbot, bridge, tmp_path):
    view = AnswerView(NearestStrip(bridge, tmp_path))
    qtbot.addWidget(view)
    strange = replace(answer_to("a.jpg", "cat", 0.9, 12.34), strangeness=3.0, unknown=True)
    view.set_answer(picture_named("a.jpg"), strange, None)
    said = "Unlike what the model learned. It would say cat, 90.0 % sure"
    assert view.accessibleDescription() == f"a.jpg is Unknown, {said}"
    model = PredictionModel()
    model.set_pictures([picture_named("a.jpg"), picture_named("b.jpg")])
    model.set_answers({0: strange, 1: answer_to("b.jpg", "cat", 0.8, 1.0)})
    assert [model.index(row, Column.CLASS).data() for row in range(2)] == ["unknown (cat?)", "cat"]
    model.set_words("unknown")
    assert model.rowCount() == 1


def test_the_nearest_training_pictures_come_with_class_and_distance(qtbot, bridge, tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (30, 20), "red").save(tmp_path / name)
    strip = NearestStrip(bridge, tmp_path / "cache")
    qtbot.addWidget(strip)
    found = [
        TrainingPicture(tmp_path, name, f"{at:064x}", "cat", at / 10) for at, name in enumerate(("a.jpg", "b.jpg"))
    ]
    strip.ask(lambda cancel: found)
    qtbot.waitUntil(lambda: strip.list.count() == 2 and not strip.list.item(1).icon().isNull())
    assert [strip.list.item(row).text() for row in range(2)] == ["cat\n0.00", "cat\n0.10"]
    with qtbot.waitSignal(strip.activated) as opened:
        strip.list.itemActivated.emit(strip.list.item(1))
    assert opened.args == [[str(tmp_path / "b.jpg")]]
    strip.ask(lambda cancel: [])
    assert strip.list.count() == 0
    qtbot.waitUntil(strip.isHidden)


def test_the_chooser_says_how_much_a_model_gets_right_and_how_sure_that_is(qtbot):
    chooser = ModelChooser()
    qtbot.addWidget(chooser)
    old = ModelChoice("t-001", "t", 1, "t", True, 0.25, accuracy=Accuracy("test", 0.75))
    new = replace(old, job="t-002", accuracy=Accuracy("test", 72 / 74, 74))
    chooser.set_models(None, [old, new])
    assert chooser.itemText(0).endswith("  ·  75.0 %")
    assert chooser.itemText(1).endswith("  ·  97.3 % (91–99 %)")
    assert "72 of 74 right on test (97.3 %, 91 to 99 %)" in chooser.itemData(1, Qt.ItemDataRole.ToolTipRole)
    chooser.set_models(None, [replace(new, accuracy=Accuracy("test", 72 / 74, 74, "fish"))])
    assert chooser.itemText(0).endswith("  ·  97.3 % (91–99 %)  ·  weakest: fish")


def test_the_chooser_follows_the_best_until_a_job_is_chosen(qtbot):
    chooser = ModelChooser()
    qtbot.addWidget(chooser)
    assert (chooser.chosen, chooser.resolved, chooser.isEnabled()) == (BEST, None, False)
    first = ModelChoice("t-001", "t", 1, "t", True, 0.25, "Average loss", "resnet18")
    second = ModelChoice("t-002", "My birds / v1, trial 2", 2, "t", False, 0.5)
    chooser.set_models(first, [first, second])
    assert (chooser.chosen, chooser.resolved) == (BEST, ModelAddress.job("t-001"))
    assert "Average loss 0.25" in chooser.itemData(0, Qt.ItemDataRole.ToolTipRole)
    chooser.set_models(second, [second, first])
    assert (chooser.chosen, chooser.resolved) == (BEST, ModelAddress.job("t-002"))
    assert chooser.choose(ModelAddress.job("t-001"))
    chooser.set_models(second, [second, first])
    assert (chooser.chosen, chooser.resolved) == (ModelAddress.job("t-001"), ModelAddress.job("t-001"))
    chooser.set_models(second, [second])
    assert (chooser.chosen, chooser.resolved) == (BEST, ModelAddress.job("t-002"))
    assert not chooser.choose(ModelAddress.job("gone"))
    assert chooser.itemText(0) == "Best: My birds / v1, trial 2"
    chooser.set_models(second, [second], "birds")
    assert chooser.itemText(0) == "Best on birds: My birds / v1, trial 2"
    chooser.set_endpoints(["live"])
    assert (chooser.itemText(0)[:7], chooser.wanted) == ("Best on", ModelAddress.job("t-002"))


def test_only_a_folder_that_was_dropped_alone_is_offered_to_be_sorted():
    folder = Path("/pictures")
    inside = Intake((NamedPicture("a.jpg", folder / "a.jpg"), NamedPicture("b.jpg", folder / "deep" / "b.jpg")), ())
    assert _folder_among([folder], inside) == folder
    assert _folder_among([folder, folder], inside) is None
    assert _folder_among([folder / "a.jpg"], Intake((NamedPicture("a.jpg", folder / "a.jpg"),), ())) is None
    assert _folder_among([b"pasted"], Intake((NamedPicture("Pasted picture", b"pasted"),), ())) is None
    assert _folder_among([folder], Intake((), ())) is None


class HeldSession:
    """Judges every folder as wholly right and answers a lock when the test says so."""

    def __init__(self):
        self.answers = []
        self.handle = Handle(CancelToken())

    def judge(self, folder, answers, on_done, on_error):
        on_done(SimpleNamespace(root=folder, sentence=f"Gets 3 of 3 right on {folder}", held_out=None, pictures=()))

    def lock(self, folder, locked, on_done, on_error, on_progress):
        self.answers.append((on_done, on_error, on_progress))
        return self.handle

    def stop_judging(self):
        pass


def test_the_answer_about_a_lock_is_shown_with_its_own_folder_only(qtbot):
    session = HeldSession()
    judged = JudgedFolder(session)
    qtbot.addWidget(judged)
    judged.judge(Path("old"), [])
    judged.locked.click()
    judged.forget()
    judged.judge(Path("old"), [])
    judged.locked.click()
    (locked, *_), (_, refused, _) = session.answers
    judged.forget()
    locked(HeldOut("old", 0, 0))
    assert judged.isHidden()
    judged.judge(Path("new"), [])
    locked(HeldOut("old", 0, 0))
    with qtbot.waitSignal(judged.failed):
        refused(EngineError("The disk is full."))
    assert judged.accessibleName() == "Gets 3 of 3 right on new."
    assert not judged.locked.isChecked()
    judged.judge(Path("old"), [])
    locked(HeldOut("old", 0, 0))
    assert "is locked" in judged.accessibleName()


def test_a_lock_says_how_far_it_is_and_can_be_cancelled(qtbot):
    session = HeldSession()
    judged = JudgedFolder(session)
    qtbot.addWidget(judged)
    judged.judge(Path("large"), [])
    judged.show()
    judged.locked.click()
    assert judged.progress.isVisible()
    assert not judged.locked.isEnabled()
    (_, _, tell) = session.answers[0]
    tell(Progress(3, 4, "Reading large", "pictures"))
    assert judged.progress.findChild(QProgressBar).value() == 750
    judged.progress.cancelled.emit()
    assert session.handle.cancelled
    assert not judged.progress.isVisible()
    assert judged.locked.isEnabled()
    assert not judged.locked.isChecked()
