import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLineEdit

from gui.data.class_delegate import ROW_HEIGHT
from gui.data.class_list import ClassList
from gui.data.class_model import ALL, ClassModel, counts_in_words
from gui.shared.theme import split_colour

COUNTS = {
    "daisy": {"train": 7, "valid": 2, "test": 1},
    "rose": {"train": 14, "valid": 3, "test": 3},
}


@pytest.fixture
def classes(qtbot):
    made = ClassList()
    qtbot.addWidget(made)
    made.resize(300, 400)
    made.show()
    made.set_counts(COUNTS)
    made.heard = []
    made.filtered.connect(lambda label, split: made.heard.append((label, split)))
    return made


def row_middle(classes, row):
    return classes.view.visualRect(classes.model.index(row)).center()


def test_the_model_holds_all_classes_first(qapp, qtmodeltester):
    model = ClassModel()
    qtmodeltester.check(model)
    model.set_counts(COUNTS)
    assert [model.index(row).data() for row in range(3)] == [ALL, "daisy", "rose"]
    assert model.total == {"train": 21, "valid": 5, "test": 4}
    assert model.index(2).data(Qt.ItemDataRole.AccessibleTextRole) == "rose: 20 pictures (14 train, 3 valid, 3 test)"
    model.set_counts({})
    assert model.rowCount() == 0


@pytest.mark.parametrize(
    ("counts", "words"),
    [({}, "0 pictures"), ({"": 1}, "1 picture"), ({"train": 1500, "test": 2}, "1,502 pictures (1,500 train, 2 test)")],
)
def test_counts_in_words(counts, words):
    assert counts_in_words(counts) == words


def test_a_click_and_the_arrow_keys_filter_by_class(classes, qtbot):
    at = row_middle(classes, 2) - QPoint(0, 10)
    qtbot.mouseClick(classes.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert classes.heard == [("rose", None)]
    qtbot.keyClick(classes.view, Qt.Key.Key_Up)
    qtbot.keyClick(classes.view, Qt.Key.Key_Up)
    assert classes.heard == [("rose", None), ("daisy", None), (None, None)]


def test_a_click_on_a_part_of_a_bar_filters_by_class_and_split(classes, qtbot):
    rect = classes.view.visualRect(classes.model.index(2))
    bar = QPoint(rect.right() - 10, rect.bottom() - 10)
    qtbot.mouseClick(classes.view.viewport(), Qt.MouseButton.LeftButton, pos=bar)
    assert classes.heard[-1] == ("rose", "test")
    assert classes.split == "test"
    # The bar of the smaller class is shorter: its empty end is no part.
    rect = classes.view.visualRect(classes.model.index(1))
    qtbot.mouseClick(
        classes.view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(rect.right() - 10, rect.bottom() - 10)
    )
    assert classes.heard[-1] == ("daisy", "test")


def test_one_chip_at_a_time_and_none_shows_everything(classes, qtbot):
    def click(split):
        qtbot.mouseClick(classes.chips[split], Qt.MouseButton.LeftButton)

    click("valid")
    click("train")
    assert classes.heard == [(None, "valid"), (None, "train")]
    assert not classes.chips["valid"].isChecked()
    click("train")
    assert classes.heard[-1] == (None, None)


def test_what_is_chosen_stays_chosen_when_counts_change(classes, qtbot):
    classes.view.setCurrentIndex(classes.model.index(2))
    classes.set_counts({**COUNTS, "aster": {"train": 1}})
    assert classes.view.currentIndex().data() == "rose"
    assert classes.heard == [("rose", None)]
    assert classes.chips["train"].text() == "Train 14", "of the chosen class"
    classes.set_counts({"aster": {"": 4}})
    assert classes.heard[-1] == (None, None)
    assert not classes.chips["train"].isEnabled()


def test_a_chosen_class_stays_chosen_under_its_new_name_and_when_that_is_undone(classes):
    classes.view.setCurrentIndex(classes.model.index(2))
    classes.model.setData(classes.model.index(2), "Rosa")
    classes.set_counts({"daisy": COUNTS["daisy"], "Rosa": COUNTS["rose"]})
    assert classes.view.currentIndex().data() == "Rosa"
    assert classes.heard[-1] == ("Rosa", None)
    classes.set_counts(COUNTS)
    assert classes.view.currentIndex().data() == "rose"
    assert classes.heard[-1] == ("rose", None)


def test_a_chosen_class_stays_so_through_two_names_and_back(classes):
    classes.view.setCurrentIndex(classes.model.index(2))
    for old, new in (("rose", "Rosa"), ("Rosa", "briar")):
        classes.model.renamed.emit(old, new)
        classes.set_counts({"daisy": COUNTS["daisy"], new: COUNTS["rose"]})
        assert classes.view.currentIndex().data() == new
    for name in ("Rosa", "rose"):
        classes.set_counts({"daisy": COUNTS["daisy"], name: COUNTS["rose"]})
        assert classes.view.currentIndex().data() == name


def test_a_name_that_is_typed_is_not_written_over_by_what_others_label(classes, qtbot):
    renamed = []
    classes.renamed.connect(lambda old, new: renamed.append((old, new)))
    classes.view.setFocus()
    classes.view.setCurrentIndex(classes.model.index(2))
    classes.view.edit(classes.view.currentIndex())
    field = classes.view.findChild(QLineEdit)
    field.setText("briar")
    classes.set_counts({**COUNTS, "rose": {"train": 15}})
    classes.set_counts({**COUNTS, "aster": {"train": 1}})
    assert classes.view.findChild(QLineEdit) is field
    assert field.text() == "briar"
    qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: classes.model.row_of("aster") > 0)
    assert renamed == [("rose", "briar")]


def test_rows_are_painted_with_the_colours_of_the_parts(classes):
    image = classes.view.viewport().grab().toImage()
    ratio = image.devicePixelRatio()
    y = round((2 * ROW_HEIGHT + ROW_HEIGHT - 11) * ratio)
    row = {image.pixelColor(x, y).name() for x in range(image.width())}
    assert {split_colour(split).name() for split in ("train", "valid", "test")} <= row
