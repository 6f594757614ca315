"""The sample dataset keeps its promises."""

from __future__ import annotations

import csv
from itertools import product

import numpy as np
from PIL import Image

from core.dataset import sample_path, scan, split


def test_it_is_healthy_and_small() -> None:
    result = scan(sample_path())
    assert result.layout == "splits"
    assert result.problems == ()
    assert len(result.classes) >= 5
    totals = {label: sum(of_label.values()) for label, of_label in result.counts().items()}
    assert min(totals.values()) >= 30
    assert all(set(of_label) == {"train", "valid", "test"} for of_label in result.counts().values())
    whole = sample_path().parent
    assert sum(file.stat().st_size for file in whole.rglob("*") if file.is_file()) <= 4_000_000
    assert split(result).notices == ()


def test_every_picture_has_its_source_and_licence() -> None:
    with (sample_path().parent / "SOURCES.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    listed = [row["picture"] for row in rows]
    assert sorted(listed) == sorted(p.relative_to(sample_path()).as_posix() for p in sample_path().rglob("*.jpg"))
    assert all(row["licence"].startswith("Public domain") for row in rows)
    assert all(row["source in openclipart-png 0.18"].startswith("png/") for row in rows)


def test_no_drawing_of_test_is_nearly_one_of_train() -> None:
    def fingerprints(split_name: str) -> list[np.ndarray]:
        found = []
        for path in sorted((sample_path() / split_name).rglob("*.jpg")):
            with Image.open(path) as picture:
                grey = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=float)
            found.append((grey[:, 1:] > grey[:, :-1]).ravel())
        return found

    train = fingerprints("train") + fingerprints("valid")
    closest = min(int((one != other).sum()) for one, other in product(fingerprints("test"), train))
    assert closest > 4  # of 64 bits
