import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QCursor, QEnterEvent, QWheelEvent
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.errors import UserFacingError
from core.jobs.status import JobStatus, RuleStatus
from core.progress import Progress
from gui.shared.basics import ElidedLabel, button, icon_button, label, padded, set_invalid
from gui.shared.card import CONTEXT_LETTERS, Card, PageHeader
from gui.shared.feedback import Banner, EmptyState, InlineError, ProgressRow, format_bytes
from gui.shared.field import Field
from gui.shared.pill import StatusPill, status_look
from gui.shared.toast import Toasts


@pytest.mark.parametrize("status", [*JobStatus, *RuleStatus, "error", "warning", "info"])
def test_every_status_has_icon_word_and_colour(qtbot, status):
    look = status_look(status)
    pill = StatusPill(status)
    qtbot.addWidget(pill)
    assert pill.text == look.word
    assert look.word in pill.accessibleName()
    narrow, pill_wide = pill.sizeHint().width(), StatusPill(status, "a much longer word than that")
    qtbot.addWidget(pill_wide)
    assert pill_wide.sizeHint().width() > narrow


def test_labels_never_read_markup(qtbot):
    made = label("<b>not bold</b>")
    qtbot.addWidget(made)
    assert made.textFormat() is Qt.TextFormat.PlainText


def test_a_shortcut_is_shown_in_the_tooltip(qtbot):
    made, tool = button("Start", shortcut="Ctrl+Return"), icon_button("x", "Close", shortcut="Ctrl+W")
    qtbot.addWidget(made)
    qtbot.addWidget(tool)
    assert "Ctrl+Return" in made.toolTip()
    assert "Close" in tool.toolTip()
    assert "Ctrl+W" in tool.toolTip()
    assert tool.accessibleName() == "Close"


def test_long_text_is_elided_in_the_middle_and_told_in_the_tooltip(qtbot):
    made = ElidedLabel("a-very-long-name-of-a-job-that-does-not-fit-anywhere-0001")
    qtbot.addWidget(made)
    made.resize(120, 20)
    made.show()
    assert made.toolTip() == made.text()
    assert "…" in made._elided()
    assert made._elided().endswith("1")
    made.resize(900, 20)
    assert made.toolTip() == ""
    made.set_tip("What it says in full.")
    assert made.toolTip() == "What it says in full."
    made.set_tip("")
    assert made.toolTip() == ""


def test_fields_are_marked_wrong_and_right_again(qtbot):
    spin = padded(QSpinBox())
    qtbot.addWidget(spin)
    set_invalid(spin, True)
    assert spin.property("invalid") is True
    set_invalid(spin, False)
    assert spin.property("invalid") is False
    assert spin.lineEdit().textMargins().left() > 0


def test_a_card_and_a_header_hold_what_they_are_given(qtbot):
    primary = QPushButton("Start")
    header, card = PageHeader("Tuning", "flowers", primary), Card("Model")
    for made in (header, card):
        qtbot.addWidget(made)
    card.add(QLabel("inside"))
    card.set_title("Network")
    header.set_context("roses")
    assert primary.property("kind") == "primary"
    assert card.accessibleName() == card.title.text() == "Network"
    assert "roses" in [child.text() for child in header.findChildren(QLabel)]


def test_a_narrow_header_keeps_its_context_before_the_words_of_its_actions(qtbot):
    header = PageHeader("Data", "flowers of the garden, both years", QPushButton("Use this dataset"))
    qtbot.addWidget(header)
    first = button("Open another folder", icon_name="folder-open")
    last = button("Find the best model", icon_name="star")
    for action in (first, last):
        header.add_action(action)
    context = header.findChildren(QLabel)[1]

    def settled(width):
        header.resize(width, header.height())
        QApplication.processEvents()
        return first.text(), last.text(), context.width() >= CONTEXT_LETTERS * context.fontMetrics().averageCharWidth()

    header.show()
    wide = header.layout().minimumSize().width() + 400
    assert settled(wide) == ("Open another folder", "Find the best model", True)
    found = [settled(width) for width in range(wide, wide - 700, -10)]
    assert {("", "Find the best model", True), ("", "", True)} <= set(found)
    assert first.accessibleName() == "Open another folder"
    assert settled(wide) == ("Open another folder", "Find the best model", True)


