"""What every test of the window shares: the theme, a bridge, a workbench of its own, and a look for leaks."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from core.engine import Capabilities, Engine
from core.errors import EngineError, JobNotFound
from core.jobs.records import EventBatch, LogChunk, TrainingJob
from core.jobs.status import JobStatus
from core.paths import AppPaths
from gui.bridge import Bridge
from gui.shared.theme import Theme


@pytest.fixture(scope="session")
def qapp(qapp_cls, pytestconfig) -> QApplication:
    """The application, dressed as the real one."""
    app = QApplication.instance() or qapp_cls(["sagehound"])
    app.setApplicationName("Sagehound")
    theme = Theme(app, "light")
    app.setProperty("theme", theme)
    return app


PATIENCE_MS = 60_000


class PatientBot(QtBot):
    """Waits for what must come as long as a busy machine may need for it; a wait ends as soon as it is there."""

    def waitUntil(self, callback, *, timeout=0):
        super().waitUntil(callback, timeout=max(timeout, PATIENCE_MS))

    def waitSignal(self, signal, *, timeout=0, **options):
        if options.get("raising", True):  # else the signal is one that must not come
            timeout = max(timeout, PATIENCE_MS)
        return super().waitSignal(signal, timeout=timeout, **options)


@pytest.fixture
def qtbot(qapp, request) -> QtBot:
    """pytest-qt's, with more patience."""
    return PatientBot(request)


@pytest.fixture
def theme(qapp) -> Iterator[Theme]:
    """The theme; light again after the test."""
    theme = qapp.property("theme")
    yield theme
    theme.choose("light")


@pytest.fixture(autouse=True)
def collected_here(qapp) -> Iterator[None]:
    """Garbage is collected by this thread only, as in the application: a widget that another thread ends crashes Qt."""
    gc.disable()
    gc.freeze()  # the libraries that other tests have loaded, a second's work to look through after each test
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def no_leaks(collected_here) -> Iterator[None]:
    """No test leaves a top-level widget or a thread of the bridge behind."""
    before = {id(widget) for widget in QApplication.topLevelWidgets()}
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = [
        widget
        for widget in QApplication.topLevelWidgets()
        # pyqtgraph makes a menu without a parent for every plot, and ends it only when the plot itself is closed.
        if widget.parent() is None and id(widget) not in before and not _is_plot_menu(widget)
    ]
    names = [f"{type(widget).__name__}({widget.objectName()!r})" for widget in left]
    for widget in left:
        widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("bridge")]
    assert not names, f"top-level widgets left behind: {names}"
    assert not threads, f"threads left behind: {threads}"


def _is_plot_menu(widget) -> bool:
    return isinstance(widget, QMenu) and widget.title() == "Plot Options"


@pytest.fixture
def bridge(qapp) -> Iterator[Bridge]:
    """A bridge that ends in time."""
    made = Bridge()
    yield made
    assert made.close(60), "work did not end after it was cancelled"


@pytest.fixture
def paths(tmp_path, monkeypatch) -> AppPaths:
    """A private home."""
    home = tmp_path / "home"
    monkeypatch.setenv("SAGEHOUND_HOME", str(home))
    return AppPaths.default().create()


@pytest.fixture
def workbench(paths):
    """The real workbench on a private home."""
    from core.workbench import Workbench

    made = Workbench(paths)
    yield made
    made.close()


def write_picture(path, colour=(200, 30, 30), size=(48, 32)) -> None:
    """A small PNG; another colour is another content."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def dataset_folder(tmp_path):
    """Three classes of ten pictures, no splits, and one file that is cut off."""
    root = tmp_path / "flowers"
    for at, label in enumerate(("daisy", "rose", "tulip")):
        for number in range(10):
            write_picture(root / label / f"{label}-{number:02}.png", (80 * at, 20 * number, 60))
    broken = root / "rose" / "broken.png"
    broken.write_bytes((root / "rose" / "rose-00.png").read_bytes()[:60])
    return root


@pytest.fixture
def drop(qtbot):
    """Drop mime data on a widget as the window system does: enter, move, drop."""
    from PySide6.QtCore import QPoint, QPointF, Qt
    from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent

    def send(widget, mime, *, release=True) -> bool:
        at = QPoint(200, 200)
        arguments = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
        enter = QDragEnterEvent(at, *arguments)
        QApplication.sendEvent(widget, enter)
        if not enter.isAccepted():
            return False
        QApplication.sendEvent(widget, QDragMoveEvent(at, *arguments))
        if release:
            QApplication.sendEvent(widget, QDropEvent(QPointF(at), *arguments))
        return True

    return send


class ScriptedEngine(Engine):
    """Jobs and events in memory; only what a feed asks for."""

    name = "scripted"
    capabilities = Capabilities()

    def __init__(self):
        self.lock = threading.Lock()
        self.log, self.records, self.fail, self.polls = [], [], False, 0
        self.stopped = []

    def events(self, since=0, job=None):
        with self.lock:
            self.polls += 1
            if self.fail:
                raise EngineError("The engine is away.")
            new = tuple(self.log[since : since + 3])
            return EventBatch(new, since + len(new))

    def jobs(self):
        with self.lock:
            return tuple(self.records)

    def put(self, *events):
        with self.lock:
            self.log.extend(events)

    def set_job(self, name, status):
        with self.lock:
            self.records = [TrainingJob(name, status, 0.0)]

    def stop(self, name):
        with self.lock:
            self.stopped.append(name)

    def read_log(self, name, offset=0):
        return LogChunk((), offset)

    def job(self, name):
        with self.lock:
            return next(record for record in self.records if record.name == name)

    def trials(self, tuning_job):
        return ()

    def spec(self, name):
        raise JobNotFound(f"{name} has no spec here.")

    stage = start = resume = delete = fetch_artifact = None


ScriptedEngine.__abstractmethods__ = frozenset()


@pytest.fixture
def scripted_engine():
    """An engine whose jobs and events the test writes."""
    return ScriptedEngine()


@pytest.fixture
def open_window(qtbot, bridge, theme):
    """Open a window on a workbench; the feed and the window end with the test."""
    windows = []

    def open_it(workbench):
        from gui.window.main_window import MainWindow

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
    """The window on the real workbench."""
    return open_window(workbench)


@pytest.fixture
def busy(open_window, paths, scripted_engine, qtbot):
    """A window whose engine runs one job."""
    from core.workbench import Workbench
    from gui.feed import FeedTiming

    scripted_engine.set_job("flowers-1", JobStatus.IN_PROGRESS)
    workbench = Workbench(paths, scripted_engine)
    made = open_window(workbench)
    made.feed.timing = FeedTiming(10, 10)
    with qtbot.waitSignal(made.feed.jobs_changed):
        made.feed.start()
    yield made
    made.feed.stop()
    workbench.close()
