"""The keyboard, with real keys: nothing keeps it, and Return and Escape do what one expects."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QApplication, QPlainTextEdit, QTextEdit

from core.workbench import Workbench
from tests.gui.fakes import FakeEngine, add_search


@pytest.fixture
def working(open_window, paths, qtbot):
    """A window with a search on its Jobs tab, active as with a window manager."""
    engine = FakeEngine()
    workbench = Workbench(paths, engine)
    add_search(engine, "pets", trials=4)
    window = open_window(workbench)
    window.activateWindow()
    window.feed.start()
    window.show_page("jobs")
    page = window.page("jobs")
    qtbot.waitUntil(lambda: page.detail is not None and page.detail.isVisible())
    yield window
    window.feed.stop()
    workbench.close()


def describe(widget):
    """A widget in words."""
    text = widget.text() if hasattr(widget, "text") else ""
    return f"{type(widget).__name__} {widget.accessibleName() or text or widget.objectName()}"


def walk(qtbot, window, key, most=150):
    """Press a key until the focus is where it began; the widgets on the way."""
    first = QApplication.focusWidget()
    seen = []
    for _ in range(most):
        at = QApplication.focusWidget()
        qtbot.keyClick(at, key)
        assert QApplication.focusWidget() is not at, f"{describe(at)} keeps the focus"
        seen.append(QApplication.focusWidget())
        if seen[-1] is first:
            return seen
    raise AssertionError("the focus does not come round")


KEYS = (Qt.Key.Key_Tab, Qt.Key.Key_Backtab)


def test_tab_goes_round_every_page_and_none_keeps_it(working, qtbot):
    detail = working.page("jobs").detail
    detail.log.set_open(True)
    for page in working._keys:
        working.show_page(page)
        for key in KEYS:
            working.rail.setFocus()
            seen = walk(qtbot, working, key)
            if page == "jobs":
                assert {detail.table.view, detail.log.view, working.page("jobs").list.view} <= set(seen)


def test_tab_goes_round_every_page_that_has_nothing_to_show(window, qtbot):
    window.activateWindow()
    for page in window._keys:
        window.show_page(page)
        for key in KEYS:
            window.rail.setFocus()
            walk(qtbot, window, key)


def test_every_table_and_text_of_the_window_lets_tab_through(working):
    for page in working._keys:
        working.show_page(page)
    views = working.findChildren(QAbstractItemView)
    assert len(views) > 8
    for view in views:
        view.ensurePolished()
        assert not view.tabKeyNavigation(), view.accessibleName()
    for text in (*working.findChildren(QPlainTextEdit), *working.findChildren(QTextEdit)):
        assert text.isReadOnly() or text.tabChangesFocus(), text.accessibleName()


def test_escape_empties_a_search_and_return_goes_to_what_was_found(working, qtbot):
    page = working.page("jobs")
    page.detail.log.set_open(True)
    pairs = [
        (page.list.search, page.list.view),
        (page.detail.table.search, page.detail.table.view),
        (page.detail.log.search, page.detail.log.view),
    ]
    for field, results in pairs:
        field.setFocus()
        qtbot.keyClicks(field, "pets")
        qtbot.keyClick(field, Qt.Key.Key_Escape)
        assert field.text() == ""
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert QApplication.focusWidget() is results
