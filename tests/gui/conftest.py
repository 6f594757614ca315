"""What every test of the window shares: the theme, a bridge, a workbench of its own, and a look for leaks."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from core.paths import AppPaths
from gui.bridge import Bridge
from gui.theme import Theme


@pytest.fixture(scope="session")
def qapp(qapp_cls, pytestconfig) -> QApplication:
    """The application, dressed as the real one."""
    app = QApplication.instance() or qapp_cls(["sagehound"])
    app.setApplicationName("Sagehound")
    theme = Theme(app, "light")
    app.setProperty("theme", theme)
    return app


@pytest.fixture
def theme(qapp) -> Iterator[Theme]:
    """The theme; light again after the test."""
    theme = qapp.property("theme")
    yield theme
    theme.choose("light")


@pytest.fixture(autouse=True)
def no_leaks(qapp) -> Iterator[None]:
    """No test leaves a top-level widget or a thread of the bridge behind."""
    before = {id(widget) for widget in QApplication.topLevelWidgets()}
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    left = [w for w in QApplication.topLevelWidgets() if w.parent() is None and id(w) not in before]
    names = [f"{type(widget).__name__}({widget.objectName()!r})" for widget in left]
    for widget in left:
        widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("bridge")]
    assert not names, f"top-level widgets left behind: {names}"
    assert not threads, f"threads left behind: {threads}"


@pytest.fixture
def bridge(qapp) -> Iterator[Bridge]:
    """A bridge that ends in time."""
    made = Bridge()
    yield made
    assert made.close(10), "work did not end after it was cancelled"


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
