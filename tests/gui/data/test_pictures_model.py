import pytest
from PySide6.QtCore import Qt

from core.dataset.records import Picture
from gui.data.pictures_model import PICTURE_ROLE, SPLIT_ROLE, PicturesModel


def picture(label, number, split=None):
    path = f"{label}/{number}.jpg"
    return Picture(path, label, split, 2048, 640, 480, "JPEG", f"{label}{number}", 0)


@pytest.fixture
def model(qapp, qtmodeltester):
    made = PicturesModel()
    qtmodeltester.check(made)
    return made


def shown(model):
    return [model.picture(row).path for row in range(model.rowCount())]


def test_batches_go_to_their_classes(model):
    model.add([picture("rose", 1), picture("daisy", 1)])
    model.add([picture("tulip", 1), picture("daisy", 2)])
    assert shown(model) == ["daisy/1.jpg", "daisy/2.jpg", "rose/1.jpg", "tulip/1.jpg"]
    assert [(s.title, s.first, s.count) for s in model.sections] == [("daisy", 0, 2), ("rose", 2, 1), ("tulip", 3, 1)]


def test_it_filters_what_comes_too_and_clears_all_but_the_order(model):
    model.set_pictures([picture("rose", n) for n in range(4)] + [picture("daisy", n) for n in range(4)])
    model.set_splits({"rose/0.jpg": "test", "rose/1.jpg": "train", "daisy/0.jpg": "test"})
    model.ask(split="test")
    assert shown(model) == ["daisy/0.jpg", "rose/0.jpg"]
    assert model.label_counts["rose"] == {"train": 1, "test": 1, "": 2}
    model.ask(label="daisy", split=None, order="name")
    model.add([picture("rose", 9), picture("daisy", 9)])
    assert (model.rowCount(), model.total) == (5, 10)
    model.clear()
    assert (model.rowCount(), model.total, list(model.sections), model.query.order) == (0, 0, [], "name")
    assert model.query.label is None


def test_what_is_chosen_stays_chosen_under_another_order_and_other_filters(model, qtbot):
    model.set_pictures([picture("rose", 1), picture("daisy", 1), picture("daisy", 2)])
    with qtbot.waitSignal(model.chosen_changed):
        model.choose([0, 2])
    assert [p.path for p in model.chosen_pictures()] == ["rose/1.jpg", "daisy/1.jpg"]
    model.ask(label="rose")
    assert model.is_chosen(0)
    model.ask(label=None)
    model.toggle(0)
    model.choose([1], add=True)
    assert [p.path for p in model.chosen_pictures()] == ["rose/1.jpg", "daisy/2.jpg"]
    assert model.row_of(model.number(2)) == 2
    model.ask(label="daisy")
    assert model.row_of(0) == -1, "the rose is not shown"
    model.set_pictures([])
    assert not model.chosen


def test_a_picture_is_told_in_words(model):
    model.set_pictures([picture("rose", 1, "valid"), picture("", 2)])
    model.gallery.set_trait("odd", ["rose/1.jpg"])
    model.gallery.set_suggestions({"/2.jpg": ("rose", 0.931)})
    index = model.index(1)
    assert index.data() == "1.jpg"
    assert index.data(PICTURE_ROLE).path == "rose/1.jpg"
    assert index.data(SPLIT_ROLE) == "valid"
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == (
        "rose/1.jpg, 640 × 480 JPEG, 2.0 kB, class rose, valid, odd"
    )
    model.choose([0])
    assert model.index(0).data(Qt.ItemDataRole.AccessibleTextRole) == (
        "/2.jpg, 640 × 480 JPEG, 2.0 kB, no class yet, looks like rose (93%), chosen"
    )
