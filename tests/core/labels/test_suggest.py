"""What is suggested: typical pictures first, then doubtful ones, and guesses that labels make right."""

from __future__ import annotations

import numpy as np
import pytest

from core.dataset.records import Picture
from core.features.dataset_features import PictureFeatures
from core.labels.suggest import Suggester

CLASSES = ("cat", "dog", "fox")


@pytest.fixture
def features() -> PictureFeatures:
    """Three clouds of 40 pictures; the class of picture n is CLASSES[n % 3]."""
    random = np.random.default_rng(0)
    centres = random.normal(0, 1, (3, 32))
    matrix = np.stack([centres[at % 3] + random.normal(0, 0.45, 32) for at in range(120)]).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    pictures = tuple(Picture(f"{at:03d}.jpg", "", None, 1, 8, 8, "JPEG", f"{at:064x}", 0) for at in range(120))
    return PictureFeatures(pictures, matrix, "none")


def truth(path: str) -> str:
    return CLASSES[int(path[:3]) % 3]


def test_without_labels_typical_pictures_of_all_clouds_are_asked_for(features: PictureFeatures) -> None:
    found = Suggester(features).suggest({}, count=9)
    assert {truth(one.path) for one in found.next} == set(CLASSES)
    assert {(one.label, one.probability) for one in found.next} == {(None, 0.0)}
    assert found.expected_accuracy is None
    assert not found.enough


def test_guesses_are_right_after_few_labels_and_what_is_labelled_or_left_out_is_not_asked_for(
    features: PictureFeatures,
) -> None:
    suggester = Suggester(features)
    labels: dict[str, str] = {}
    left_out = frozenset(["005.jpg"])
    for _ in range(6):
        found = suggester.suggest(labels, left_out, count=3)
        assert not {one.path for one in found.next} & (labels.keys() | left_out)
        labels |= {one.path: truth(one.path) for one in found.next}
    found = suggester.suggest(labels, left_out)
    right = np.mean([truth(path) == label for path, (label, _) in found.guesses.items()])
    assert right > 0.95
    assert abs(found.expected_accuracy - right) < 0.15  # type: ignore[operator]
    assert (found.labelled, found.total) == (18, 119)
    assert "005.jpg" not in found.guesses


def test_it_says_when_more_labels_change_nothing_and_begins_again_with_a_new_class(features: PictureFeatures) -> None:
    suggester = Suggester(features)
    labels = {picture.path: truth(picture.path) for picture in features.pictures[:30]}
    assert not suggester.suggest(labels).enough
    for picture in features.pictures[30:75]:
        labels[picture.path] = truth(picture.path)
        found = suggester.suggest(labels)
    assert found.enough
    labels["080.jpg"] = "owl"
    assert not suggester.suggest(labels).enough


def test_a_dataset_that_is_labelled_to_the_end_needs_nothing(features: PictureFeatures) -> None:
    found = Suggester(features).suggest({picture.path: truth(picture.path) for picture in features.pictures})
    assert found.next == ()
    assert found.enough


def test_no_guess_is_sure_of_a_class_with_few_labels_nor_where_nothing_near_has_one(features: PictureFeatures) -> None:
    suggester = Suggester(features)
    labels = {picture.path: truth(picture.path) for picture in features.pictures[:60]}
    sure = suggester.suggest(labels).sure_ones()
    assert {truth(path) for path in sure} == set(CLASSES)
    assert all(truth(path) == label for path, label in sure.items())
    few = {path: label for path, label in labels.items() if label != "fox"} | {"002.jpg": "fox", "005.jpg": "fox"}
    assert {truth(path) for path in suggester.suggest(few).sure_ones()} == {"cat", "dog"}
    without = {path: label for path, label in labels.items() if label != "fox"}
    found = Suggester(features).suggest(without)
    assert found.unlike > 30, "a class that is not named yet"
    assert "fox" not in {truth(path) for path in found.sure_ones()}
    assert {truth(path) for path in found.sure_ones()} == {"cat", "dog"}
