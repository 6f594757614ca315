import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication, QLabel

from core.errors import UserFacingError
from core.jobs.records import StatusEvent
from core.jobs.status import JobStatus
from core.paths import ROOT
from core.workbench import Workbench
from gui import feed as feed_module
from gui.main_window import GEOMETRY_KEY, TAB_KEY, MainWindow
from gui.theme import tokens


def environment(home):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    return kept | {"SAGEHOUND_HOME": str(home), "QT_QPA_PLATFORM": "offscreen"}


def run_program(code, home):
    """Run the real program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def open_window(qtbot, bridge, theme):
    """Open a window on a workbench; the feed and the window end with the test."""
    windows = []

    def open_it(workbench):
        made = MainWindow(workbench, bridge, theme)
        qtbot.addWidget(made, before_close_func=lambda window: window.feed.stop())
        windows.append(made)
        made.show()
        return made

    yield open_it
    for made in windows:
        made.closing.decide()


@pytest.fixture
def window(open_window, workbench):
    return open_window(workbench)


@pytest.fixture
def busy(open_window, paths, scripted_engine, monkeypatch, qtbot):
    """A window whose engine runs one job."""
    monkeypatch.setattr(feed_module, "BUSY_MS", 10)
    monkeypatch.setattr(feed_module, "IDLE_MS", 10)
    scripted_engine.set_job("flowers-1", JobStatus.IN_PROGRESS)
    workbench = Workbench(paths, scripted_engine)
    made = open_window(workbench)
    with qtbot.waitSignal(made.feed.jobs_changed):
        made.feed.start()
    yield made
    made.feed.stop()
    workbench.close()


def folder_mime(*paths):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


# Tabs


def test_only_the_first_page_is_made_for_the_first_paint(window):
    assert list(window._pages) == ["data"]
    assert window.shown == "data"
    assert window.minimumWidth() <= 1280


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
    qtbot.mouseClick(data.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.shown == "tuning", timeout=5000)
    assert window.page("tuning")._manifest == data.manifest


def test_quick_look_sets_up_a_search_on_the_sample(window, qtbot):
    data = window.page("data")
    data.open_sample()
    qtbot.waitUntil(lambda: data.manifest is not None, timeout=20000)
    qtbot.mouseClick(data.quick_look, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.shown == "tuning", timeout=5000)
    assert window.page("tuning")._manifest == data.manifest


def test_a_started_job_is_shown(busy, qtbot):
    busy.page("tuning").job_started.emit("flowers-1")
    assert busy.shown == "jobs"


# Drops and paste


def test_a_dataset_folder_dropped_anywhere_opens_in_data(window, qtbot, drop, dataset_folder):
    window.show_page("jobs")
    assert drop(window, folder_mime(dataset_folder))
    qtbot.waitUntil(lambda: window.shown == "data", timeout=5000)
    qtbot.waitUntil(lambda: window.page("data").manifest is not None, timeout=15000)


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


def test_a_folder_of_pictures_goes_where_the_user_is(window, qtbot, drop, dataset_folder, taken):
    window.show_page("jobs")
    drop(window, folder_mime(dataset_folder / "rose"))
    qtbot.waitUntil(lambda: bool(taken), timeout=5000)
    assert taken == [[dataset_folder / "rose"]]
    window.show_page("data")
    drop(window, folder_mime(dataset_folder / "rose"))
    qtbot.waitUntil(window.page("data")._error.isVisible, timeout=5000)
    assert len(taken) == 1


@pytest.mark.parametrize(("answer", "shown"), [("open", "data"), ("classify", "predict"), (None, "predict")])
def test_a_dataset_on_the_predict_tab_is_asked_about(window, qtbot, dataset_folder, taken, answer, shown):
    window.show_page("predict")
    window.drops.take_folder(dataset_folder)
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


def test_the_engine_is_named_once_it_is_there(window, workbench, qtbot):
    assert workbench._engine is None, "the first paint does not wait for the engine"
    window.start()
    qtbot.waitUntil(lambda: window.status.engine.text() == "Local engine", timeout=10000)


def test_the_other_pages_are_made_before_they_are_asked_for(window, qtbot):
    window._warm()
    assert list(window._pages) == ["data"]
    qtbot.waitUntil(lambda: set(window._pages) == set(window._keys), timeout=30000)
    assert window.shown == "data"
    assert window._stack.currentWidget() is window.page("data")


def test_the_other_pages_are_imported_in_a_thread(window, qtbot):
    window._warm()
    qtbot.waitUntil(lambda: "gui.widgets.job_detail" in sys.modules and not window._bridge._pending, timeout=20000)
    from PySide6.QtCore import QObject, QThread

    here = QThread.currentThread()
    objects = [found for found in gc.get_objects() if isinstance(found, QObject) and shiboken6.isValid(found)]
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
    from gui.dialogs import Decision

    def fail(report, cancel):
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
    from gui.dialogs import Decision

    (dialog,) = window.findChildren(Decision)
    assert dialog.isVisible()
    dialog.reject()


def test_colours_change_by_menu_and_by_settings_and_are_kept(window, workbench, theme):
    window.colours["dark"].trigger()
    assert tokens().scheme == "dark"
    assert workbench.settings.current.theme == "dark"
    from gui.settings_dialog import SettingsDialog

    window.show_settings()
    (dialog,) = window.findChildren(SettingsDialog)
    box = dialog.editors["theme"]
    box.setCurrentIndex(box.findData("light"))
    assert tokens().scheme == "light"
    assert window.colours["light"].isChecked()
    dialog.accept()


def test_connecting_to_aws_begins_with_a_page_that_explains(window, qtbot, workbench):
    from gui.aws_dialog import AwsDialog

    qtbot.mouseClick(window.page("data").first_run.aws, Qt.MouseButton.LeftButton)
    (dialog,) = window.findChildren(AwsDialog)
    assert dialog.isVisible()
    dialog.reject()
    assert workbench.settings.current.engine == "local"


# Closing


def test_it_closes_at_once_when_nothing_runs_and_remembers_its_state(window, workbench, open_window, qtbot):
    window.show_page("tuning")
    window.resize(1111, 700)
    assert window.close()
    assert workbench.settings.recall(TAB_KEY) == "tuning"
    assert workbench.settings.recall(GEOMETRY_KEY)
    again = open_window(workbench)
    qtbot.waitUntil(lambda: again.shown == "tuning", timeout=5000)
    # The virtual screen is narrower than the window, so Qt fits the width to it; the height is as it was.
    assert again.height() == 700


def test_a_state_that_makes_no_sense_is_ignored(workbench, open_window):
    workbench.settings.remember(TAB_KEY, "gone")
    workbench.settings.remember(GEOMETRY_KEY, "AAAA")
    assert open_window(workbench).shown == "data"


@pytest.mark.parametrize("answer", ["continue", "stop", "cancel"])
def test_closing_with_jobs_running_asks(busy, qtbot, scripted_engine, answer):
    assert not busy.close()
    dialog = busy.closing.dialog
    assert dialog.isVisible()
    assert not busy.close(), "asking twice opens no second dialog"
    assert busy.closing.dialog is dialog
    qtbot.mouseClick(dialog.buttons[answer], Qt.MouseButton.LeftButton)
    if answer == "cancel":
        assert busy.isVisible()
        assert not busy.close()
        busy.closing.dialog.reject()
    else:
        qtbot.waitUntil(lambda: not busy.isVisible(), timeout=5000)
    assert scripted_engine.stopped == (["flowers-1"] if answer == "stop" else [])


def test_the_answer_can_be_kept(busy, qtbot, scripted_engine):
    busy.close()
    busy.closing.dialog.remember.setChecked(True)
    qtbot.mouseClick(busy.closing.dialog.buttons["continue"], Qt.MouseButton.LeftButton)
    assert not busy.isVisible()
    assert busy.workbench.settings.current.on_close == "continue"


def test_the_setting_to_stop_stops_without_asking(busy, qtbot, scripted_engine):
    busy.workbench.settings.change(on_close="stop")
    busy.close()
    qtbot.waitUntil(lambda: not busy.isVisible(), timeout=5000)
    assert busy.closing.dialog is None
    assert scripted_engine.stopped == ["flowers-1"]


# The real program


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals between processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_cleanly(tmp_path, number):
    code = """
