import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dataset.gallery import Gallery
from core.dataset.query import TRAITS, Pick, Query
from core.dataset.records import Picture

DAY = 86_400 * 10**9


def picture(label, number, split=None, day=0):
    path = f"{label or 'loose'}/{number:02}.jpg"
    return Picture(path, label, split, 2048, 640, 480, "JPEG", f"{label}{number}", day * DAY)


def gallery_of(*pictures):
    made = Gallery()
    made.add(pictures)
    return made


@pytest.fixture
def gallery():
    """Roses 0 to 3, daisies 0 to 3 of which 0 and 1 are test, and two pictures without a class."""
    splits = ("test", "test", "train", "train")
    return gallery_of(
        *(picture("rose", n) for n in range(4)),
        *(picture("Daisy", n, split) for n, split in enumerate(splits)),
        picture("", 0),
        picture("", 1),
    )


def paths(gallery, **query):
    return [gallery.pictures[number].path for number in gallery.arrange(Query(**query)).rows]


def test_sections_are_classes_by_name_whatever_the_case_and_those_without_one_come_first(gallery):
    found = gallery.arrange(Query())
    assert [(s.title, s.label, s.first, s.count) for s in found.sections] == [
        ("Unlabelled", "", 0, 2),
        ("Daisy", "Daisy", 2, 4),
        ("rose", "rose", 6, 4),
    ]
    assert found.labels == {"": {"": 2}, "Daisy": {"train": 2, "test": 2}, "rose": {"": 4}}


def test_filters_add_up_and_each_counts_what_the_others_leave(gallery):
    gallery.set_trait("odd", ["rose/00.jpg", "Daisy/00.jpg", "Daisy/02.jpg", "gone.jpg"])
    gallery.set_trait("suspect", ["Daisy/00.jpg"])
    found = gallery.arrange(Query(label="Daisy"))
    assert (found.traits["odd"], found.traits["suspect"], found.traits["unlabelled"]) == (2, 1, 0)
    assert paths(gallery, traits=frozenset({"odd"}), split="test") == ["Daisy/00.jpg"]
    found = gallery.arrange(Query(traits=frozenset({"odd"}), text="DAISY jpg", split="train"))
    assert found.labels == {"": {}, "Daisy": {"train": 1, "test": 1}, "rose": {}}
    assert found.traits["suspect"] == 0, "none of train is both"
    assert paths(gallery, text="00 rose") == ["rose/00.jpg"]
    gallery.set_trait("odd", [])
    assert gallery.arrange(Query()).traits["odd"] == 0


def test_what_is_left_out_shows_only_where_it_is_asked_for(gallery):
    gallery.set_trait("left_out", ["rose/01.jpg", "rose/02.jpg"])
    gallery.set_trait("odd", ["rose/01.jpg"])
    assert paths(gallery, label="rose") == ["rose/00.jpg", "rose/03.jpg"]
    found = gallery.arrange(Query())
    assert (found.traits["left_out"], found.traits["odd"]) == (2, 0)
    assert paths(gallery, traits=frozenset({"left_out", "odd"})) == ["rose/01.jpg"]


def test_a_pick_takes_files_and_folders_and_keeps_an_order_where_it_has_one(gallery):
    assert paths(gallery, pick=Pick("Two", ("rose/03.jpg", "loose", "gone"))) == [
        "loose/00.jpg",
        "loose/01.jpg",
        "rose/03.jpg",
    ]
    ranked = Pick("Like it", ("rose/03.jpg", "Daisy/00.jpg"), ranked=True)
    assert paths(gallery, pick=ranked) == ["rose/03.jpg", "Daisy/00.jpg"]


def test_labels_change_and_new_classes_have_sections(gallery):
    gallery.set_labels({"loose/00.jpg": "tulip", "rose/00.jpg": "", "gone.jpg": "tulip"})
    assert [s.title for s in gallery.arrange(Query()).sections] == ["Unlabelled", "Daisy", "rose", "tulip"]
    assert gallery.label_of(gallery.number("rose/00.jpg")) == ""
    assert paths(gallery, label="") == ["loose/01.jpg", "rose/00.jpg"]