def test_a_header_comes_to_rest_at_any_width(qtbot, monkeypatch):
    header = PageHeader("Data", "flowers of the garden, both years", QPushButton("Use this dataset"))
    qtbot.addWidget(header)
    for name in ("Open folder…", "Labels from file…", "History"):
        header.add_action(button(name, icon_name="folder-open"))
    header.show()
    fitted, fit = [], PageHeader._fit
    monkeypatch.setattr(PageHeader, "_fit", lambda self: (fitted.append(1), fit(self))[1])
    for width in range(560, 800):
        header.resize(width, header.height())
        fitted.clear()
        for _ in range(12):
            QApplication.processEvents()
        assert len(fitted) < 8, width


def test_an_empty_state_has_a_button_only_when_there_is_something_to_do(qtbot):
    made = EmptyState("data", "Nothing here.", "Open")
    qtbot.addWidget(made)
    made.show()
    with qtbot.waitSignal(made.activated):
        qtbot.mouseClick(made.button, Qt.MouseButton.LeftButton)
    made.set_texts("Wait.")
    assert not made.button.isVisible()
    assert made.accessibleName() == "Wait."


def test_progress_counts_and_cancels(qtbot):
    made = ProgressRow()
    qtbot.addWidget(made)
    assert not made.isVisible()
    made.start("Reading")
    assert made.isVisible()
    assert made._bar.maximum() == 0
    made.update_progress(Progress(5 * 10**9, 10**10, "Reading", "bytes"))
    assert made._bar.value() == 500
    assert made._count.text() == "5.0 GB of 10.0 GB"
    made.update_progress(Progress(1234, None, "Reading", "pictures"))
    assert made._count.text() == "1,234 pictures"
    with qtbot.waitSignal(made.cancelled):
        qtbot.mouseClick(made._cancel, Qt.MouseButton.LeftButton)
    made.finish()
    assert not made.isVisible()


def test_an_error_says_what_why_and_fix_and_goes_when_dismissed(qtbot):
    made = InlineError()
    qtbot.addWidget(made)
    made.show_error(UserFacingError("It failed.", "", "Try again."))
    assert made.text == "It failed. Try again."
    assert made.isVisible()
    made.clear()
    assert not made.isVisible()


def test_a_banner_without_words_is_hidden(qtbot):
    made = Banner("Mind this.")
    qtbot.addWidget(made)
    made.set_text("")
    assert not made.isVisible()


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1400, "1.4 kB"), (5e6, "5.0 MB"), (3e12, "3.0 TB")]
)
def test_sizes_in_words(count, text):
    assert format_bytes(count) == text


def test_an_icon_button_keeps_its_icon_while_it_has_the_focus(qtbot):
    holder = QWidget()
    made, other = icon_button("settings", "Settings"), icon_button("x", "Close")
    qtbot.addWidget(holder)
    row_of = QHBoxLayout(holder)
    for each in (made, other):
        row_of.addWidget(each)
    holder.show()
    holder.activateWindow()
    qtbot.waitUntil(holder.isActiveWindow)

    def ink():
        image = made.grab().toImage()
        middle = range(8, image.width() - 8), range(8, image.height() - 8)
        ground = image.pixelColor(6, 6)
        return sum(image.pixelColor(x, y) != ground for x in middle[0] for y in middle[1])

    other.setFocus()
    before = ink()
    made.setFocus()
    assert made.hasFocus()
    assert before > 20
    assert abs(ink() - before) <= before // 4


