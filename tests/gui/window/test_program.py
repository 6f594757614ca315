"""The real program in a process of its own: it opens, paints, and ends cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.paths import ROOT


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


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals between processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_cleanly(tmp_path, number):
    code = """
import sys, gui.app
from gui.window.main_window import MainWindow
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
from gui.window.main_window import MainWindow
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
from gui.window.main_window import MainWindow
def begun(self):
    self._say_notice()
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
