import pytest

from core.dataset import scan
from core.errors import DatasetError
from core.formats.records import ReadOptions
from core.labels.disk import write_labels
from core.labels.labelling import Labelling
from core.store import Store
from tests.gui.conftest import write_picture


def fill(folder, names, colour=0):
    for number, name in enumerate(names):
        write_picture(folder / name, (colour, 20 * number, 60))


def labels(found):
    return {picture.path: picture.label for picture in found.pictures}


def test_a_folder_of_pictures_opens_where_labels_may_come_later_and_only_there(tmp_path):
    fill(tmp_path, ["holiday.png", "party.png", "trip/sea.png", "trip/hill.png"])
    with pytest.raises(DatasetError, match="nothing to train on"):
        scan(tmp_path)
    found = scan(tmp_path, unlabelled=True)
    assert set(labels(found).values()) <= {"", "trip"}
    assert labels(found)["holiday.png"] == ""
    assert found.counts()[""][""] >= 2


def test_pictures_beside_class_folders_and_in_a_folder_called_unlabelled_have_no_class(tmp_path):
    for at, name in enumerate(("cat", "dog", "Unlabelled")):
        fill(tmp_path / name, [f"{n}.png" for n in range(4)], 60 * at)
    fill(tmp_path, ["loose.png"], 255)
    found = scan(tmp_path, unlabelled=True)
    assert found.classes == ("cat", "dog")
    assert {path for path, label in labels(found).items() if not label} == {
        "loose.png",
        *(f"Unlabelled/{n}.png" for n in range(4)),
    }
    assert not {"no-class", "unlabelled", "imbalance"} & {problem.kind for problem in found.problems}
    assert "Unlabelled" in scan(tmp_path).classes


def test_pictures_beside_splits_are_in_train_when_they_are_labelled_and_written(tmp_path):
    source, target, store = tmp_path / "source", tmp_path / "target", Store(tmp_path / "results.sqlite3")
    for at, name in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        fill(source / name, [f"{at}{n}.png" for n in range(3)], 60 * at)
    fill(source, ["one.png", "two.png"], 255)
    found = scan(source, unlabelled=True)
    assert {picture.split for picture in found.pictures} == {"train", "test"}
    labelling = Labelling(store, found)
    labelling.label(["one.png", "two.png"], "cat")
    write_labels(found, labelling.state, target)
    store.close()
    written = scan(target)
    assert written.counts()["cat"] == {"train": 5, "test": 3}
    assert "beside-splits" not in {problem.kind for problem in written.problems}


def test_copies_without_a_label_contradict_nothing(tmp_path):
    for name in ("cat", "dog"):
        fill(tmp_path / name, [f"{n}.png" for n in range(3)], 90 if name == "cat" else 180)
    (tmp_path / "copy.png").write_bytes((tmp_path / "cat" / "0.png").read_bytes())
    found = scan(tmp_path, unlabelled=True)
    assert "contradiction" not in {problem.kind for problem in found.problems}


def test_names_that_may_be_classes_are_offered_beside_opening_without_labels(tmp_path):
    fill(tmp_path, [f"{kind}_{n}.png" for kind in ("cat", "dog") for n in range(4)])
    with pytest.raises(DatasetError) as refused:
        scan(tmp_path, unlabelled=True)
    last = refused.value.offers[-1]
    assert last.title == "Open without labels"
    assert set(labels(scan(tmp_path, unlabelled=True, options=last.options)).values()) == {""}
    assert last.options == ReadOptions(format="unlabelled")


def test_masks_beside_images_are_no_pictures_to_label(make_dataset):
    found = scan(make_dataset({"images": 4, "masks": 4}), unlabelled=True)
    assert {picture.path.split("/")[0] for picture in found.pictures} == {"images"}
    assert found.seen[-1] == "Left out, as masks or labels of the pictures beside them: masks."
