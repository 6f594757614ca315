import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
    return [model.picture(row) for row in range(model.rowCount())]


def test_batches_go_to_the_end_of_their_classes(model):
    model.add([picture("rose", 1), picture("daisy", 1)])
    model.add([picture("tulip", 1), picture("daisy", 2)])
    model.add([picture("daisy", 3)])
    assert [found.path for found in shown(model)] == [
        "daisy/1.jpg",
        "daisy/2.jpg",
        "daisy/3.jpg",
        "rose/1.jpg",
        "tulip/1.jpg",
    ]
    assert [(s.label, s.first, s.count) for s in model.sections] == [("daisy", 0, 3), ("rose", 3, 1), ("tulip", 4, 1)]


def test_rows_are_inserted_not_reset_while_pictures_come(model, qtbot):
    model.add([picture("rose", 1)])
    inserted, resets = [], []
    model.rowsInserted.connect(lambda parent, first, last: inserted.append((first, last)))
    model.modelReset.connect(lambda: resets.append(1))
    model.add([picture("daisy", 1), picture("daisy", 2), picture("rose", 2)])
    assert inserted == [(0, 1), (3, 3)]
    assert resets == []


def test_filters_by_class_and_split_and_keeps_filtering_what_comes(model):
    model.set_pictures([picture("rose", n) for n in range(4)] + [picture("daisy", n) for n in range(4)])
    model.set_splits({"rose/0.jpg": "test", "rose/1.jpg": "train", "daisy/0.jpg": "test"})
    model.set_filter("rose", None)
    assert {found.label for found in shown(model)} == {"rose"}
    model.set_filter(None, "test")
    assert [found.path for found in shown(model)] == ["daisy/0.jpg", "rose/0.jpg"]
    model.set_filter("rose", "test")
    assert [found.path for found in shown(model)] == ["rose/0.jpg"]
    model.set_splits({"rose/2.jpg": "test"})
    assert [found.path for found in shown(model)] == ["rose/2.jpg"]
    model.set_filter("daisy", None)
    model.add([picture("rose", 9), picture("daisy", 9)])
    assert model.rowCount() == 5
    assert model.total == 10
    model.clear()
    assert (model.rowCount(), model.total, model.sections) == (0, 0, [])


def test_a_picture_is_told_in_words(model):
    model.set_pictures([picture("rose", 1, "valid")])
    index = model.index(0)
    assert index.data() == "1.jpg"
    assert index.data(PICTURE_ROLE).path == "rose/1.jpg"
    assert index.data(SPLIT_ROLE) == "valid"
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == ("rose/1.jpg, 640 × 480 JPEG, 2.0 kB, class rose, valid")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 10**6)), max_size=60, unique=True), st.integers(1, 9))
def test_any_order_of_arrival_shows_every_picture_once_in_runs_of_one_class(qapp, keys, size):
    model = PicturesModel()
    pictures = [picture(label, number) for label, number in keys]
    random.Random(0).shuffle(pictures)
    for at in range(0, len(pictures), size):
        model.add(pictures[at : at + size])
    found = shown(model)
    assert sorted(p.path for p in found) == sorted(p.path for p in pictures)
    labels = [p.label for p in found]
    assert labels == sorted(labels)
    assert sum(section.count for section in model.sections) == len(pictures)
