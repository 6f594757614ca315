"""The table of predictions: its model, its cells, what it sums up, and the steps through it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester

from core.errors import PictureError
from core.predict.records import Unreadable
from gui.predict.prediction_model import ANSWER_ROLE, THUMBNAIL_ROLE, Column, PredictionModel
from gui.predict.prediction_table import PredictionTable
from tests.gui.predict.answers import answer_to, picture_named


def test_the_table_model_keeps_its_promises(qtbot):
    model = PredictionModel()
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.set_pictures([picture_named(f"{number}.jpg") for number in range(5)])
    model.set_answers(
        {0: answer_to("0.jpg", "cat", 0.9), 1: Unreadable(Path("1.jpg"), PictureError("1.jpg is empty."))}
    )
    kept = QPersistentModelIndex(model.index(0, 0))
    model.sort(Column.PICTURE, Qt.SortOrder.DescendingOrder)
    assert (kept.row(), kept.data()) == (4, "0.jpg")
    model.set_answers({4: answer_to("4.jpg", "cat", 0.8)})
    assert model.answer(model.row_of(4)).label == "cat"
    model.set_words("cat")
    assert [model.picture(row).name for row in range(model.rowCount())] == ["4.jpg", "0.jpg"]
    assert model.row_of(1) == -1
    model.set_words("")
    model.sort(-1)
    assert [model.picture(row).name for row in range(5)] == [f"{number}.jpg" for number in range(5)]
    model.set_pictures([])


def test_cells_show_the_answer_or_why_there_is_none(qtbot):
    model = PredictionModel()
    model.set_pictures([picture_named("a.jpg"), picture_named("b.jpg"), picture_named("c.jpg")])
    answer = answer_to("a.jpg", "cat", 0.9, 12.34)
    model.set_answers({0: answer, 1: Unreadable(Path("b.jpg"), PictureError("b.jpg is cut off."))})
    row = [model.index(0, column).data() for column in Column]
    assert row == ["a.jpg", "", "cat", "90.0 %", "other  10.0 %", "640 × 480", "12.3 ms"]
    assert [model.index(1, column).data() for column in Column] == ["b.jpg", "", "is cut off.", "", "", "", ""]
    assert model.index(1, Column.CLASS).data(Qt.ItemDataRole.ToolTipRole) == "b.jpg is cut off."
    assert model.index(2, Column.CLASS).data() == "…"
    assert model.index(0, 0).data(ANSWER_ROLE) is answer
    thumbnail = model.index(0, Column.PICTURE).data(THUMBNAIL_ROLE)
    assert (thumbnail.width(), thumbnail.height()) == (64, 48)
    assert model.index(1, Column.PICTURE).data(THUMBNAIL_ROLE) is None


def test_the_table_fills_sorts_filters_and_sums_up(qtbot):
    table = PredictionTable()
    qtbot.addWidget(table)
    table.resize(1000, 500)
    table.show()
    table.start([picture_named(f"{name}.jpg") for name in "dbca"])
    assert not table.export_button.isEnabled()
    table.add({0: answer_to("d", "dog", 0.6, 10), 1: answer_to("b", "cat", 0.99, 20)})
    table.add({2: Unreadable(Path("c"), PictureError("c.jpg is empty.")), 3: answer_to("a", "cat", 0.7, 30)})
    assert "4 of 4 pictures" in table.summary.text()
    assert "cat 2" in table.summary.text()
    assert "1 could not be read" in table.summary.text()
    assert "20.0 ms each" in table.summary.text()

    def names() -> list[str]:
        return [table.model.index(row, 0).data() for row in range(table.model.rowCount())]

    assert names() == ["d.jpg", "b.jpg", "c.jpg", "a.jpg"]
    table.finish()
    table.view.sortByColumn(Column.PROBABILITY, Qt.SortOrder.DescendingOrder)
    assert names() == ["b.jpg", "a.jpg", "d.jpg", "c.jpg"]
    table.view.sortByColumn(Column.PROBABILITY, Qt.SortOrder.AscendingOrder)
    assert names() == ["d.jpg", "a.jpg", "b.jpg", "c.jpg"]
    table.view.sortByColumn(Column.PICTURE, Qt.SortOrder.AscendingOrder)
    assert names() == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    qtbot.keyClicks(table.filter, "cat")
    assert names() == ["a.jpg", "b.jpg"]
    opened = []
    table.opened.connect(opened.append)
    table.view.setCurrentIndex(table.model.index(1, 0))
    qtbot.keyClick(table.view, Qt.Key.Key_Return)
    assert opened == [1]
    for by in (-1, -1, 1, 1, 1):
        table.step(by)
    assert opened == [1, 0, 1], "none past either end"
    qtbot.mouseClick(table.export_button, Qt.MouseButton.LeftButton)


def test_a_step_passes_over_what_has_no_answer_and_stays_at_the_end(qtbot):
    table = PredictionTable()
    qtbot.addWidget(table)
    names = ("a.jpg", "broken.jpg", "b.jpg", "waits.jpg")
    table.start([picture_named(name) for name in names])
    broken = Unreadable(Path("broken.jpg"), PictureError("broken.jpg cannot be read.", "", ""))
    table.add({0: answer_to("a.jpg", "cat", 0.9), 1: broken, 2: answer_to("b.jpg", "cat", 0.9)})
    table.view.setCurrentIndex(table.model.index(0, 0))
    opened = []
    table.opened.connect(opened.append)
    for by in (1, 1, -1, -1):
        table.step(by)
    assert opened == [2, 0]
    assert table.view.currentIndex().row() == 0
