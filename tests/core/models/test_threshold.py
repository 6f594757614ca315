"""A model's threshold: what the training chose stays, moves are kept beside it and can be taken back."""

from __future__ import annotations

import json

import pytest

from core.errors import UserFacingError
from core.models.threshold import THRESHOLD_FILE, move, move_back, moved, moved_to, threshold_in
from core.predict.coverage import coverage_at, coverage_curve, threshold_of_share
from core.predict.evaluate import EvaluatedPicture
from training_scripts.unknown import Gauge

GAUGE = Gauge((0.3, 0.1), (-4.0, 2.0), 1.5, 0.95, "valid", 60)
CARD = {"unknown": GAUGE.to_card()}


def test_moves_are_kept_and_taken_back_one_by_one(tmp_path):
    trained = threshold_in(CARD)
    assert (trained.value, trained.moves) == (1.5, 0)
    assert "keeps 95 % of the pictures of known classes, going by 60 valid pictures" in trained.sentence
    assert moved(trained, tmp_path) == trained
    assert moved_to(tmp_path) is None
    move(tmp_path, 1.0)
    move(tmp_path, 0.25)
    now = moved(trained, tmp_path)
    assert (now.value, now.trained, now.moves) == (0.25, 1.5, 2)
    assert now.sentence == "You moved the threshold to 0.25; the training had chosen 1.50."
    assert threshold_in({"unknown": now.in_card(CARD)}) == now
    assert Gauge.from_card(now.in_card(CARD)).threshold == 0.25
    assert move_back(tmp_path)
    assert moved(trained, tmp_path).value == moved_to(tmp_path) == 1.0
    assert move_back(tmp_path)
    assert not move_back(tmp_path)
    assert moved(trained, tmp_path) == trained


def test_what_cannot_be_kept_is_said(tmp_path):
    with pytest.raises(UserFacingError, match="A threshold is a number"):
        move(tmp_path, float("nan"))
    with pytest.raises(UserFacingError, match="was not moved"):
        move(_file(tmp_path) / "below", 1.0)
    (tmp_path / THRESHOLD_FILE).write_text("{", encoding="utf-8")
    assert moved_to(tmp_path) is None
    move(tmp_path, 2.0)
    assert json.loads((tmp_path / THRESHOLD_FILE).read_text(encoding="utf-8"))["moves"][0]["threshold"] == 2.0


def _file(folder):
    (folder / "file").write_text("", encoding="utf-8")
    return folder / "file"


def test_models_of_earlier_versions_have_none():
    assert threshold_in({}) is None
    assert moved(None, None) is None
    with pytest.raises(KeyError):
        Gauge.from_card({"distance": [0, 1]})


def test_coverage_against_accuracy():
    pictures = [
        EvaluatedPicture(str(place), "a", said, 0.9, strangeness=strange)
        for place, (said, strange) in enumerate([("a", 0.1), ("a", 0.5), ("b", 0.5), ("a", 0.7), ("b", 2.0)])
    ]
    curve = coverage_curve([*pictures, EvaluatedPicture("old", "a", "a", 0.9)])
    assert [(point.threshold, point.share, point.accuracy) for point in curve] == [
        (0.1, 0.2, 1.0),
        (0.5, 0.6, pytest.approx(2 / 3)),
        (0.7, 0.8, 0.75),
        (2.0, 1.0, 0.6),
    ]
    assert [coverage_at(pictures, point.threshold) for point in curve] == list(curve)
    assert threshold_of_share(curve, 0.7) == 0.7
    assert threshold_of_share((), 0.7) is None
    assert coverage_at(pictures, 0.0).accuracy is None
    assert coverage_at(pictures, 0.7).sentence == (
        "4 of 5 pictures are answered (80 %), 3 of these rightly (75.0 %, 30 to 95 %)."
    )
