"""Layouts as datasets are published: what is read as splits, what as classes, and what is refused with the ways out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from core.dataset import Scan, Severity, scan, split
from core.errors import DatasetError
from core.formats.folder_names import annotations_among, named_splits
from core.formats.records import ClassFolders, ReadOptions
from core.formats.source import Source
from core.formats.walk import Walk
from core.progress import CancelToken

MakeDataset = Callable[..., Path]

CLASSES = ("disc", "bars", "grid")


def folders(*prefixes: str, count: int = 20, classes: tuple[str, ...] = CLASSES) -> dict[str, int]:
    return {f"{prefix}{label}": count for prefix in prefixes for label in classes}


def messages(result: Scan, kind: str) -> list[str]:
    return [problem.message for problem in result.problems if problem.kind == kind]


def kinds(result: Scan) -> set[str]:
    return {problem.kind for problem in result.problems}


def given_splits(result: Scan) -> Mapping[str, Mapping[str, int]]:
    assert result.layout == "splits"
    return result.counts()


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train", "VAL", "Testing", "photos"], {"train": "train", "VAL": "valid", "Testing": "test"}),
        (["seg_train", "seg_test", "seg_pred"], {"seg_train": "train", "seg_test": "test"}),
        (["train2017", "val2017"], {"train2017": "train", "val2017": "valid"}),
        (["train_images", "test_images"], {"train_images": "train", "test_images": "test"}),
        (["TrainSet", "TestSet"], {"TrainSet": "train", "TestSet": "test"}),
        (["train", "test1"], {"train": "train", "test1": "test"}),
        (["01_train", "02-Test", "03 val"], {"01_train": "train", "02-Test": "test", "03 val": "valid"}),
        (["trainimages", "TestImages"], {"trainimages": "train", "TestImages": "test"}),
        (["Training Data", "validation"], {"Training Data": "train", "validation": "valid"}),
        (["trainA", "testA"], {"trainA": "train", "testA": "test"}),
        (["training", "Validierung"], {"training": "train", "Validierung": "valid"}),
        (["Trainingsdaten", "Testdaten"], {"Trainingsdaten": "train", "Testdaten": "test"}),
        (["entraînement", "test"], {"entraînement": "train", "test": "test"}),
        (["entrenamiento", "validación"], {"entrenamiento": "train", "validación": "valid"}),
        (["datos_entrenamiento", "datos_prueba"], {"datos_entrenamiento": "train", "datos_prueba": "test"}),
        (["addestramento", "convalida"], {"addestramento": "train", "convalida": "valid"}),
        (["conjunto_de_treino", "conjunto_de_teste"], {"conjunto_de_treino": "train", "conjunto_de_teste": "test"}),
        (["treinamento", "validac\u0327a\u0303o"], {"treinamento": "train", "validac\u0327a\u0303o": "valid"}),
        (["trainer", "tester"], {}),
        (["steam_train", "crash_test", "bus"], {}),
        (["test_tube", "test_bench"], {}),
        (["cat", "dog"], {}),
    ],
)
def test_names_of_splits(names: list[str], splits: dict[str, str]) -> None:
    assert named_splits(names) == splits


@pytest.mark.parametrize(
    ("names", "annotations"),
    [
        (["images", "masks"], ["masks"]),
        (["img", "labels"], ["labels"]),
        (["JPEGImages", "Annotations", "SegmentationClass"], ["Annotations", "SegmentationClass"]),
        (["images", "1st_manual"], ["1st_manual"]),
        (["Images", "ground_truth"], ["ground_truth"]),
        (["mask", "without_mask"], []),
        (["images", "videos", "labels"], []),
        (["masks", "labels"], []),
    ],
)
def test_names_of_what_belongs_to_pictures(names: list[str], annotations: list[str]) -> None:
    assert annotations_among(names) == annotations


@pytest.mark.parametrize("prefixes", [("",), ("train/", "test/")])
def test_masks_beside_images_are_no_class(prefixes: tuple[str, ...], make_dataset: MakeDataset) -> None:
    with pytest.raises(DatasetError, match="masks beside images looks like masks or labels") as caught:
        scan(make_dataset(folders(*prefixes, count=4, classes=("images", "masks"))))
    assert "folder named after it" in str(caught.value)


def test_doubled_split_names(make_dataset: MakeDataset) -> None:
    root = make_dataset(folders("seg_train/seg_train/"))
    make_dataset(folders("seg_test/seg_test/", count=8) | {"seg_pred/seg_pred": 5}, first=500)
    result = scan(root)
    assert given_splits(result) == {label: {"train": 20, "test": 8} for label in CLASSES}
    assert messages(result, "beside-splits") == ["1 folder lies beside the splits and is left out."]
    assert {entry.split for entry in split(result).pictures if "/seg_test/" in entry.path} == {"test"}


def test_a_folder_between_splits_and_classes(make_dataset: MakeDataset) -> None:
    result = scan(make_dataset(folders("train/images/", "test/images/")))
    assert given_splits(result) == {label: {"train": 20, "test": 20} for label in CLASSES}


def test_an_archive_that_holds_itself_and_what_macos_adds(make_dataset: MakeDataset) -> None:
    tops = ("chest_xray/", "chest_xray/chest_xray/")
    root = make_dataset(folders(*(f"{top}train/" for top in tops)) | folders(*(f"{top}val/" for top in tops), count=2))
    junk = root / "chest_xray" / "__MACOSX" / "train" / "disc"
    junk.mkdir(parents=True)
    (junk / "._disc000.jpg").write_bytes(bytes(100))
    (root / "README.md").write_bytes(b"read me")
    result = scan(root)
    assert result.root == root / "chest_xray"
    assert given_splits(result) == {label: {"train": 20, "valid": 2} for label in CLASSES}
    assert messages(result, "second-copy") == [
        "chest_xray holds splits too, like a second copy of the dataset, and is left out."
    ]
    assert kinds(result) == {"second-copy"}


def test_splits_inside_the_classes_are_kept(make_dataset: MakeDataset) -> None:
    root = make_dataset({f"{label}/{name}": n for label in CLASSES for name, n in (("train", 20), ("test", 8))})
    result = scan(root)
    assert given_splits(result) == {label: {"train": 20, "test": 8} for label in CLASSES}
    manifest = split(result)
    assert {entry.split for entry in manifest.pictures if "/test/" in entry.path} == {"test"}
    assert not any(entry.split == "test" for entry in manifest.pictures if "/train/" in entry.path)


def test_folds_are_kept_together(make_dataset: MakeDataset) -> None:
    root = make_dataset({f"fold_{fold}/{label}": 4 for fold in range(1, 7) for label in ("cat", "dog")})
    found = scan(root)
    assert found.classes == ("cat", "dog")
    assert found.seen == ("Class folders in 6 folds, none of which a split will tear apart: 2 classes.",)
    where: dict[str, set[str]] = {}
    for entry in split(found).pictures:
        where.setdefault(entry.path.split("/")[0], set()).add(entry.split)
    assert all(len(splits) == 1 for splits in where.values())
    assert {next(iter(splits)) for splits in where.values()} == {"train", "valid", "test"}


def test_a_split_inside_some_classes_is_an_error(make_dataset: MakeDataset) -> None:
    result = scan(make_dataset({"cat": 20, "cat/test": 5, "dog": 20}))
    assert result.counts() == {"cat": {"": 25}, "dog": {"": 20}}
    (error,) = result.errors
    assert (error.kind, error.paths) == ("split-in-class", ("cat/test",))
    assert scan(make_dataset({"cat/Test Set": 5, "dog/crash_test": 5})).errors[0].paths == ("cat/Test Set", "cat/test")


def test_inner_folders_can_be_chosen_as_classes(make_dataset: MakeDataset) -> None:
    root = make_dataset({"round/disc": 20, "round/grid": 20, "sharp/bars": 20, "sharp/cross": 20})
    result = scan(root)
    assert result.classes == ("round", "sharp")
    assert messages(result, "which-classes") == [
        "The classes are round and sharp; the folders inside them (bars, cross, disc and grid) are not distinguished."
    ]
    assert not result.errors
    inner = scan(root, options=ReadOptions(class_folders=ClassFolders.INNER))
    assert inner.counts() == {label: {"": 20} for label in ("bars", "cross", "disc", "grid")}
    assert split(inner).options == inner.options == ReadOptions(class_folders=ClassFolders.INNER)
    assert [problem.severity for problem in inner.problems] == [Severity.INFO]


def test_inner_folders_inside_splits(make_dataset: MakeDataset) -> None:
    root = make_dataset(folders("train/a/", "train/b/", "test/a/", "test/b/", count=10))
    result = scan(root, options=ReadOptions(class_folders=ClassFolders.INNER))
    assert given_splits(result) == {label: {"train": 20, "test": 20} for label in CLASSES}


def test_the_same_folders_in_every_class_must_be_chosen_from(make_dataset: MakeDataset) -> None:
    root = make_dataset(folders("site1/", "site2/", count=10))
    (error,) = scan(root).errors
    assert error.kind == "which-classes"
    assert error.message == (
        "Each of site1 and site2 holds the same folders (bars, disc and grid): either may be the classes."
    )
    assert scan(root, options=ReadOptions(class_folders=ClassFolders.OUTER)).errors == ()
    assert scan(root, options=ReadOptions(class_folders=ClassFolders.INNER)).counts() == {
        label: {"": 20} for label in CLASSES
    }


@pytest.mark.parametrize("name", ["labels.csv", "train/metadata.csv", "annotations.json", "train_labels.txt"])
def test_flat_splits_name_the_file_of_labels(make_dataset: MakeDataset, name: str) -> None:
    root = make_dataset({"train": 12, "test": 6})
    (root / name).write_bytes(b"id,breed\n")
    with pytest.raises(DatasetError, match="is not understood") as caught:
        scan(root)
    assert "(train: 12, test: 6)" in caught.value.why
    assert (
        f"The labels may be in {name}, but nothing there is understood as labels of these pictures." in caught.value.why
    )
    assert "train/cat" in caught.value.fix


def test_flat_splits_name_the_words_in_file_names(
    make_dataset: MakeDataset, picture_bytes: Callable[..., bytes]
) -> None:
    root = make_dataset({"train": 0, "test": 6})
    for number in range(12):
        (root / "train" / f"{('cat', 'dog')[number % 2]}.{number}.jpg").write_bytes(picture_bytes(number))
    with pytest.raises(DatasetError) as caught:
        scan(root)
    assert "The file names begin with cat and dog: if these are the classes, make a folder of each." in caught.value.why


@pytest.mark.parametrize(
    ("counts", "seen"),
    [
        ({"train": 9}, "train: 9"),
        ({"1_train": 9, "2_test": 3}, "1_train: 9, 2_test: 3"),
        ({"trainA": 9, "trainB": 8, "testA": 3, "testB": 3}, "trainA: 9, trainB: 8, testA: 3, testB: 3"),
        ({"train": 9, "test": 3, "extra": 4}, "train: 9, test: 3"),
        ({"seg_train/seg_train": 9, "seg_test/seg_test": 3}, "seg_train/seg_train: 9, seg_test/seg_test: 3"),
        ({"valid/cat": 3, "valid/dog": 3, "test/cat": 3, "test/dog": 3}, "valid and test look like splits"),
    ],
)
def test_what_looks_like_splits_is_no_class(make_dataset: MakeDataset, counts: dict[str, int], seen: str) -> None:
    with pytest.raises(DatasetError, match="is not understood") as caught:
        scan(make_dataset(counts))
    assert seen in caught.value.why


def test_classes_that_are_named_like_splits_among_others(make_dataset: MakeDataset) -> None:
    result = scan(make_dataset({"train": 20, "bus": 20, "car": 20, "test": 20}))
    assert (result.layout, result.classes) == ("classes", ("bus", "car", "test", "train"))
    assert messages(result, "split-named-class") == [
        "test and train are taken for classes because of bus and car, although named as splits are."
    ]


def test_one_folder_of_pictures_and_labels_in_a_file(make_dataset: MakeDataset) -> None:
    root = make_dataset({"jpg": 9})
    (root / "imagelabels.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(DatasetError) as caught:
        scan(root)
    assert "imagelabels.mat" in caught.value.why


def test_a_class_that_splits_write_differently_is_one(make_dataset: MakeDataset) -> None:
    root = make_dataset({"train/Cat": 20, "train/dog": 20})
    make_dataset({"test/cat": 8, "test/dog": 8}, first=500)
    result = scan(root)
    assert given_splits(result) == {"Cat": {"train": 20, "test": 8}, "dog": {"train": 20, "test": 8}}
    assert messages(result, "class-spelling") == [
        "1 class is written differently from split to split (cat, Cat), and each counts as one."
    ]
    assert not result.errors


def test_two_spellings_in_one_split_clash(make_dataset: MakeDataset) -> None:
    root = make_dataset({"train/Cat": 20, "train/cat": 20, "train/dog": 20})
    if len(os.listdir(root / "train")) != 3:
        pytest.skip("this file system knows no case")
    assert "name-clash" in {problem.kind for problem in scan(root).errors}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_file_of_labels(make_dataset: MakeDataset) -> None:
    """To open one is to wait without end."""
    root = make_dataset({"cat": 20, "dog": 20})
    for name in ("labels.csv", "metadata.jsonl", "annotations.json", "data.yaml", "cat/notes.txt"):
        os.mkfifo(root / name)
    assert scan(root).classes == ("cat", "dog")
    with pytest.raises(DatasetError, match=r"labels\.csv cannot be read"):
        Source(Walk(root, CancelToken()), ReadOptions()).text("labels.csv")