def test_by_time_the_latest_day_is_first():
    gallery = gallery_of(picture("a", 1, day=100), picture("b", 2, day=300), picture("c", 3, day=100))
    found = gallery.arrange(Query(order="time"))
    assert paths(gallery, order="time") == ["b/02.jpg", "a/01.jpg", "c/03.jpg"]
    assert [section.count for section in found.sections] == [1, 2]


def test_by_suggestion_the_surest_of_each_class_is_first(gallery):
    said = {"rose/00.jpg": ("Daisy", 0.6), "rose/01.jpg": ("Daisy", 0.9), "loose/00.jpg": ("rose", 0.7)}
    gallery.set_suggestions(said)
    found = gallery.arrange(Query(order="suggestion"))
    assert paths(gallery, order="suggestion")[:3] == ["rose/01.jpg", "rose/00.jpg", "loose/00.jpg"]
    assert [(s.title, s.count) for s in found.sections] == [("Daisy", 2), ("rose", 1), ("Without a suggestion", 7)]


def test_look_alikes_are_side_by_side_and_their_cohort_has_the_name_of_most():
    gallery = gallery_of(*(picture(label, n) for n, label in enumerate(("a", "b", "b", "a"))))
    assert [s.title for s in gallery.arrange(Query(order="similarity")).sections] == ["a", "b"], "not known yet"
    gallery.set_similarity([2, 1, 0, 3], [1, 0, 0, 1])
    assert paths(gallery, order="similarity") == ["b/02.jpg", "b/01.jpg", "a/00.jpg", "a/03.jpg"]
    assert [(s.title, s.count) for s in gallery.arrange(Query(order="similarity")).sections] == [
        ("Look-alikes 1: mostly b", 2),
        ("Look-alikes 2: mostly a", 2),
    ]
    assert paths(gallery)[2:] == ["b/02.jpg", "b/01.jpg"], "within a class too"


_LABELS = st.sampled_from(["", "a", "B", "b"])
_PICTURES = st.lists(st.tuples(_LABELS, st.sampled_from([None, "train", "test"]), st.integers(0, 127)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    _PICTURES,
    st.builds(
        Query,
        label=st.none() | _LABELS,
        split=st.none() | st.sampled_from(["train", "test"]),
        traits=st.frozensets(st.sampled_from([trait.key for trait in TRAITS]), max_size=2),
        text=st.sampled_from(["", "0", "loose 1"]),
        order=st.sampled_from(["class", "name", "time", "suggestion", "similarity"]),
    ),
)
def test_any_query_shows_what_a_plain_loop_would_and_counts_what_pressing_a_filter_leaves(drawn, query):
    pictures = [picture(label, number, split) for number, (label, split, _) in enumerate(drawn)]
    gallery = gallery_of(*pictures)
    traits = [trait.key for trait in TRAITS if trait.key != "unlabelled"]
    for bit, key in enumerate(traits):
        gallery.set_trait(key, [p.path for p, (_, _, bits) in zip(pictures, drawn, strict=True) if bits >> bit & 1])

    def passes(number):
        own = {trait.key for trait in TRAITS if gallery.has(number, trait.key)}
        return (
            query.label in (None, pictures[number].label)
            and query.split in (None, pictures[number].split)
            and query.traits <= own
            and ("left_out" in query.traits or "left_out" not in own)
            and all(word in pictures[number].path.casefold() for word in query.text.split())
        )

    found = gallery.arrange(query)
    assert sorted(found.rows.tolist()) == [number for number in range(len(pictures)) if passes(number)]
    assert [section.first for section in found.sections] == np.cumsum([0, *(s.count for s in found.sections)])[
        :-1
    ].tolist()
    assert sum(section.count for section in found.sections) == len(found.rows)
    for key, count in found.traits.items():
        pressed = Query(query.label, query.split, query.traits | {key}, query.text)
        assert len(gallery.arrange(pressed).rows) == count
