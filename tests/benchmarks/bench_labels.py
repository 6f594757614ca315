"""Labels: how fast suggestions come, how good they are with few labels, and what a check finds of planted errors.

On the sample dataset, and on every folder of class folders that SAGEHOUND_BENCH_LABELS names (separated as in PATH).
Times are of the process's own computing, so that a busy machine does not change them.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.check.suspects import label_suspects
from core.dataset import sample_path, scan
from core.features.dataset_features import PictureFeatures, dataset_features
from core.features.neighbours import nearest
from core.features.space import space_of
from core.labels.head import fit
from core.labels.suggest import Suggester
from core.paths import AppPaths
from tests.benchmarks.harness import print_table

Numbers = NDArray[Any]
VARIABLE = "SAGEHOUND_BENCH_LABELS"
SEEDS = int(os.environ.get("SAGEHOUND_BENCH_SEEDS", "10"))
RATES = (0.0, 0.05, 0.1, 0.2)
LABELS = 100


def main() -> None:
    """Measure every dataset."""
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
        paths = AppPaths(Path(os.environ.get("SAGEHOUND_HOME") or home)).create()
        folders = [sample_path(), *map(Path, filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))]
        sets = [(folder.name, dataset_features(scan(folder, cache=paths.scans), paths)) for folder in folders]
    rows = [_few_labels(name, features) for name, features in sets]
    print(f"{LABELS} answers of an oracle to what is suggested, mean of {SEEDS} seeds (a fifth is held out):\n")
    asked = [f"{LABELS} suggested", "share", "98 %", f"{LABELS} at random"]
    print_table(["dataset", "pictures", "all labels", *asked, "refit", "suggestion"], rows)
    print("Wrong labels planted at a share that the check does not know, precision / recall:\n")
    found = [_wrong_labels(name, features) for name, features in sets]
    print_table(["dataset", *(f"{rate:.0%}" for rate in RATES), "check"], found)
    print("At 0 % the figure is how many labels are called wrong.")


def _known(features: PictureFeatures) -> tuple[tuple[str, ...], Numbers]:
    classes = tuple(sorted({picture.label for picture in features.pictures}))
    return classes, np.array([classes.index(picture.label) for picture in features.pictures])


def _few_labels(name: str, features: PictureFeatures) -> list[object]:
    classes, truth = _known(features)
    scores, refits, suggestions = [], [], []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(truth))
        test, pool = order[: len(order) // 5], order[len(order) // 5 :]
        values = space_of(features.matrix).values

        among = PictureFeatures(tuple(features.pictures[row] for row in pool), features.matrix[pool], "")
        row_of = {picture.path: int(row) for picture, row in zip(among.pictures, pool, strict=True)}
        suggester, labels = Suggester(among), dict[str, str]()
        while len(labels) < min(LABELS, len(pool)):
            began = time.process_time()
            found = suggester.suggest(labels, count=5)
            suggestions.append(time.process_time() - began)
            labels |= {one.path: classes[truth[row_of[one.path]]] for one in found.next}
        asked = np.array([row_of[path] for path in labels])
        began = time.process_time()
        fit(values[asked], truth[asked], len(classes))
        refits.append(time.process_time() - began)
        scores.append([_accuracy(values, truth, rows, test) for rows in (pool, asked, pool[:LABELS])])
    everything, few, chance = np.mean(scores, axis=0)
    return [
        name,
        len(truth),
        f"{everything:.3f}",
        f"{few:.3f}",
        f"{few / everything:.1%}",
        "met" if few >= 0.98 * everything else "NOT MET",
        f"{chance:.3f}",
        f"{np.median(refits) * 1000:.0f} ms",
        f"{np.median(suggestions) * 1000:.0f} ms",
    ]


def _accuracy(values: Numbers, truth: Numbers, learned: Numbers, test: Numbers) -> float:
    head = fit(values[learned], truth[learned], int(truth.max()) + 1)
    return float((head.logits(values[test]).argmax(axis=1) == truth[test]).mean())


def _wrong_labels(name: str, features: PictureFeatures) -> list[object]:
    classes, truth = _known(features)
    space = space_of(features.matrix)
    near = nearest(space.unit, 10)
    cells: list[object] = [name]
    spent = []
    for rate in RATES:
        scores = []
        for seed in range(min(SEEDS, 3) if len(truth) > 2000 else SEEDS):
            random = np.random.default_rng(seed)
            wrong = random.choice(len(truth), round(rate * len(truth)), replace=False)
            labels = truth.copy()
            labels[wrong] = (truth[wrong] + random.integers(1, len(classes), len(wrong))) % len(classes)
            began = time.process_time()
            rows = {suspect.row for suspect in label_suspects(space, labels, len(classes), near)}
            spent.append(time.process_time() - began)
            right = len(rows & set(wrong.tolist()))
            scores.append((right / max(1, len(rows)), right / len(wrong)) if rate else (len(rows), 0.0))
        precision, recall = np.mean(scores, axis=0)
        cells.append(f"{precision:.2f} / {recall:.2f}" if rate else f"{precision:.0f}")
    return [*cells, f"{np.median(spent):.1f} s"]


if __name__ == "__main__":
    main()
