"""Names from folders, models and logs are shown as they are; Qt never takes one for markup, which could read a file."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import QAbstractTableModel, QEvent, QPoint, Qt
from PySide6.QtGui import QAction, QHelpEvent, QTextDocument
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QGraphicsTextItem,
    QGraphicsView,
    QLabel,
    QMessageBox,
    QTabBar,
    QToolTip,
    QWidget,
)

from core.dataset.records import Problem, Severity
from core.errors import UserFacingError
from core.jobs.records import RuleOutcome
from core.jobs.status import JobStatus, RuleStatus
from core.models.choices import ModelChoice
from core.predict.intake import NamedPicture
from core.predict.records import Prediction
from core.workbench import Workbench
from gui.shared.dialogs import CloseDialog, error_dialog
from tests.gui.conftest import write_picture
from tests.gui.fakes import FakeEngine, add_search

PICTURE = "\ufffc"
"""Stands in a document where a picture is."""


@pytest.fixture
def evil(tmp_path):
    """The name of a class that shows a picture of this disk where it is taken for markup."""
    write_picture(tmp_path / "secret.png")
    return f"bird<img src='{tmp_path}/secret.png'>"


def tip() -> QLabel:
    """The label of the tooltip that is shown."""
    tips = [w for w in QApplication.topLevelWidgets() if w.metaObject().className() == "QTipLabel" and w.isVisible()]
    return tips[-1]


def documents_of(widget: QWidget) -> list[QTextDocument]:
    """Every text document of a widget and of the scenes in it."""
    found = widget.findChildren(QTextDocument)
    for view in widget.findChildren(QGraphicsView):
        found += [item.document() for item in view.scene().items() if isinstance(item, QGraphicsTextItem)]
    return found


def tooltips_of(window: QWidget) -> set[str]:
    """What every widget, tab, command and item of a list would say."""
    found = {widget.toolTip() for widget in window.findChildren(QWidget)}
    found |= {action.toolTip() for action in window.findChildren(QAction)}
    for bar in window.findChildren(QTabBar):
        found |= {bar.tabToolTip(at) for at in range(bar.count())}
    for view in window.findChildren(QAbstractItemView):
        model = view.model()
        for row in range(model.rowCount() if model is not None else 0):
            columns = model.columnCount() if isinstance(model, QAbstractTableModel) else 1
            for column in range(columns):
                found.add(str(model.index(row, column).data(Qt.ItemDataRole.ToolTipRole) or ""))
    return found - {""}


def test_qt_itself_would_guess(qtbot, evil):
    """The other tests here would fail: such a name is taken for markup by a label that nothing protects."""
    label = QLabel(evil)
    qtbot.addWidget(label)
    label.ensurePolished()
    label.setTextFormat(Qt.TextFormat.AutoText)
    label.grab()
    assert PICTURE in documents_of(label)[0].toPlainText()


def test_every_tooltip_is_plain_text(window, evil):
    QToolTip.showText(window.mapToGlobal(QPoint(40, 40)), evil, window)
    assert tip().text() == evil
    assert documents_of(tip()) == []
    assert tip().textFormat() is Qt.TextFormat.PlainText


def test_labels_that_nobody_made_plain_and_message_boxes_are(window, qtbot, evil):
    stray, box = QLabel(evil, window), QMessageBox(QMessageBox.Icon.Warning, "Title", evil, parent=window)
    box.setInformativeText(evil)
    for shown in (stray, box):
        shown.show()
    labels = [stray, *(made for made in box.findChildren(QLabel) if made.text() == evil)]
    assert len(labels) == 3
    for made in labels:
        made.grab()
        assert all(PICTURE not in document.toPlainText() for document in documents_of(made))
    box.close()


def test_the_axes_of_a_plot_are_plain_text(qtbot, evil):
    from gui.shared.plotting import Plot

    plot = Plot(evil, evil)
    qtbot.addWidget(plot)
    items = [item for item in plot.scene().items() if isinstance(item, QGraphicsTextItem) and item.toPlainText()]
    assert [item.toPlainText().strip() for item in items] == [evil, evil]


def test_no_widget_of_the_window_takes_a_name_for_markup(open_window, paths, qtbot, tmp_path, evil):
    engine = FakeEngine()
    workbench = Workbench(paths, engine)
    window = open_window(workbench)
    fill_jobs(window, engine, qtbot, evil)
    fill_data(window, qtbot, tmp_path, evil)
    fill_predict(window, tmp_path, evil)
    fill_debugger(window, evil)
    window.toasts.show(evil, "info", evil)
    window.status.say(evil)
    window.status.show_notice(evil)
    decision = error_dialog(window, UserFacingError(evil, evil, evil))
    closing = CloseDialog(window, [dataclasses.replace(engine.jobs()[0], name=evil)])
    for dialog in (decision, closing):
        dialog.show()
    for key in window._keys:
        window.show_page(key)
        window.grab()
    check_labels(window, evil)
    tips = [text for text in tooltips_of(window) if "<img" in text]
    assert len(tips) >= 6, tips
    for text in tips:
        QToolTip.showText(window.mapToGlobal(QPoint(40, 40)), text, window)
        assert tip().textFormat() is Qt.TextFormat.PlainText
        assert tip().text() == text
    hover(window.page("jobs").list.view, evil)
    for dialog in (decision, closing):
        dialog.close()
    window.feed.stop()
    workbench.close()


def check_labels(window, evil):
    labels = window.findChildren(QLabel)
    assert sum(evil in label.text() for label in labels) >= 10, "the pages do show it"
    for made in labels:
        if made.objectName() != "markup":
            made.ensurePolished()
            assert made.textFormat() is Qt.TextFormat.PlainText, (made.text(), made.parent())
    assert all(PICTURE not in document.toPlainText() for document in documents_of(window))


def hover(view, evil):
    """Ask an item view for its tooltip as the pointer does."""
    at = view.visualRect(view.model().index(0, 0)).center()
    QApplication.sendEvent(view.viewport(), QHelpEvent(QEvent.Type.ToolTip, at, view.viewport().mapToGlobal(at)))
    assert evil in tip().text()
    assert tip().textFormat() is Qt.TextFormat.PlainText


def fill_jobs(window, engine, qtbot, evil):
    job = add_search(engine, "pets", trials=3, objective_metric=evil, failure_reason=evil, note=evil)
    for trial in engine.trials("pets"):
        changed = {**trial.hyperparameters, "optimizer": evil}
        engine.put(dataclasses.replace(trial, note=evil, hyperparameters=changed, failure_reason=evil))
    engine.put(dataclasses.replace(job, status=JobStatus.FAILED), engine.spec("pets"))
    engine.logs["pets"] = [evil]
    window.feed.start()
    page = window.page("jobs")
    window.show_page("jobs")
    qtbot.waitUntil(lambda: page.detail is not None and page.detail.isVisible())
    for at in range(page.detail.views.tabs.count()):
        page.detail.views.tabs.setCurrentIndex(at)
        window.grab()


def fill_data(window, qtbot, tmp_path, evil):
    folder = tmp_path / "flowers"
    for label in ("bird<img src='x.png'>", "rose"):
        for number in range(4):
            write_picture(folder / label / f"{number}{label[:9]}.png", (40 * number, len(label), 60))
    page = window.page("data")
    window.show_page("data")
    page.open_folder(folder)
    qtbot.waitUntil(lambda: page.manifest is not None)
    page.problems.set_problems((Problem("copies", Severity.WARNING, evil, (evil,), evil),))
    page._error.show_error(UserFacingError(evil, evil, evil))
    page._header.set_context(evil)


def fill_predict(window, tmp_path, evil):
    page = window.page("predict")
    window.show_page("predict")
    source = tmp_path / "secret.png"
    answer = Prediction(source, ((evil, 0.9), (evil, 0.1)), 1.0, evil, 8, 8)
    picture = NamedPicture(evil, source)
    choice = ModelChoice(evil, evil, 1.0, evil, True, 0.5, evil, evil)
    page.chooser.set_models(choice, [choice])
    page.table.start([picture])
    page.table.add({0: answer})
    page.recent.add(picture, answer)
    page.answer.set_answer(picture, answer, None)
    page.answer.bars._set_hovered(0)
    page.error.show_error(UserFacingError(evil, evil, evil))


def fill_debugger(window, evil):
    page = window.page("debugger")
    window.show_page("debugger")
    values = {"details": evil, "meaning": evil, "advice": evil}
    outcome = RuleOutcome(evil, evil, RuleStatus.ISSUES_FOUND, 1.0, evaluated=2, values=((0, 1.0, 2.0),), **values)
    if page.detail is None:
        page._build_views()
    page.rules.set_outcomes([outcome])
    page.detail.show_outcome(outcome)
