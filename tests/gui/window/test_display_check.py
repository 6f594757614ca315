import logging
import os
import subprocess
import sys
import threading

import pytest
from PySide6.QtWidgets import QApplication

from core.errors import UserFacingError
from core.paths import ROOT
from gui.window import display_check
from gui.window.exception_hook import ExceptionHook, start_log, stop_log


def run_window(code, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux has sessions without a display")
def test_without_a_display_it_says_so_in_one_sentence_and_names_the_headless_way(tmp_path):
    done = run_window("import sys; from gui.app import run; sys.exit(run([]))", SAGEHOUND_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no display" in done.stderr
    assert "make demo" in done.stderr


def test_missing_libraries_come_with_the_one_line_that_installs_them():
    missing = {"libEGL.so.1", "libxcb-cursor.so.0"}
    with pytest.raises(UserFacingError) as caught:
        display_check.check({"DISPLAY": ":0"}, "linux", lambda library: library not in missing, lambda: True)
    assert caught.value.fix == ("On Debian or Ubuntu run: sudo apt-get install -y libegl1 libxcb-cursor0")


def test_only_the_libraries_of_the_platform_in_use_are_asked_for():
    asked = []

    def loads(library):
        asked.append(library)
        return True

    display_check.check({"QT_QPA_PLATFORM": "offscreen"}, "linux", loads)
    assert "libEGL.so.1" in asked
    assert not any("xcb" in library or "wayland" in library for library in asked)
    display_check.check({"WAYLAND_DISPLAY": "wayland-0"}, "linux", loads)
    assert "libwayland-client.so.0" in asked
    assert not any("xcb" in library for library in asked)
    display_check.check({"DISPLAY": ":0"}, "linux", loads, lambda: True)
    assert "libxcb-cursor.so.0" in asked


def test_a_display_that_does_not_answer_is_said():
    with pytest.raises(UserFacingError, match=":77 does not answer"):
        display_check.check({"DISPLAY": ":77"}, "linux", lambda library: True, lambda: False)


def test_other_systems_need_no_check():
    display_check.check({}, "darwin", lambda library: False)
    display_check.check({}, "win32", lambda library: False)


def test_the_window_starts_without_the_heavy_packages(tmp_path):
    code = """
import sys, gui.app
from PySide6.QtWidgets import QApplication
heavy = {"torch", "torchvision", "timm", "openvino", "boto3", "sagemaker", "matplotlib", "pyqtgraph", "optuna", "PIL"}
def begun(self):
    assert self.isVisible()
    found = sorted(heavy & set(sys.modules))
    print("loaded", found)
    QApplication.instance().exit(3 if found else 0)
from gui.window.main_window import MainWindow
MainWindow.start = begun
sys.exit(gui.app.run([]))
"""
    done = run_window(code, SAGEHOUND_HOME=str(tmp_path), QT_QPA_PLATFORM="offscreen")
    assert (done.returncode, done.stdout.strip()) == (0, "loaded []"), done.stderr


def test_a_home_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    code = """
import sys, gui.app, gui.shared.dialogs
gui.shared.dialogs.Decision.exec = lambda self: None
sys.exit(gui.app.run([]))
"""
    done = run_window(code, SAGEHOUND_HOME=str(tmp_path / "file"), QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 1
    assert "Sagehound cannot keep its files in " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_on_the_command_line_is_opened_and_shown(tmp_path):
    code = """
import sys, gui.app
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from gui.data.data_tab import DataTab
from gui.window.main_window import MainWindow
restored = MainWindow._restore
def restore(self):
    restored(self)
    self.show_page("jobs")  # where the window was left last time
MainWindow._restore = restore
def opened(self, folders):
    window = self.window()
    print(*[folder.name for folder in folders], window.pages.data.isVisible())
    QTimer.singleShot(0, QApplication.instance().quit)
DataTab.open_together = opened
sys.exit(gui.app.run(sys.argv[1:]))
"""
    code = code.replace("sys.argv[1:]", repr([str(tmp_path)]))
    done = run_window(code, SAGEHOUND_HOME=str(tmp_path / "home"), QT_QPA_PLATFORM="offscreen")
    assert done.stdout.split() == [tmp_path.name, "True"], done.stderr


def test_a_window_that_cannot_be_opened_says_so_and_where_the_details_are(tmp_path):
    code = """
import sys, gui.app, gui.shared.dialogs
from gui.window.main_window import MainWindow
def breaks(self, *arguments):
    raise KeyError("a defect")
MainWindow.__init__ = breaks
gui.shared.dialogs.Decision.exec = lambda self: None
sys.exit(gui.app.run([]))
"""
    done = run_window(code, SAGEHOUND_HOME=str(tmp_path), QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 1
    assert done.stderr.startswith("sagehound: The window cannot be opened. KeyError: 'a defect'.")
    assert "Traceback" in (tmp_path / "logs" / "window.log").read_text(encoding="utf-8")


@pytest.fixture
def funnel(qapp, monkeypatch):
    made = ExceptionHook()
    # pytest watches the hooks too: what these tests raise on purpose must not reach it.
    monkeypatch.setattr(sys, "excepthook", lambda *arguments: None)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    made.install()
    yield made
    made.remove()


def test_a_defect_is_logged_and_shown_once(funnel, qtbot, tmp_path):
    handler = start_log(tmp_path)
    heard = []
    funnel.defect.connect(lambda summary, text: heard.append((summary, text)))
    try:
        raise ValueError("broken") from None
    except ValueError as error:
        for _ in range(3):
            sys.excepthook(type(error), error, error.__traceback__)
    qtbot.waitUntil(lambda: bool(heard))
    QApplication.processEvents()
    assert [summary for summary, _ in heard] == ["ValueError: broken"]
    assert "Traceback" in heard[0][1]
    stop_log(handler)
    assert (tmp_path / "window.log").read_text(encoding="utf-8").count("ValueError: broken") == 3


def test_a_defect_in_a_thread_is_shown_in_the_ui_thread(funnel, qtbot):
    heard = []
    funnel.defect.connect(lambda summary, text: heard.append(threading.current_thread()))

    def fail():
        raise RuntimeError("in a thread")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join(5)
    qtbot.waitUntil(lambda: bool(heard))
    assert heard == [threading.main_thread()]


def test_the_log_is_given_back(tmp_path):
    handler = start_log(tmp_path)
    stop_log(handler)
    assert handler not in logging.getLogger("sagehound").handlers
