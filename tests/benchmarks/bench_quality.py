"""How good the models are: test accuracy of both presets, before and after, beside scikit-learn on the same pictures.

"Before" are the presets of commit 003f9f1, asked for by their ranges. The rivals learn train and valid together, from
the features that the quick look of before computed (the middle of each picture, one view). What is unknown is told
from the features of the quick look of now. Each seed draws another
split of photographs (the other two have one of their own) and is the seed of the search.

With SAGEHOUND_QUALITY_EPOCHS=4, say, a fine_tune of so many epochs stands beside the head that it starts from and a
plain torch loop, for the first seed: minutes for each hundred pictures.

Photographs and Fashion-MNIST are made from the Debian packages tuxpaint-stamps-default and dataset-fashion-mnist, which
are looked for under $SAGEHOUND_QUALITY_ROOT (/): what is not installed there is left out.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from core.jobs.contract import JobFolder
from core.paths import ROOT, AppPaths
from core.store import Store
from tests.benchmarks.harness import print_table
from tests.benchmarks.unknown import leave_out_each
from training_scripts.feature_store import FeaturesChannel, read_channel

EPOCHS = int(os.environ.get("SAGEHOUND_QUALITY_EPOCHS", "0"))
FINE_TUNE, START = "fine_tune", "the head that fine_tune starts from"
SEEDS = range(int(os.environ.get("SAGEHOUND_QUALITY_SEEDS", "3")))
PHOTOGRAPHS: Mapping[str, tuple[str, ...]] = {
    "bird": ("animals/birds",),
    "fish": ("animals/fish", "animals/shellfish"),
    "food": ("food",),
    "insect": ("animals/insects",),
    "mammal": ("animals/mammals", "animals/marsupials"),
    "plant": ("plants",),
    "thing": ("household", "clothes", "sports", "hobbies", "medical"),
}
FASHION = ("top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
FASHION_SPLITS = {"train": 1000, "valid": 300, "test": 500}
_OLD = ["--objective", "Average loss", "--goal", "minimize", "--head", "linear"]
PRESETS: Mapping[str, list[str]] = {
    "quick look, before": [
        *(*_OLD, "--range", "learning_rate=continuous:1e-3:3e-2:log", "batch_size=integer:8:16"),
        *("--max-jobs", "8", "--static", "num_epochs=10", "calibrate=false"),
    ],
    "thorough, before": [
        *(*_OLD[:4], "--range", "learning_rate=continuous:3e-4:5e-2:log", "batch_size=integer:8:128:log"),
        *("weight_decay=continuous:1e-6:1e-2:log", "label_smoothing=continuous:0:0.2:linear"),
        *("optimizer=categorical:adam,adamw,sgd", "head=categorical:linear,linear_dropout_batchnorm"),
        *("--max-jobs", "40", "--early-stopping", "--static", "num_epochs=30", "calibrate=false"),
    ],
    "quick look": ["--preset", "quick-look"],
    "thorough": ["--preset", "thorough"],
}


@dataclass(frozen=True)
class Result:
    """The accuracy on test of each seed, and the median seconds where they were taken."""

    accuracies: tuple[float, ...]
    seconds: float | None = None

    @property
    def cells(self) -> tuple[str, str, str]:
        """Mean, each seed's, seconds."""
        each = " ".join(f"{accuracy:.3f}" for accuracy in self.accuracies)
        return f"{statistics.fmean(self.accuracies):.3f}", each, "" if self.seconds is None else f"{self.seconds:.0f} s"


def main() -> None:
    """Print a table for each dataset."""
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as temporary:
        place = Path(temporary)
        for title, folder in _datasets(place):
            home = place / "home" / title
            results = _ours(folder, home) | _rivals(home) | _fine_tuned(folder, home)
            count = sum(1 for file in folder.rglob("*") if file.suffix in (".jpg", ".png"))
            print(f"**{title}**, {count:,} pictures, test accuracy of seeds {SEEDS.start} to {SEEDS.stop - 1}\n")
            rows = [(name, *result.cells) for name, result in results.items()]
            print_table(("model", "mean", "each seed", "search"), rows)
            _judge(results)
            _print_unknown(home)
            sys.stdout.flush()


def _judge(results: Mapping[str, Result]) -> None:
    means = {name: statistics.fmean(result.accuracies) for name, result in results.items()}
    gained = 100 * (means["thorough"] - means["quick look, before"])
    print(f"Thorough against the quick look of before, reach + 1.5 points: {gained:+.1f}: {_word(gained >= 1.5)}.")
    print(f"Thorough not worse than quick look: {_word(means['thorough'] >= means['quick look'] - 1e-9)}.")
    if FINE_TUNE in means:
        print(f"fine_tune not worse than the head it starts from: {_word(means[FINE_TUNE] >= means[START] - 1e-9)}.")
    print()


def _print_unknown(home: Path) -> None:
    """Say how well what was not learned is told, from the features of each seed's quick look."""
    jobs = [JobFolder(AppPaths(home).jobs / _job("quick look", seed)) for seed in SEEDS]
    found = [leave_out_each(read_channel(job.data / "features" / "0")) for job in jobs]
    rows = [(seed, *(f"{value:.3f}" for value in astuple(one))) for seed, one in zip(SEEDS, found, strict=True)]
    print("Unknown, one class left out at a time (AUROC):\n")
    print_table(("seed", "strangeness", "softmax", "known kept", "unknown caught"), rows)


def _word(reached: bool) -> str:
    return "met" if reached else "NOT MET"


