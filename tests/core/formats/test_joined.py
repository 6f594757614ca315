import json
import os
import shutil
from pathlib import Path

import pytest

from core.errors import DatasetError
from core.formats.joined import folders_of, join, words_for
from core.formats.opened_source import OpenedSource
from core.formats.records import ReadOptions
from core.formats.registry import read_listing
from core.formats.walk import Walk
from core.paths import AppPaths
from core.progress import CancelToken
from core.workbench import Workbench


@pytest.fixture
def workbench(tmp_path):
    made = Workbench(AppPaths(tmp_path / "home").create())
    yield made
    made.close()


def together(tmp_path, *folders):
    return join([OpenedSource(folder, ReadOptions()) for folder in folders], tmp_path / "joined")


def listing_of(root):
    return read_listing(Walk(root, CancelToken()), ReadOptions())


def labels_in(listing):
    return {example.path: next(iter(example.labels), "") for example in listing.examples}


def test_classes_are_joined_by_name_and_pictures_say_where_they_are_from(make_dataset, tmp_path):
    one, other = make_dataset({"cat": 2, "dog": 1}, "x/set"), make_dataset({"cat": 1, "bird": 1}, "y/set", 10)
    root = together(tmp_path, one, other)
    assert labels_in(listing_of(root)) == {
        "set/cat/000.jpg": "cat",
        "set/cat/001.jpg": "cat",
        "set/dog/000.jpg": "dog",
        "set (y)/cat/000.jpg": "cat",
        "set (y)/bird/000.jpg": "bird",
    }
    assert {found.name: found.folder for found in folders_of(root)} == {"set": one, "set (y)": other}
    assert words_for(root) == f"{one} + {other}"
    assert not any(path.is_file() and not path.name.startswith(".") for path in root.iterdir()), "pictures were copied"


def test_the_same_folders_are_the_same_dataset_in_any_order(make_dataset, tmp_path):
    one, other, third = (make_dataset({"a": 1, "b": 1}, name) for name in "pqr")
    root = together(tmp_path, one, other)
    assert together(tmp_path, other, one, one / "." / ".." / "p") == root
    assert together(tmp_path, root, third) == together(tmp_path, third, other, one)
    assert together(tmp_path, one) == one


def test_a_file_of_labels_that_was_chosen_counts_wherever_its_folder_stands(make_dataset, tmp_path):
    one = make_dataset({"a": 1, "b": 1})
    chosen, plain = OpenedSource(one, ReadOptions(labels="l.csv")), OpenedSource(one, ReadOptions())
    roots = {join(sources, tmp_path / "joined") for sources in ([plain, chosen], [chosen, plain], [chosen])}
    (root,) = roots
    assert [found.labels for found in folders_of(root)] == ["l.csv"]


def test_each_folder_is_read_as_what_it_is(make_dataset, tmp_path):
    splits = make_dataset({"train/cat": 2, "test/cat": 1, "train/dog": 2, "test/dog": 1}, "splits")
    table = make_dataset({"pictures": 2}, "table", 20)
    (table / "labels.csv").write_text("image,label\npictures/000.jpg,cat\npictures/001.jpg,bird\n", encoding="utf-8")
    listing = listing_of(together(tmp_path, splits, table))
    assert labels_in(listing)["table/pictures/001.jpg"] == "bird"
    assert {example.split for example in listing.examples if example.path.startswith("splits")} == {"train", "test"}
    assert [problem.kind for problem in listing.problems] == ["folder-without-splits"]


def test_folders_that_say_nothing_are_classes_or_unlabelled(make_dataset, tmp_path):
    cats, dogs = make_dataset({"cat": 2}) / "cat", make_dataset({"dog": 2}, first=5) / "dog"
    assert set(labels_in(listing_of(together(tmp_path, cats, dogs))).values()) == {"cat", "dog"}
    named = make_dataset({"a": 1, "b": 1}, "named", 9)
    listing = listing_of(together(tmp_path, named, cats))
    assert set(labels_in(listing).values()) == {"a", "b", ""}
    assert [problem.kind for problem in listing.problems] == ["folder-without-labels"]