import sys, gui.app
from gui.main_window import MainWindow
start = MainWindow.start
def begun(self):
    start(self)
    print("up", flush=True)
MainWindow.start = begun
sys.exit(gui.app.run([]))
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            assert program.stdout.readline() == "up\n"
            program.send_signal(number)
            _, errors = program.communicate(timeout=30)
        finally:
            program.kill()
    assert program.returncode == 0
    assert "Traceback" not in errors
    assert (tmp_path / "home" / "settings.json").is_file(), "the state of the window was kept"


def test_the_program_opens_a_folder_paints_and_ends_cleanly(tmp_path, dataset_folder):
    code = f"""
import sys, gui.app
from PySide6.QtCore import QTimer
from gui.main_window import MainWindow
start = MainWindow.start
def begun(self):
    start(self)
    def look():
        if self.page("data").manifest is not None:
            print("pictures", self.page("data").pictures.total)
            self.looking.stop()
            self.close()
    self.looking = QTimer(self)
    self.looking.timeout.connect(look)
    self.looking.start(50)
MainWindow.start = begun
sys.exit(gui.app.run(["gui", {str(dataset_folder)!r}]))
"""
    done = run_program(code, tmp_path / "home")
    assert (done.returncode, done.stdout.strip()) == (0, "pictures 30"), done.stderr
    assert "Traceback" not in done.stderr
    assert Path(tmp_path / "home" / "settings.json").is_file()


def test_a_damaged_database_is_set_aside_and_said(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "sagehound.sqlite3").write_bytes(b"this is no database" * 500)
    (home / "settings.json").write_text("{", encoding="utf-8")
    code = """
import sys, gui.app
from gui.main_window import MainWindow
def begun(self):
    print(len(self.toasts.messages))
    print(*self.toasts.messages, sep="\\n")
    self.close()
MainWindow.start = begun
sys.exit(gui.app.run([]))
"""
    done = run_program(code, home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2\n")
    assert "settings" in done.stdout
    assert "database" in done.stdout
