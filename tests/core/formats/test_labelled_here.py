"""Datasets whose labels are ours are written with them, also pictures that only our labels make part of it."""

from __future__ import annotations

import pytest

from core.errors import DatasetError
from core.paths import AppPaths
from core.workbench import Workbench

WRITTEN = ("csv", "jsonl", "coco", "label-studio", "huggingface", "fiftyone", "folders")


@pytest.fixture
def data(tmp_path):
    made = Workbench(AppPaths(tmp_path / "home"))
    yield made.data
    made.close()


@pytest.mark.parametrize("format_name", WRITTEN)
def test_pictures_beside_class_folders_are_written_once_they_are_labelled(make_dataset, tmp_path, data, format_name):
    root = make_dataset({"cat": 2, "dog": 2, ".": 3})
    scan = data.scan(root, unlabelled=True)
    data.labelling(scan).label(["000.jpg", "001.jpg"], "bird")
    data.convert(root, format_name, tmp_path / "out")
    again = data.scan(tmp_path / "out")
    assert {label: sum(counts.values()) for label, counts in again.counts().items() if label} == {
        "bird": 2,
        "cat": 2,
        "dog": 2,
    }


def test_a_folder_without_any_class_is_written_once_it_is_labelled(make_dataset, tmp_path, data):
    root = make_dataset({".": 4})
    with pytest.raises(DatasetError, match="nothing to train on"):
        data.convert(root, "csv", tmp_path / "none")
    labelling = data.labelling(data.scan(root, unlabelled=True))
    labelling.label(["000.jpg", "001.jpg"], "cat")
    labelling.label(["002.jpg"], "dog")
    written = data.convert(root, "folders", tmp_path / "out")
    assert (written.pictures, written.classes, written.unlabelled) == (3, 2, 1)
