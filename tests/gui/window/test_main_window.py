"""The window: its tabs, its drops, its menu, what it says."""

from __future__ import annotations

import gc
import sys

import pytest
import shiboken6
from PySide6.QtCore import QMimeData, QSize, Qt, QUrl
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from core.errors import UserFacingError
from core.jobs.records import StatusEvent
from core.jobs.specs import TuningSpec
from core.jobs.status import JobStatus
from core.tuning.presets import THOROUGH
from gui.shared.theme import tokens
from gui.window.main_window import start_size
from tests.gui.conftest import write_picture


def folder_mime(*paths):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


# Tabs


def test_only_the_first_page_is_made_for_the_first_paint(window):
    assert list(window.pages.made) == ["data"]
    assert window.shown == "data"
    assert window.minimumWidth() <= 1280


@pytest.mark.parametrize(("screen", "size"), [((1920, 1053), (1280, 800)), ((1280, 800), (1272, 752))])
def test_a_new_window_fits_the_screen_with_its_frame(screen, size):
    assert start_size(QSize(*screen)).toTuple() == size


def test_every_tab_opens_by_shortcut_click_and_arrow(window, qtbot):
    for number, key in enumerate(window._keys, 1):
        qtbot.keyClick(window, getattr(Qt.Key, f"Key_{number}"), Qt.KeyboardModifier.ControlModifier)
        assert window.shown == key
        assert window._stack.currentWidget() is window.page(key)
    qtbot.mouseClick(window.rail, Qt.MouseButton.LeftButton, pos=window.rail.tabRect(1).center())
    assert window.shown == "tuning"
    qtbot.keyClick(window.rail, Qt.Key.Key_Down)
    assert window.shown == "jobs"
    qtbot.keyClick(window.rail, Qt.Key.Key_Home)
    assert window.shown == "data"


def test_tabs_have_words_for_screen_readers_and_shortcuts_in_tooltips(window):
    for at in range(window.rail.count()):
        assert window.rail.tabText(at)
        assert window.rail.accessibleTabName(at) == window.rail.tabText(at)
        assert f"Ctrl+{at + 1}" in window.rail.tabToolTip(at)


def test_the_rail_marks_the_current_tab_by_more_than_colour(window):
    image = window.rail.grab().toImage()
    ratio, rect = image.devicePixelRatio(), window.rail.tabRect(0)
    bar = image.pixelColor(round(1 * ratio), round(rect.center().y() * ratio))
    other = image.pixelColor(round(1 * ratio), round(window.rail.tabRect(1).center().y() * ratio))
    assert bar == QColor(tokens().accent)
    assert other != bar


# From page to page


def test_a_dataset_goes_to_tuning(window, qtbot, dataset_folder):
    data = window.page("data")
    data.open_folder(dataset_folder)
    qtbot.waitUntil(lambda: data.manifest is not None, timeout=15000)
    # Predict knows what is open before it is used.
    qtbot.waitUntil(lambda: window.page("predict").models._dataset == data.manifest, timeout=15000)
    qtbot.mouseClick(data.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.shown == "tuning", timeout=5000)
    assert window.page("tuning")._manifest == data.manifest


def test_one_press_finds_the_best_model_for_the_sample(window, qtbot, monkeypatch):
    data = window.page("data")
    data.dataset.open_sample()
    qtbot.waitUntil(lambda: data.manifest is not None, timeout=20000)
    launched = []
    monkeypatch.setattr(window.workbench.jobs, "launch", lambda spec, *rest: launched.append(spec) or spec.name)
    qtbot.mouseClick(data.quick_look, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.shown == "jobs")
    assert window.page("tuning")._manifest == data.manifest
    (spec,) = launched
    assert isinstance(spec, TuningSpec)
    assert spec.training.dataset_version == "" or spec.training.dataset_version == data.manifest.version


def test_the_best_model_is_set_up_and_waits_for_a_yes(window, qtbot, monkeypatch):
    data = window.page("data")
    data.dataset.open_sample()
    qtbot.waitUntil(lambda: data.manifest is not None, timeout=20000)
    monkeypatch.setattr(window.workbench.jobs, "launch", lambda *asked: pytest.fail("nothing was said of the time yet"))
    qtbot.mouseClick(data.find_best, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.shown == "tuning")
    draft = window.page("tuning").draft()
    assert draft.metric == "cv:loss"
    assert {row.name for row in draft.searched} == {item.name for item in THOROUGH.ranges}


