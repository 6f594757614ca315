"""What a check finds among planted faults, and that its remedies are ordinary actions."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from core.check.alignment import fit
from core.check.check import check
from core.check.duplicates import GLANCE, SAME, Pair, confirm
from core.check.findings import Finding, FindingKind
from core.check.pixels import likeness, littles
from core.check.suspects import _share_of_wrong, label_suspects
from core.dataset.records import Picture, Scan
from core.features.dataset_features import PictureFeatures
from core.features.neighbours import nearest
from core.features.space import space_of
from core.labels.label_state import LabelState
from core.labels.labelling import Labelling
from core.progress import CancelToken, ignore_progress
from core.store import Store


def drawn(number: int) -> Image.Image:
    """A picture with coarse and fine parts that no other number gives."""
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 200, (6, 7, 3), dtype=np.uint8)).resize(
        (140, 120), Image.Resampling.BICUBIC
    )
    fine = random.integers(0, 40, (120, 140, 3), dtype=np.uint8)
    return Image.fromarray(np.asarray(coarse) + fine)


def recoded(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file)


CHANGES = {
    "recoded": recoded,
    "half": lambda picture: picture.resize((70, 60)),
    "cropped": lambda picture: picture.crop((9, 3, 135, 111)),
    "mirrored": ImageOps.mirror,
    "lighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.4),
    "cropped and mirrored": lambda picture: ImageOps.mirror(picture.crop((2, 9, 128, 117))),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.6),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_known_whatever_was_done_to_it_and_another_picture_is_none(tmp_path: Path, change: str) -> None:
    files = [tmp_path / f"{name}.png" for name in ("one", "copy", "other")]
    for file, picture in zip(files, (drawn(1), CHANGES[change](drawn(1)), drawn(2)), strict=True):
        picture.save(file)
    one, copy, other = littles(files, ignore_progress)
    assert one is not None
    assert copy is not None
    assert other is not None
    ((_, overlay), (far, _)) = likeness(one, copy), likeness(one, other)
    assert far < GLANCE
    (alike,) = fit([overlay], CancelToken())
    assert alike > SAME
    assert confirm([(0, 1), (0, 2)], dict(enumerate((one, copy, other)))) == [Pair(0, 1, alike)]


def test_pictures_of_one_kind_with_other_details_are_not_copies(tmp_path: Path) -> None:
    coins = []
    for number in range(2):
        image = Image.new("L", (140, 140), 250)
        ImageDraw.Draw(image).ellipse((10, 10, 130, 130), fill=120)
        image.paste(drawn(number).convert("L").resize((56, 56)), (42, 42))
        image.save(file := tmp_path / f"{number}.png")
        coins.append(file)
    one, two = littles(coins, ignore_progress)
    assert one is not None
    assert two is not None
    rough, overlay = likeness(one, two)
    assert rough > GLANCE
    assert fit([overlay], CancelToken())[0] < SAME


def clouds(count: int, wrong: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Features of four clouds, their labels with some wrong, and which are."""
    random = np.random.default_rng(3)
    centres = random.normal(0, 1, (4, 24))
    truth = np.arange(count) % 4
    matrix = (centres[truth] + random.normal(0, 0.5, (count, 24))).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    bad = random.choice(count, wrong, replace=False)
    labels = truth.copy()
    labels[bad] = (truth[bad] + random.integers(1, 4, wrong)) % 4
    return matrix, labels, bad


@pytest.mark.parametrize("wrong", [0, 12, 40])
def test_the_number_of_suspects_follows_the_number_of_wrong_labels(wrong: int) -> None:
    matrix, labels, bad = clouds(200, wrong)
    space = space_of(matrix)
    found = label_suspects(space, labels, 4, nearest(space.unit, 10))
    rows = {suspect.row for suspect in found}
    assert len(rows & set(bad.tolist())) >= 0.9 * wrong
    assert len(rows - set(bad.tolist())) <= 2 + 0.1 * wrong
    for suspect in found:
        assert suspect.looks_like != labels[suspect.row]
        assert all(labels[other] == suspect.looks_like for other in suspect.neighbours)


def test_wrong_labels_of_few_pictures_are_not_taken_for_soft_guesses_where_classes_are_easy() -> None:
    """48 of 238 labels are wrong: 32 where how soft the guesses are is left to so few of them alone."""
    random, rows, truth = np.random.default_rng(2), np.arange(238), np.arange(238) % 7
    guesses = random.normal(scale=1.2, size=(238, 7))
    guesses[rows, truth] += random.normal(4.5, 2.5, 238)
    guesses -= np.log(np.exp(guesses).sum(axis=1, keepdims=True))
    labels, bad = truth.copy(), random.choice(238, 48, replace=False)
    labels[bad] = (labels[bad] + 1 + random.integers(0, 6, 48)) % 7
    assert _share_of_wrong(guesses, labels)[0] * 238 == pytest.approx(48, abs=4)


