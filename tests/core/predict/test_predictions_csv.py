from __future__ import annotations

import csv
from pathlib import Path

import pytest

from core.errors import PictureError, UserFacingError
from core.jobs.accuracy import percent
from core.predict.intake import NamedPicture
from core.predict.predictions_csv import write_csv
from core.predict.records import Prediction, Unreadable


def test_every_answer_is_a_line(tmp_path):
    file, pasted = Path("some") / "folder" / 'a "quoted", name.jpg', b"bytes"
    known = Prediction(file, (("cat", 0.75), ("dog", 0.25)), 12.341, "m", 640, 480, b"", 2.5, True)
    rows = [
        (NamedPicture("name.jpg", file), known),
        (NamedPicture("Pasted picture", pasted), Prediction(pasted, (("=1+1", 1.0),), 3.0, "m", 1, 2)),
        (NamedPicture("broken.jpg", file), Unreadable(file, PictureError("broken.jpg is empty."))),
        (NamedPicture("later.jpg", file), None),
    ]
    target = tmp_path / "predictions.csv"
    assert write_csv(rows, target) == 3
    with target.open(encoding="utf-8", newline="") as opened:
        read = list(csv.DictReader(opened))
    assert read[0] == {
        "picture": str(file),
        "label": "cat",
        "probability": "0.750000",
        "second_label": "dog",
        "second_probability": "0.250000",
        "width": "640",
        "height": "480",
        "milliseconds": "12.34",
        "unknown": "true",
        "strangeness": "2.5000",
        "error": "",
    }
    assert (read[1]["picture"], read[1]["label"], read[1]["second_label"]) == ("Pasted picture", "'=1+1", "")
    assert (read[2]["label"], read[2]["error"]) == ("", "broken.jpg is empty.")
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.csv"]


def test_a_place_that_cannot_be_written_is_an_error_in_words(tmp_path):
    with pytest.raises(UserFacingError, match=r"x\.csv could not be written"):
        write_csv([], tmp_path / "no such folder" / "x.csv")


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "0.0 %"), (1e-6, "< 0.1 %"), (0.5, "50.0 %"), (0.9995, "> 99.9 %"), (0.999, "99.9 %"), (1.0, "100.0 %")],
)
def test_percentages_never_claim_certainty(probability, text):
    assert percent(probability) == text