def test_what_cannot_be_joined_is_said(make_dataset, tmp_path):
    one, other = make_dataset({"a": 1, "b": 1}, "one"), make_dataset({"a": 1, "b": 1}, "other", 5)
    with pytest.raises(DatasetError, match="is inside"):
        together(tmp_path, one, one / "a")
    with pytest.raises(DatasetError, match="is not there"):
        together(tmp_path, one, tmp_path / "gone")
    root = together(tmp_path, one, other)
    other.rename(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="other is not there"):
        listing_of(root)
    with pytest.raises(DatasetError, match="labels of one folder"):
        join([OpenedSource(one, ReadOptions(labels=name)) for name in ("a.csv", "b.csv")], tmp_path / "joined")


def test_a_folder_cannot_pass_for_a_joined_one_with_names_outside_of_it(make_dataset):
    root = make_dataset({"a": 1, "b": 1})
    for said in ({"folders": [{"name": "../x", "folder": "/", "labels": ""}]}, {"folders": 3}, []):
        (root / ".sagehound-folders.json").write_text(json.dumps(said), encoding="utf-8")
        assert folders_of(root) == ()
        assert len(listing_of(root).examples) == 2


def test_labels_of_the_folders_count_and_those_of_the_whole_stay_its_own(make_dataset, tmp_path, workbench):
    one, other = make_dataset({"cat": 3, "dog": 3}, "one"), make_dataset({"cat": 2}, "other", 20) / "cat"
    data = workbench.data
    data.labelling(data.scan(other, unlabelled=True)).label(["000.jpg"], "bird")
    root = data.join([one, other])
    scan = data.scan(root, unlabelled=True)
    labelling = data.labelling(scan)
    by_path = {picture.path: picture for picture in scan.pictures}
    assert labelling.state.label_of(by_path["cat/000.jpg"]) == "bird"
    assert not labelling.can_undo, "what a folder says was no action here"
    assert not data.labelled_elsewhere(scan)
    labelling.label(["cat/001.jpg"], "dog")
    data.labelling(data.scan(other, unlabelled=True)).undo()
    state = data.labelling(scan).state
    assert state.label_of(by_path["cat/000.jpg"]) == "", "taken back in its folder, taken back here"
    assert state.label_of(by_path["cat/001.jpg"]) == "dog"
    assert data.labelling(data.scan(other, unlabelled=True)).known_labels()[0] == {}


@pytest.mark.parametrize("says", ["one", "other"])
def test_a_picture_in_two_folders_has_the_label_that_one_of_them_says(says, make_dataset, workbench):
    folders = {name: make_dataset({"cat": 3, "dog": 1}, name) for name in ("one", "other")}  # the same pictures
    data = workbench.data
    for name, folder in folders.items():
        wanted = "bird" if name == says else "dog"
        data.labelling(data.scan(folder)).label([f"cat/00{1 if name == says else 2}.jpg"], wanted)
    scan = data.scan(data.join(list(folders.values())))
    first = data.labelling(scan)
    second = data.labelling(scan)
    by_path = {picture.path: picture for picture in scan.pictures}
    labels = {path: second.state.label_of(picture) for path, picture in by_path.items()}
    for name in folders:
        assert [labels[f"{name}/cat/00{at}.jpg"] for at in range(3)] == ["cat", "bird", "dog"]
    assert len(second.events()) == len(first.events()) == 2, "nothing more is said at each opening"


def test_labels_of_copies_in_one_folder_count(make_dataset, workbench):
    one, other = make_dataset({"cat": 2, "dog": 2}, "one"), make_dataset({"cat": 1, "dog": 1}, "other", 20)
    shutil.copy(one / "cat" / "000.jpg", one / "dog" / "copy.jpg")
    data = workbench.data
    for label, copy in (("dog", "cat/000.jpg"), ("cat", "dog/copy.jpg")):
        data.labelling(data.scan(one)).label([copy], label)
        scan = data.scan(data.join([one, other]))
        state = data.labelling(scan).state
        assert {state.label_of(picture) for picture in scan.pictures if picture.path == f"one/{copy}"} == {label}