def test_the_menu_says_which_version_this_is_and_how_to_begin(window, qtbot):
    from gui.shared.dialogs import Decision
    from training_scripts.version import VERSION

    for entry, said in (("About Sagehound", f"Version {VERSION}"), ("Help", "try the sample or open a folder")):
        next(action for action in window.actions() if action.text() == entry).trigger()
        dialog = next(made for made in window.findChildren(Decision) if made.isVisible())
        assert any(said in label.text() for label in dialog.findChildren(QLabel))
        qtbot.keyClick(dialog, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda dialog=dialog: not shiboken6.isValid(dialog) or not dialog.isVisible())


def test_a_started_job_is_shown(busy, qtbot):
    busy.page("tuning").job_started.emit("flowers-1")
    assert busy.shown == "jobs"


# Drops and paste


def test_a_dataset_folder_dropped_anywhere_opens_in_data(window, qtbot, drop, dataset_folder):
    window.show_page("jobs")
    assert drop(window, folder_mime(dataset_folder))
    qtbot.waitUntil(lambda: window.shown == "data", timeout=5000)
    qtbot.waitUntil(lambda: window.page("data").manifest is not None, timeout=15000)


def test_folders_dropped_together_are_one_dataset(window, qtbot, drop, dataset_folder, tmp_path):
    others = [tmp_path / "more" / name for name in ("rose", "lily")]
    for number, folder in enumerate(others):
        write_picture(folder / "one.png", (0, 0, number))
    window.show_page("data")
    assert drop(window, folder_mime(*others), release=False)
    assert "one dataset" in window.drops.veil.text
    assert drop(window, folder_mime(*others))
    qtbot.waitUntil(lambda: window.page("data").manifest is not None, timeout=15000)
    assert window.page("data").manifest.classes == ("lily", "rose")


def test_the_window_says_what_a_drop_would_do(window, qtbot, drop, dataset_folder):
    assert drop(window, folder_mime(dataset_folder), release=False)
    assert window.drops.veil.isVisible()
    assert "open" in window.drops.veil.text
    picture = dataset_folder / "rose" / "rose-00.png"
    assert drop(window, folder_mime(picture), release=False)
    assert "classify" in window.drops.veil.text
    assert window.drops.veil.geometry() == window.rect()
    from PySide6.QtGui import QDragLeaveEvent

    QApplication.sendEvent(window, QDragLeaveEvent())
    assert not window.drops.veil.isVisible()


def test_what_is_no_file_is_not_taken(window, drop):
    mime = QMimeData()
    mime.setData("application/x-else", b"x")
    assert not drop(window, mime)
    assert not window.drops.veil.isVisible()


@pytest.fixture
def taken(window, monkeypatch):
    """What the Predict tab was given."""
    items = []
    page = window.page("predict")
    monkeypatch.setattr(page, "take", items.append)
    return items


def test_pictures_dropped_anywhere_go_to_predict(window, qtbot, drop, dataset_folder, taken):
    pictures = sorted((dataset_folder / "rose").glob("rose-*.png"))[:2]
    assert drop(window, folder_mime(*pictures))
    assert window.shown == "predict"
    assert taken == [pictures]


def test_pictures_of_an_evaluation_are_asked_of_its_model_only_once_that_is_chosen(
    window, taken, monkeypatch, tmp_path
):
    predict, then = window.page("predict"), []
    monkeypatch.setattr(predict, "use_model", lambda job, show: then.append(show))
    window.show_page("jobs")
    window.page("jobs").pictures_asked.emit([str(tmp_path / "a.jpg")], "pets-001")
    assert (taken, window.shown) == ([], "jobs")
    then[0](False)
    assert (taken, window.shown) == ([], "predict"), "where the error stands"
    then[0](True)
    assert taken == [[tmp_path / "a.jpg"]]