@pytest.mark.parametrize(("count", "classes", "spread"), [(240, 6, 4.5), (120, 3, 5.0)])
def test_of_classes_that_are_hard_to_tell_apart_few_right_labels_are_suspects(
    count: int, classes: int, spread: float
) -> None:
    """Half of the guesses are wrong, and no label is: 22 and 29 suspects where guesses were not taken for that soft."""
    random = np.random.default_rng(12)
    labels = np.arange(count) % classes
    matrix = random.normal(size=(classes, 64))[labels] + random.normal(scale=spread, size=(count, 64))
    space = space_of(matrix.astype(np.float32))
    assert len(label_suspects(space, labels, classes, nearest(space.unit, 10))) <= 7


def test_right_labels_of_classes_that_look_alike_in_pairs_are_not_suspects() -> None:
    """56 of 240 guesses say the other class of a pair, and no label is wrong: 13 where that was not looked at."""
    random, rows, truth = np.random.default_rng(4), np.arange(240), np.arange(240) % 4
    guesses = random.normal(scale=1.2, size=(240, 4))
    guesses[rows, truth] += random.normal(4.5, 1, 240)
    alike = random.random(240) < 0.4
    guesses[rows[alike], (truth ^ 1)[alike]] += random.normal(4.5, 1.5, alike.sum())
    guesses -= np.log(np.exp(guesses).sum(axis=1, keepdims=True))
    assert _share_of_wrong(guesses, truth)[0] * 240 < 3


@pytest.fixture
def dataset(tmp_path: Path) -> tuple[Scan, PictureFeatures]:
    """60 pictures of two classes; one labelled wrong, one near copy in another split, one exact copy, one blank."""
    matrix, _, _ = clouds(62, 0)
    matrix[np.arange(62) % 4 > 1] = -matrix[np.arange(62) % 4 > 1]
    pictures: list[Picture] = []
    folder = tmp_path / "data"
    folder.mkdir()
    for at in range(62):
        label = "cat" if at % 2 else "dog"
        image = drawn(at)
        if at == 60:
            image, matrix[60] = CHANGES["cropped"](drawn(2)), matrix[2]
        if at == 61:
            image = Image.new("RGB", (140, 120), (9, 200, 9))
        image.save(folder / f"{at:03d}.png")
        label = "cat" if at == 4 else label
        split = "test" if at == 60 else "train"
        pictures.append(Picture(f"{at:03d}.png", label, split, 1, *image.size, "PNG", f"{at:064x}", 0))
    pictures.append(Picture("copy.png", "cat", "train", 1, 140, 120, "PNG", f"{8:064x}", 0))
    matrix = np.concatenate([matrix, matrix[8:9]])
    scan = Scan(folder, "splits", ("cat", "dog"), tuple(pictures), (), ())
    return scan, PictureFeatures(tuple(pictures), matrix, "none")


def of_kind(found: list[Finding], kind: FindingKind) -> list[Finding]:
    return [finding for finding in found if finding.kind is kind]


def test_planted_faults_are_found_and_solved_by_actions_that_can_be_undone(
    dataset: tuple[Scan, PictureFeatures], tmp_path: Path
) -> None:
    scan, features = dataset
    splits = {picture.path: picture.split or "" for picture in scan.pictures}
    found = check(scan, LabelState(), splits, features)
    copies = {finding.pictures: finding for finding in of_kind(found, FindingKind.NEAR_DUPLICATE)}
    assert set(copies) == {("002.png", "060.png"), ("008.png", "copy.png")}
    assert copies["002.png", "060.png"].grave
    assert "different splits (test, train)" in copies["002.png", "060.png"].why
    assert "different classes (cat, dog)" in copies["008.png", "copy.png"].why
    assert [finding.pictures for finding in found if finding.grave] == [finding.pictures for finding in found[:2]]
    (suspect,) = [finding for finding in of_kind(found, FindingKind.LABEL_SUSPECT) if finding.pictures == ("004.png",)]
    assert suspect.suggested == "dog"
    assert suspect.evidence
    assert "blank" in next(f.why for f in of_kind(found, FindingKind.QUALITY) if f.pictures == ("061.png",))
    store = Store(tmp_path / "results.sqlite3")
    labelling = Labelling(store, scan)
    for finding in (suspect, copies["002.png", "060.png"]):
        assert finding.remedy is not None
        finding.remedy.apply(labelling, finding.kind)
    left = check(scan, labelling.state, splits, features)
    assert ("002.png", "060.png") not in {finding.pictures for finding in left}
    assert ("004.png",) not in {finding.pictures for finding in of_kind(left, FindingKind.LABEL_SUSPECT)}
    assert labelling.history()[0].source == "check: label_suspect"
    labelling.undo()
    labelling.undo()
    assert labelling.state == LabelState(undone=labelling.state.undone, cursor=labelling.state.cursor)
    store.close()