def test_labels_of_a_folder_that_wraps_its_dataset_count(make_dataset, tmp_path, workbench):
    make_dataset({"cat": 2, "dog": 2}, "one/wrapped")
    other = make_dataset({"cat": 1, "dog": 1}, "other", 20)
    data = workbench.data
    scan = data.scan(tmp_path / "one")
    assert scan.root == tmp_path / "one" / "wrapped"
    data.labelling(scan).label(["cat/000.jpg"], "bird")
    scan = data.scan(data.join([tmp_path / "one", other]))
    written = data.convert(scan.root, "folders", tmp_path / "out")  # though none has labelled it as a whole
    assert (tmp_path / "out" / "bird").is_dir()
    assert written.classes == 3
    assert not data.labelled_elsewhere(scan)
    state = data.labelling(scan).state
    by_path = {picture.path: picture for picture in scan.pictures}
    assert state.label_of(by_path["one/wrapped/cat/000.jpg"]) == "bird"


def test_writing_moves_the_pictures_themselves_and_leaves_the_links(make_dataset, tmp_path, workbench):
    one, other = make_dataset({"cat": 2, "dog": 2}, "one"), make_dataset({"cat": 1, "dog": 1}, "other", 20)
    data = workbench.data
    root = data.join([one, other])
    version = data.split(data.scan(root)).version
    written = data.write_labels(data.scan(root), tmp_path / "out", move=True)
    assert written.count == 6
    assert sorted(len(files) for _, _, files in os.walk(tmp_path / "out" / "cat")) == [3]
    assert not list(one.rglob("*.jpg"))
    assert data.split(data.scan(tmp_path / "out")).version == version, "the same pictures, the same version"


def test_what_is_written_of_folders_with_and_without_splits_is_read_back_as_the_same(make_dataset, tmp_path, workbench):
    split = make_dataset({"train/cat": 2, "train/dog": 2, "test/cat": 1, "test/dog": 1}, "split")
    plain = make_dataset({"cat": 2, "dog": 2}, "plain", 20)
    data = workbench.data
    scan = data.scan(data.join([split, plain]))
    version = data.split(scan).version
    assert {picture.split for picture in scan.pictures if picture.path.startswith("plain/")} == {"train"}
    data.write_labels(scan, tmp_path / "out")
    data.convert(scan.root, "csv", tmp_path / "csv")
    for written in ("out", "csv"):
        again = data.scan(tmp_path / written)
        assert len(again.pictures) == 10
        assert data.split(again).version == version


def test_pictures_are_not_moved_or_copied_out_of_their_folders_into_one_of_ours(make_dataset, tmp_path, workbench):
    one, other = make_dataset({"cat": 2, "dog": 2}, "x/one"), make_dataset({"cat": 1, "dog": 1}, "y/other", 20)
    data = workbench.data
    root = data.join([one, other])
    assert data.named_after(root, root) == data.named_after(root, None) == one.parent / "one + other"
    for target in (root, root / "one" / "new", root.with_name("one + other-labelled"), root / ".." / "new"):
        with pytest.raises(DatasetError, match="a folder of your own"):
            data.write_labels(data.scan(root), target, move=True)
        with pytest.raises(DatasetError, match="a folder of your own"):
            data.write(data.split(data.scan(root)), "class-folders", target)
    assert (len(list(one.rglob("*.jpg"))), len(list(other.rglob("*.jpg")))) == (4, 2)


def test_of_what_is_joined_of_archives_or_taken_apart_something_of_the_users_is_the_name(
    make_dataset, tmp_path, workbench
):
    data, paths = workbench.data, workbench.paths
    unpacked = paths.imports / "set-0123" / "set"
    unpacked.parent.mkdir(parents=True)
    make_dataset({"cat": 1, "dog": 1}, "set").rename(unpacked)
    mine = make_dataset({"cat": 1, "dog": 1}, "x/mine", 5)
    root = data.join([unpacked, mine])
    assert data.named_after(root, root) == mine.parent / root.name
    assert data.named_after(paths.imports / "both-frames-0123", root) == mine.parent / root.name
    archives = data.join([unpacked / "cat", unpacked / "dog"])
    assert data.named_after(archives, archives) == Path.home() / archives.name
