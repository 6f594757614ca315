"""Labels: how fast suggestions come, how good they are with few labels, and what a check finds of planted faults.

On the sample dataset, and on every folder of class folders that SAGEHOUND_BENCH_LABELS names (separated as in PATH).
Times are of the process's own computing, so that a busy machine does not change them. What cleanlab, cleanvision and
umap-learn make of the same data is told where `make rivals` could install them.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from core.check.check import check
from core.check.findings import FindingKind
from core.check.suspects import label_suspects
from core.dataset import sample_path, scan
from core.features.alike import flat
from core.features.dataset_features import PictureFeatures, dataset_features
from core.features.neighbours import nearest
from core.features.space import space_of
from core.labels.head import fit
from core.labels.label_state import LabelState
from core.labels.suggest import Suggester
from core.paths import AppPaths
from tests.benchmarks.harness import print_table
from tests.benchmarks.label_rivals import cleanlab_suspects, cleanvision_copies, umap_places

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
        _report(folders, sets, paths)


def _report(folders: list[Path], sets: list[tuple[str, PictureFeatures]], paths: AppPaths) -> None:
    rows = [_few_labels(name, features) for name, features in sets]
    print(f"{LABELS} answers of an oracle to what is suggested, mean of {SEEDS} seeds (a fifth is held out):\n")
    asked = [f"{LABELS} suggested", "share", "98 %", f"{LABELS} at random"]
    print_table(["dataset", "pictures", "all labels", *asked, "refit", "suggestion"], rows)
    print("Wrong labels planted at a share that the check does not know, precision / recall:\n")
    found = [_wrong_labels(name, features) for name, features in sets]
    print_table(["dataset", *(f"{rate:.0%}" for rate in RATES), "check"], [row for rows in found for row in rows])
    print("At 0 % the figure is how many labels are called wrong.\n")
    print("A copy of every picture, each changed in one way: found, and right of what is called a copy:\n")
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        rows = [row for folder in folders for row in _copies(folder, Path(place) / folder.name, paths)]
    print_table(["dataset", "copies", *COPIES, "recall", "precision", "without its own", "check"], rows)
    print("Without its own: pairs that are called copies also in the dataset as it was are not counted.\n")
    print(
        "The map: of the ten nearest of each picture in the features, how many are among its thirty nearest on the map,"
    )
    print("and of its ten nearest there how many have its class; seconds of processor, and by the clock:\n")
    print_table(["map", "neighbours", "class", "processor", "clock"], [row for one in sets for row in _maps(*one)])


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


def _wrong_labels(name: str, features: PictureFeatures) -> list[list[object]]:
    classes, truth = _known(features)
    space = space_of(features.matrix)
    near = nearest(space.unit, 10)
    cells: list[object] = [name]
    theirs: list[object] = [f"{name}: cleanlab"]
    spent = []
    for rate in RATES:
        planted = [_planted(truth, rate, seed) for seed in range(min(SEEDS, 3) if len(truth) > 2000 else SEEDS)]
        found = []
        for labels in planted:
            began = time.process_time()
            found.append([suspect.row for suspect in label_suspects(space, labels, len(classes), near)])
            spent.append(time.process_time() - began)
        cells.append(_score(truth, planted, found))
        rivals = cleanlab_suspects(features.matrix * 10, planted) if len(truth) <= 2000 else None
        theirs.append(_score(truth, planted, rivals) if rivals is not None else "")
    return [[*cells, f"{np.median(spent):.1f} s"], *([[*theirs, ""]] if any(theirs[1:]) else [])]


def _planted(truth: Numbers, rate: float, seed: int) -> Numbers:
    """Return the labels with a share of them wrong."""
    random, classes = np.random.default_rng(seed), int(truth.max()) + 1
    wrong = random.choice(len(truth), round(rate * len(truth)), replace=False)
    labels = truth.copy()
    labels[wrong] = (truth[wrong] + random.integers(1, classes, len(wrong))) % classes
    return labels


def _score(truth: Numbers, planted: Sequence[Numbers], found: Sequence[Sequence[int]]) -> str:
    """Return precision and recall, or where nothing is wrong how many are called so."""
    wrong = [set(np.flatnonzero(labels != truth).tolist()) for labels in planted]
    if not any(wrong):
        return f"{np.mean([len(rows) for rows in found]):.1f}"
    scores = [
        (len(bad & set(rows)) / max(1, len(rows)), len(bad & set(rows)) / len(bad))
        for bad, rows in zip(wrong, found, strict=True)
    ]
    return " / ".join(f"{figure:.2f}" for figure in np.mean(scores, axis=0))


def _maps(name: str, features: PictureFeatures) -> list[list[object]]:
    _, truth = _known(features)
    unit = features.matrix / np.linalg.norm(features.matrix, axis=1, keepdims=True)
    near = nearest(unit, 10).index
    began, by_clock = time.process_time(), time.perf_counter()
    places = flat(unit)
    ours = time.process_time() - began, time.perf_counter() - by_clock
    rows: list[list[object]] = [[name, *_agreement(places, near, truth), *(f"{seconds:.1f} s" for seconds in ours)]]
    if (theirs := umap_places(unit)) is not None:
        seconds = (f"{one:.1f} s" for one in theirs[1:])
        rows.append([f"{name}: umap-learn", *_agreement(theirs[0], near, truth), *seconds])
    return rows


def _agreement(places: Numbers, near: Numbers, truth: Numbers) -> tuple[str, str]:
    kept, same = [], []
    for row, place in enumerate(places):
        away = np.square(places - place).sum(axis=1)
        away[row] = np.inf
        order = np.argpartition(away, 30)[:30]
        order = order[np.argsort(away[order])]
        kept.append(np.isin(near[row], order).mean())
        same.append((truth[order[:10]] == truth[row]).mean())
    return f"{np.mean(kept):.2f}", f"{np.mean(same):.2f}"


def _recoded(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file)


def _cropped(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    width, height = picture.size
    left, top = random.random(2) * 0.1 * picture.size
    return picture.crop((round(left), round(top), round(left + 0.9 * width), round(top + 0.9 * height)))


COPIES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "recoded": _recoded,
    "half": lambda picture, _: picture.resize((max(1, picture.width // 2), max(1, picture.height // 2))),
    "cropped": _cropped,
    "mirrored": lambda picture, _: ImageOps.mirror(picture),
    "40 % lighter": lambda picture, _: ImageEnhance.Brightness(picture).enhance(1.4),
    "40 % darker": lambda picture, _: ImageEnhance.Brightness(picture).enhance(0.6),
}


def _copies(source: Path, folder: Path, paths: AppPaths) -> list[list[object]]:
    """Plant copies, check, and count what was found by the way each was changed."""
    before, _ = _pairs(source, paths)
    shutil.copytree(source, folder)
    random = np.random.default_rng(0)
    pictures = [picture.path for picture in scan(source, cache=paths.scans).pictures]
    planted: dict[frozenset[str], str] = {}
    for number, at in enumerate(random.permutation(len(pictures))):
        way, file = list(COPIES)[number % len(COPIES)], folder / pictures[at]
        target = file.with_name(f"{file.stem}-copy-{number}.png")
        with Image.open(file) as image:
            COPIES[way](image.convert("RGB"), random).convert("RGB").save(target)
        planted[frozenset((pictures[at], target.relative_to(folder).as_posix()))] = way
    pairs, seconds = _pairs(folder, paths)
    hits = {way: [pair in pairs for pair, of in planted.items() if of == way] for way in COPIES}
    right = sum(map(sum, hits.values()))
    original = {path: min(pair, key=len) for pair in planted for path in pair}
    stray = {frozenset(original.get(path, path) for path in pair) for pair in pairs - planted.keys()}
    stray = {pair for pair in stray if len(pair) == 2}  # copies of one picture are copies of each other
    cells = [f"{np.mean(of):.2f}" for of in hits.values()]
    precision = [f"{right / max(1, right + len(of)):.3f}" for of in (stray, stray - before)]
    rows: list[list[object]] = [
        [source.name, len(planted), *cells, f"{right / len(planted):.3f}", *precision, f"{seconds:.1f} s"]
    ]
    if (rival := cleanvision_copies(folder)) is not None:
        theirs, spent = rival
        cells = [f"{np.mean([pair in theirs for pair, of in planted.items() if of == way]):.2f}" for way in COPIES]
        right = len(theirs & planted.keys())
        figures = [f"{right / len(planted):.3f}", f"{right / max(1, len(theirs)):.3f}", "", f"{spent:.1f} s"]
        rows.append([f"{source.name}: cleanvision", len(planted), *cells, *figures])
    return rows


def _pairs(folder: Path, paths: AppPaths) -> tuple[set[frozenset[str]], float]:
    """Return which pictures a check calls copies of each other, and the time it took beyond the features."""
    found = scan(folder, cache=paths.scans)
    features = dataset_features(found, paths)
    began = time.process_time()
    findings = check(found, LabelState(), {}, features)
    spent = time.process_time() - began
    copies = [finding.pictures for finding in findings if finding.kind is FindingKind.NEAR_DUPLICATE]
    return {frozenset(pair) for pictures in copies for pair in combinations(pictures, 2)}, spent


if __name__ == "__main__":
    main()