def test_a_folder_of_pictures_goes_where_the_user_is(window, qtbot, drop, dataset_folder, taken):
    window.show_page("jobs")
    drop(window, folder_mime(dataset_folder / "rose"))
    qtbot.waitUntil(lambda: window.drops.question is not None, timeout=5000)
    qtbot.mouseClick(window.drops.question.buttons["classify"], Qt.MouseButton.LeftButton)
    assert taken == [[dataset_folder / "rose"]]
    window.show_page("data")
    drop(window, folder_mime(dataset_folder / "rose"))
    data = window.page("data")
    qtbot.waitUntil(
        lambda: data.dataset.folder == dataset_folder / "rose" and data.dataset.scan is not None, timeout=15000
    )
    assert len(taken) == 1


def test_the_question_about_many_folders_is_of_them_all_and_names_three(window, qtbot, drop, tmp_path, taken):
    folders = [tmp_path / f"walk-{number}" for number in range(5)]
    for folder in folders:
        write_picture(folder / "one.png")
    window.show_page("jobs")
    drop(window, folder_mime(*folders))
    qtbot.waitUntil(lambda: window.drops.question is not None)
    question = window.drops.question
    assert question.windowTitle() == "What should be done with walk-0, walk-1, walk-2, …?"
    assert question.buttons["open"].text() == "Label the pictures"
    qtbot.mouseClick(question.buttons["classify"], Qt.MouseButton.LeftButton)
    assert taken == [folders]


@pytest.mark.parametrize(("answer", "shown"), [("open", "data"), ("classify", "predict"), (None, "predict")])
def test_a_dataset_on_the_predict_tab_is_asked_about(window, qtbot, drop, dataset_folder, taken, answer, shown):
    window.show_page("predict")
    assert drop(window.page("predict"), folder_mime(dataset_folder))
    qtbot.waitUntil(lambda: window.drops.question is not None, timeout=5000)
    question = window.drops.question
    if answer:
        qtbot.mouseClick(question.buttons[answer], Qt.MouseButton.LeftButton)
    else:
        qtbot.keyClick(question, Qt.Key.Key_Escape)
    assert window.shown == shown
    assert taken == ([[dataset_folder]] if answer == "classify" else [])
    if answer == "open":
        qtbot.waitUntil(lambda: window.page("data").manifest is not None, timeout=15000)


def test_a_picture_is_pasted_into_predict(window, qtbot, taken):
    image = QImage(8, 8, QImage.Format.Format_RGB32)
    image.fill(QColor("red"))
    QApplication.clipboard().setImage(image)
    qtbot.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert window.shown == "predict"
    pasted = QImage.fromData(taken[0][0])
    assert (pasted.width(), pasted.height()) == (8, 8)
    assert pasted.pixelColor(4, 4) == QColor("red")


def test_nothing_to_paste_is_said(window, qtbot, taken):
    QApplication.clipboard().clear()
    qtbot.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert "no picture" in window.status.currentMessage()
    assert taken == []


# Status, errors, dialogs


def test_running_jobs_show_in_the_status_bar_and_their_end_in_a_toast(busy, qtbot, scripted_engine):
    assert busy.status.jobs.text() == "1 job is running"
    assert busy.status._running.isVisible()
    scripted_engine.set_job("flowers-1", JobStatus.COMPLETED)
    scripted_engine.put(StatusEvent("flowers-1", JobStatus.COMPLETED, 1.0))
    qtbot.waitUntil(lambda: busy.toasts.messages == ["flowers-1 has completed."], timeout=5000)
    assert not busy.status._running.isVisible()


def test_a_job_that_was_deleted_after_its_end_was_said_is_not_waited_for(busy, qtbot, scripted_engine):
    scripted_engine.set_job("flowers-1", JobStatus.COMPLETED)
    scripted_engine.put(StatusEvent("flowers-1", JobStatus.COMPLETED, 1.0))
    qtbot.waitUntil(lambda: bool(busy.toasts.messages))
    scripted_engine.records = []
    busy.feed.refresh()
    qtbot.waitUntil(lambda: not busy.feed.jobs)
    show = next(made for made in busy.toasts._shown[0].findChildren(QPushButton) if made.text() == "Show")
    qtbot.mouseClick(show, Qt.MouseButton.LeftButton)
    jobs = busy.page("jobs")
    assert busy.shown == "jobs"
    assert jobs._toasts.messages == ["flowers-1 is not there any more."]
    assert jobs.empty.accessibleName() == "No job has been started yet."