@pytest.fixture
def window(qtbot):
    made = QWidget()
    made.resize(800, 600)
    qtbot.addWidget(made)
    made.show()
    return made


def test_toasts_stack_in_the_corner_and_at_most_three_stay(window, qtbot):
    toasts = Toasts(window)
    for number in range(5):
        toasts.show(f"Job {number} completed.", "Completed")
    assert toasts.messages == ["Job 2 completed.", "Job 3 completed.", "Job 4 completed."]
    bottoms = [toast.geometry().bottom() for toast in toasts._shown]
    assert bottoms == sorted(bottoms)
    assert all(window.rect().contains(toast.geometry()) for toast in toasts._shown)
    window.resize(500, 400)
    assert all(window.rect().contains(toast.geometry()) for toast in toasts._shown)


def test_a_toast_acts_once_and_leaves(window, qtbot):
    toasts, undone = Toasts(window), []
    toasts.show("Deleted.", "info", "Undo", lambda: undone.append(1))
    act = next(child for child in toasts._shown[0].findChildren(QPushButton) if child.text() == "Undo")
    qtbot.mouseClick(act, Qt.MouseButton.LeftButton)
    assert undone == [1]
    assert toasts.messages == []


def test_a_toast_leaves_by_itself_but_not_while_it_is_read(window, qtbot):
    toasts = Toasts(window, shown_ms=1)
    toasts.show("Read me.")
    shown = toasts._shown[0]
    QApplication.sendEvent(shown, QEnterEvent(QPointF(1, 1), QPointF(1, 1), QPointF(shown.mapToGlobal(QPoint(1, 1)))))
    assert not shown._timer.isActive()
    assert toasts.messages == ["Read me."]
    QApplication.sendEvent(shown, QEvent(QEvent.Type.Leave))
    qtbot.waitUntil(lambda: toasts.messages == [])


def test_a_toast_that_stays_is_dismissed_by_hand(window, qtbot):
    toasts = Toasts(window, shown_ms=1)
    toasts.show("It crashed.", "warning", stays=True)
    toasts.show("Saved.")
    qtbot.waitUntil(lambda: toasts.messages == ["It crashed."])
    (toast,) = toasts._shown
    QApplication.sendEvent(toast, QEvent(QEvent.Type.Leave))
    assert not toast._timer.isActive()
    toast.findChild(QToolButton).click()
    assert toasts.messages == []


@pytest.mark.parametrize("kind", ["number", "choice"])
def test_the_wheel_changes_a_field_with_the_focus_only(qtbot, kind):
    holder = QWidget()
    box = QVBoxLayout(holder)
    choice, other = QComboBox(), QLineEdit()
    choice.addItems(["one", "two"])
    field = padded(QSpinBox()) if kind == "number" else choice
    box.addWidget(field if kind == "number" else Field("Choice", choice))
    box.addWidget(other)
    qtbot.addWidget(holder)
    holder.show()
    holder.activateWindow()
    other.setFocus()
    qtbot.waitUntil(other.hasFocus)

    def turn() -> None:
        middle, steps = QPointF(field.rect().center()), 120 if kind == "number" else -120
        event = QWheelEvent(
            middle, QPointF(field.mapToGlobal(middle.toPoint())), QPoint(), QPoint(0, steps),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(field, event)

    def value() -> int:
        return field.value() if kind == "number" else field.currentIndex()

    turn()
    assert (value(), field.hasFocus()) == (0, False)
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    turn()
    assert value() == 1


def test_a_toast_that_comes_up_under_a_resting_pointer_leaves(window, qtbot):
    """The system says Enter there, too; it must not cover for good what the user points at."""
    toasts = Toasts(window, shown_ms=60)
    toasts.show("Read me.")
    here = QPointF(QCursor.pos())
    QApplication.sendEvent(toasts._shown[0], QEnterEvent(QPointF(1, 1), QPointF(1, 1), here))
    qtbot.waitUntil(lambda: toasts.messages == [])
