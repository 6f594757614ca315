from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QGraphicsView, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from gui.shared.focus_ring import FocusRing


@pytest.mark.parametrize("kind", [QGraphicsView, QScrollArea])
def test_the_keyboard_gets_a_ring_where_a_widget_shows_nothing(qtbot, kind):
    ring, page = FocusRing(QApplication.instance()), QWidget()
    qtbot.addWidget(page)
    field, plot = QLineEdit(), kind()
    box = QVBoxLayout(page)
    box.addWidget(field)
    box.addWidget(plot)
    with qtbot.waitActive(page):
        page.show()
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_Tab)
    assert ring.around is plot
    page.resize(500, 400)
    assert ring._ring.isVisible()
    assert ring._ring.geometry() == plot.rect()
    QTest.keyClick(plot, Qt.Key.Key_Tab)
    assert ring.around is None
    plot.setFocus()
    plot.setParent(None)
    plot.deleteLater()
    QApplication.processEvents()
    field.setFocus()
    assert ring.around is None
    ring.deleteLater()
