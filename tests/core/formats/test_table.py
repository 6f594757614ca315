"""Tables of labels: their columns, splits, groups, and what is doubtful."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.dataset import scan
from core.errors import DatasetError
from core.formats.records import Severity
from tests.core.formats.drawn import CATS, DOGS, SAID, flat, labels, listing, pictures, said, splits, text
from tests.core.formats.tables import of_all, table


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.csv", table(of_all("image", "label"))),
        ("labels.tsv", table(of_all("Filename", "Class Name"), "\t")),
        ("train.csv", table([["id", "breed"], *([name.removesuffix(".jpg"), label] for name, label in SAID.items())])),
        ("semicolons.csv", table(of_all("Datei", "Art"), ";")),
        ("no_header.csv", table(of_all("", "")[1:])),
        ("paths.csv", table([["x", "label"], *([f"C:\\data\\images\\{name}", label] for name, label in SAID.items())])),
        ("urls.csv", table([["url", "y"], *([f"https://a.b/c/{name}?s=1", label] for name, label in SAID.items())])),
        ("bom.csv", "\ufeff" + table(of_all("image", "label"))),
    ],
)
def test_tables_of_picture_and_label(tmp_path: Path, name: str, content: str) -> None:
    found = listing(text(flat(tmp_path), name, content))
    assert (found.format, labels(found)) == ("csv", said())
    assert name in found.seen[0]


def test_a_table_in_utf_16(tmp_path: Path) -> None:
    (flat(tmp_path) / "labels.csv").write_bytes(table(of_all("image", "label")).encode("utf-16"))
    assert labels(listing(tmp_path)) == said()


def test_columns_of_0_and_1_as_roboflow_writes_them(tmp_path: Path) -> None:
    for folder, names in {"train": CATS[:3] + DOGS[:3], "valid": CATS[3:] + DOGS[3:]}.items():
        pictures(tmp_path, *(f"{folder}/{name}" for name in names))
        rows = [[name, str(int(name[0] == "c")), str(int(name[0] == "d"))] for name in names]
        text(tmp_path, f"{folder}/_classes.csv", table([["filename", " cat", " dog"], *rows]))
    found = listing(tmp_path)
    assert labels(found) == {f"{'valid' if name[3] == '3' else 'train'}/{name}": label for name, label in SAID.items()}
    assert splits(found)["valid/cat3.jpg"] == "valid"
    assert found.layout == "splits"


def test_several_labels_are_kept_as_a_set(tmp_path: Path) -> None:
    rows = [["cat0.jpg", "cat|old"], ["cat1.jpg", "cat"], ["dog0.jpg", "dog|old"], ["dog1.jpg", "dog"]]
    found = listing(text(flat(tmp_path), "labels.csv", table([["image", "label"], *rows])))
    assert labels(found)["images/cat0.jpg"] == "cat+old"
    assert labels(found)["images/cat1.jpg"] == "cat"
    spaced = [["cat0.jpg", "cat old"], ["cat1.jpg", "cat"], ["dog0.jpg", "dog old"], ["dog1.jpg", "dog"]]
    assert (
        labels(listing(text(tmp_path, "labels.csv", table([["image", "tags"], *spaced]))))["images/dog0.jpg"]
        == "dog+old"
    )
    assert (
        labels(listing(text(tmp_path, "labels.csv", table([["image", "label"], *spaced]))))["images/dog0.jpg"]
        == "dog old"
    )


def test_split_and_group_columns_are_kept(tmp_path: Path) -> None:
    rows = [
        [name, label, "Test" if name[3] == "3" else "training", f"animal {name[3]}"] for name, label in SAID.items()
    ]
    found = listing(text(flat(tmp_path), "labels.csv", table([["image", "label", "set", "individual"], *rows])))
    assert splits(found) == {f"images/{name}": "test" if name[3] == "3" else "train" for name in SAID}
    assert {example.group for example in found.examples} == {f"animal {at}" for at in range(4)}


def test_splits_by_the_folders_of_the_pictures(tmp_path: Path) -> None:
    names = {name: f"{'test' if name[3] == '3' else 'train'}/{name}" for name in SAID}
    pictures(tmp_path, *names.values())
    found = listing(text(tmp_path, "labels.csv", table(of_all("image", "label"))))
    assert splits(found) == {path: path.split("/")[0] for path in names.values()}


def test_kaggle_with_an_unlabelled_test_folder_and_a_sample_submission(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"train/{name}" for name in SAID), "test/a.jpg", "test/b.jpg", "test/c.jpg")
    text(tmp_path, "train.csv", table(of_all("image", "label")))
    text(tmp_path, "sample_submission.csv", table([["image", "label"], ["a.jpg", "cat"], ["b.jpg", "cat"]]))
    found = scan(text(tmp_path, "x.md", ""))
    assert found.classes == ("cat", "dog")
    assert {picture.path for picture in found.pictures} == {f"train/{name}" for name in SAID}
    unlabelled = next(problem for problem in found.problems if problem.kind == "unlabelled")
    assert unlabelled.paths == ("test/a.jpg", "test/b.jpg", "test/c.jpg")


def test_rows_without_a_picture_are_named(tmp_path: Path) -> None:
    found = scan(text(flat(tmp_path), "labels.csv", table([*of_all("image", "label"), ["gone.jpg", "cat"]])))
    assert next(problem for problem in found.problems if problem.kind == "missing-picture").paths == ("gone.jpg",)


def test_a_doubtful_label_is_refused_with_offers_that_read_it(tmp_path: Path) -> None:
    rows = [[name, label, "xy"[at % 2]] for at, (name, label) in enumerate(SAID.items())]
    text(flat(tmp_path), "data.csv", table([["image", "art", "seite"], *rows]))
    with pytest.raises(DatasetError, match=r"which column is the label\? It could be “art” and “seite”") as refused:
        listing(tmp_path)
    assert [offer.title for offer in refused.value.offers] == ["The label is art", "The label is seite"]
    chosen = refused.value.offers[0].options
    assert labels(listing(tmp_path, labels=chosen.labels, columns=chosen.columns)) == said()


def test_columns_that_are_not_there_are_refused(tmp_path: Path) -> None:
    text(flat(tmp_path), "labels.csv", table(of_all("image", "label")))
    with pytest.raises(DatasetError, match=r"no column 'colour'\. Its columns are image, label"):
        listing(tmp_path, columns="image=image,label=colour")
    with pytest.raises(DatasetError, match="is not a choice of a column"):
        listing(tmp_path, columns="label")


def test_two_tables_that_say_different_things_are_asked_about(tmp_path: Path) -> None:
    text(flat(tmp_path), "a.csv", table(of_all("image", "label")))
    text(tmp_path, "b.csv", table(of_all("image", "species")))
    with pytest.raises(DatasetError, match=r"a.csv and b.csv look like labels") as refused:
        listing(tmp_path)
    assert labels(listing(tmp_path, labels=refused.value.offers[1].options.labels)) == said()


def test_a_table_is_not_read_where_class_folders_are(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{label}/{name}" for name, label in SAID.items()))
    found = listing(text(tmp_path, "labels.csv", table([["image", "label"], *([name, "same"] for name in SAID)])))
    assert found.format == "folders"
    other = next(problem for problem in found.problems if problem.kind == "other-labels")
    assert other.severity is Severity.ERROR
    assert [offer.options.format for offer in other.offers] == ["folders", "csv"]
    assert not [problem for problem in listing(tmp_path, format="folders").problems if problem.kind == "other-labels"]
    assert set(labels(listing(tmp_path, format="csv")).values()) == {"same"}


def test_a_table_of_sources_and_licences_does_not_doubt_class_folders(tmp_path: Path) -> None:
    paths = [f"{label}/{name}" for name, label in SAID.items()]
    pictures(tmp_path, *paths)
    rows = [[path, f"title {at}", "free" if at % 2 else "paid"] for at, path in enumerate(paths)]
    found = listing(text(tmp_path, "SOURCES.csv", table([["picture", "title", "licence"], *rows])))
    assert found.format == "folders"
    assert not [problem for problem in found.problems if problem.kind == "other-labels"]


def test_a_table_that_says_what_the_folders_say_is_no_problem(tmp_path: Path) -> None:
    pictures(tmp_path, *(f"{label}/{name}" for name, label in SAID.items()))
    found = listing(
        text(tmp_path, "labels.csv", table([["image", "label"], *([name, SAID[name].upper()] for name in SAID)]))
    )
    assert [problem.severity for problem in found.problems] == [Severity.INFO]