def test_the_engine_is_named_once_it_is_there(window, workbench, qtbot):
    assert workbench._engine is None, "the first paint does not wait for the engine"
    window.start()
    qtbot.waitUntil(lambda: window.status.engine.text() == "Local engine", timeout=10000)


def test_the_other_pages_are_made_before_they_are_asked_for(window, qtbot):
    window._warm()
    assert list(window.pages.made) == ["data"]
    qtbot.waitUntil(lambda: set(window.pages.made) == set(window._keys), timeout=30000)
    assert window.shown == "data"
    assert window._stack.currentWidget() is window.page("data")


def test_the_other_pages_are_imported_in_a_thread(window, qtbot):
    window._warm()
    qtbot.waitUntil(lambda: "gui.jobs.job_detail" in sys.modules and window._bridge.idle, timeout=20000)
    from PySide6.QtCore import QObject, QThread

    here = QThread.currentThread()
    # By its type: `isinstance` asks an object for its class, and some of torch's warn when they are asked anything.
    found = [item for item in gc.get_objects() if issubclass(type(item), QObject)]
    objects = [item for item in found if shiboken6.isValid(item)]
    assert objects
    assert [found for found in objects if found.thread() != here] == []


def test_jobs_that_ended_before_the_window_opened_are_no_news(busy, qtbot, scripted_engine):
    busy._on_jobs_changed(scripted_engine.jobs())
    assert busy.toasts.messages == []


def test_an_engine_in_trouble_is_said_once_without_a_dialog(busy, qtbot, scripted_engine):
    scripted_engine.fail = True
    qtbot.waitUntil(lambda: "away" in busy.status.currentMessage(), timeout=5000)
    assert QApplication.activeModalWidget() is None


def test_errors_nobody_takes_and_defects_get_a_dialog(window, qtbot, bridge):
    from gui.shared.dialogs import Decision

    def fail(on_progress, cancel):
        raise UserFacingError("The disk is full.", "", "Make room.")

    bridge.run(fail)
    qtbot.waitUntil(lambda: bool(window.findChildren(Decision)), timeout=5000)
    window.findChildren(Decision)[0].reject()
    window.show_defect("ValueError: x", "Traceback")
    shown = [dialog for dialog in window.findChildren(Decision) if dialog.isVisible()]
    assert [dialog.windowTitle() for dialog in shown] == ["Something went wrong inside Sagehound"]
    assert "ValueError: x" in [text.text() for text in shown[0].findChildren(QLabel)]
    shown[0].reject()


def test_the_menu_knows_every_shortcut_and_none_twice(window, qtbot):
    shortcuts = [action.shortcut().toString() for action in window.actions() if not action.shortcut().isEmpty()]
    assert len(shortcuts) == len(set(shortcuts))
    assert {"Ctrl+O", "Ctrl+Shift+O", "Ctrl+V", "F1", "F10", "Ctrl+,", "Ctrl+Q", "Ctrl+1"} <= set(shortcuts)
    qtbot.keyClick(window, Qt.Key.Key_F1)
    from gui.shared.dialogs import Decision

    (dialog,) = window.findChildren(Decision)
    assert dialog.isVisible()
    dialog.reject()


def test_colours_change_by_menu_and_by_settings_and_are_kept(window, workbench, theme):
    window.colours["dark"].trigger()
    assert tokens().scheme == "dark"
    assert workbench.settings.current.theme == "dark"
    from gui.window.settings_dialog import SettingsDialog

    window.show_settings()
    (dialog,) = window.findChildren(SettingsDialog)
    box = dialog.editors["theme"]
    box.setCurrentIndex(box.findData("light"))
    assert tokens().scheme == "light"
    assert window.colours["light"].isChecked()
    dialog.accept()


def test_connecting_to_aws_begins_with_a_page_that_explains(window, qtbot, workbench):
    from gui.cloud.aws_dialog import AwsDialog

    qtbot.mouseClick(window.page("data").first_run.aws, Qt.MouseButton.LeftButton)
    (dialog,) = window.findChildren(AwsDialog)
    assert dialog.isVisible()
    dialog.reject()
    assert workbench.settings.current.engine == "local"