def _ours(folder: Path, home: Path) -> dict[str, Result]:
    found = {}
    for name, options in PRESETS.items():
        runs = [_tuned(folder, home, seed, name, options) for seed in SEEDS]
        seconds = statistics.median(lasted for _, lasted in runs)
        found[name] = Result(tuple(accuracy for accuracy, _ in runs), seconds)
    return found


def _tuned(folder: Path, home: Path, seed: int, name: str, options: list[str]) -> tuple[float, float]:
    """Return the test accuracy of the best trial, and how long the search took with its features yet to compute."""
    return _run("tune", folder, home, seed, *options, "--name", _job(name, seed))


def _run(what: str, folder: Path, home: Path, seed: int, *words: str) -> tuple[float, float]:
    command = [sys.executable, str(ROOT / "__main__.py"), what, str(folder), "--json", "--no-debugger", *words]
    command += ["--seed", str(seed), "--split-seed", str(seed)]
    began = time.monotonic()
    done = subprocess.run(
        command,
        env=os.environ | {"SAGEHOUND_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed on {folder.name}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)["metrics"]["test:accuracy"], time.monotonic() - began


def _job(name: str, seed: int) -> str:
    return f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"


def _rivals(home: Path) -> dict[str, Result]:
    """Return scikit-learn's accuracies on the features of the quick look of before, from train and valid together."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    models: Mapping[str, Callable[[], object]] = {
        "scikit-learn: logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "scikit-learn: LDA": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "scikit-learn: kNN": lambda: KNeighborsClassifier(5),
    }
    found: dict[str, list[float]] = {name: [] for name in models}
    for seed in SEEDS:
        job = JobFolder(AppPaths(home).jobs / _job("quick look, before", seed))
        channel = read_channel(job.data / "features" / "0")
        inputs, labels = _of(channel, "train", "valid")
        for name, make in models.items():
            found[name].append(make().fit(inputs, labels).score(*_of(channel, "test")))  # type: ignore[attr-defined]
    return {name: Result(tuple(accuracies)) for name, accuracies in found.items()}


def _fine_tuned(folder: Path, home: Path) -> dict[str, Result]:
    """Return how a fine_tune does, the head that it starts from, and a plain loop of as many epochs; of one seed."""
    if not EPOCHS:
        return {}
    from tests.benchmarks.plain_fine_tune import plain_fine_tune
    from training_scripts.direct import START_DECAY

    seed, found = SEEDS.start, {}
    name = _job("fine-tune", seed)
    for title, words in {
        START: ("--name", f"{name}-start", "--static", "optimizer=lbfgs", f"weight_decay={START_DECAY}"),
        FINE_TUNE: ("--mode", "fine_tune", "--name", name, "--static", f"num_epochs={EPOCHS}"),
    }.items():
        accuracy, seconds = _run("train", folder, home, seed, *words)
        found[title] = Result((accuracy,), seconds)
    store = Store(AppPaths(home).database)
    channels = {split: Path(place) for split, place in store.spec(name).training.channels.items()}
    store.close()
    began = time.monotonic()
    accuracy = plain_fine_tune(channels, EPOCHS, seed)
    return found | {"plain torch loop": Result((accuracy,), time.monotonic() - began)}


def _of(channel: FeaturesChannel, *splits: str) -> tuple[np.ndarray, np.ndarray]:
    sets = [channel.sets[split] for split in splits]
    return np.concatenate([found.matrix[found.rows] for found in sets]), np.concatenate(
        [found.labels for found in sets]
    )


def _datasets(place: Path) -> Iterator[tuple[str, Path]]:
    yield "sample", ROOT / "resources" / "sample" / "clipart"
    installed = Path(os.environ.get("SAGEHOUND_QUALITY_ROOT", "/")) / "usr" / "share"
    if (stamps := installed / "tuxpaint" / "stamps").is_dir():
        yield "photographs", _photographs(stamps, place / "photographs")
    if (fashion := installed / "datasets" / "fashion-mnist").is_dir():
        yield "fashion", _fashion(fashion, place / "fashion")


def _photographs(stamps: Path, folder: Path) -> Path:
    """Return a folder with the stamps that are no drawings, on white."""
    for label, places in PHOTOGRAPHS.items():
        (folder / label).mkdir(parents=True)
        for file in sorted(file for part in places for file in (stamps / part).rglob("*.png")):
            if {"cartoon", "toys"} & set(file.parts):
                continue
            with Image.open(file) as image:
                stamp = image.convert("RGBA")
            picture = Image.new("RGB", stamp.size, "white")
            picture.paste(stamp, mask=stamp.getchannel("A"))
            picture.save(folder / label / f"{'-'.join(file.relative_to(stamps).with_suffix('').parts)}.jpg", quality=92)
    return folder


def _fashion(packed: Path, folder: Path) -> Path:
    """Return a folder with some of Fashion-MNIST's training pictures, in splits."""
    pictures = np.frombuffer(gzip.decompress((packed / "train-images-idx3-ubyte.gz").read_bytes()), np.uint8)[16:]
    labels = np.frombuffer(gzip.decompress((packed / "train-labels-idx1-ubyte.gz").read_bytes()), np.uint8)[8:]
    drawn = iter(np.random.default_rng(0).permutation(len(labels)).tolist())
    for split, count in FASHION_SPLITS.items():
        for _ in range(count):
            number = next(drawn)
            target = folder / split / FASHION[labels[number]]
            target.mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 - pictures.reshape(-1, 28, 28)[number]).convert("RGB").save(target / f"{number}.png")
    return folder


if __name__ == "__main__":
    main()
