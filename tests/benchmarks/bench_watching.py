"""What watching a training costs: fine_tune with and without hook, rules, sampler and step trace.

The goal is under 5 % of an epoch's time. Both kinds run in turn, as real jobs of `train.py` with the default settings
and the watcher that a job in a container starts. An epoch has 600 pictures of 500 x 375, some 15 seconds on two cores:
few people fine-tune on less, and in an epoch of a second or two the first steps, which are all saved, would stand for
the whole. All epochs count, the first included.

Beside the ratio of the epochs' time stands what each part took, in CPU time, over what the same job took for training:
that holds on a busy machine too, where the ratio says little. Threads that wait for one another sleep instead of
spinning, in both kinds. The sampler and the looks for new steps come by the clock, so a slow epoch has more of them.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from core.paths import ROOT
from tests.benchmarks.harness import print_table
from tests.benchmarks.pictures import dataset
from tests.benchmarks.watched_job import LINE
from training_scripts.debugger.job_settings import VARIABLE, Settings

PICTURES, TRAIN, VALID, EPOCHS, RUNS = 2000, 600, 120, 2, 5
GOAL = 0.05
PARTS = {
    "start": "getting ready",
    "TensorHook": "hook",
    "ProfilerCallback": "step trace",
    "sampler": "sampler",
    "rules": "rules, with their process's start",
}
_SECONDS = re.compile(r"^epoch=.* seconds=([0-9.]+)", re.MULTILINE)


def main() -> None:
    """Run the pairs and print their ratio and the parts' shares."""
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
        files = sorted(pictures.rglob("*.jpg"))
        train, valid = _spread(files[::2], TRAIN), _spread(files[1::2], VALID)
        channels = {
            "train": _channel(Path(place) / "train", pictures, train),
            "valid": _channel(Path(place) / "valid", pictures, valid),
        }
        pairs = [(_job(channels, None), _job(channels, Settings(watch=True))) for _ in range(RUNS)]
    ratios = [watched["seconds"] / plain["seconds"] for plain, watched in pairs]
    shares = [_shares(watched) for _, watched in pairs]
    totals = [sum(share.values()) for share in shares]
    plain, watched = (statistics.median(pair[at]["seconds"] / EPOCHS for pair in pairs) for at in (0, 1))
    print(f"fine_tune of the last block, {TRAIN} + {VALID} pictures, {EPOCHS} epochs, {RUNS} pairs.\n")
    ratio = statistics.median(ratios)
    print_table(
        ("seconds per epoch, plain", "watched", "ratio (spread)", f"goal: under {1 + GOAL:.2f}"),
        [(f"{plain:.1f}", f"{watched:.1f}", f"{ratio:.3f} ({_range(ratios)})", _met(ratio < 1 + GOAL))],
    )
    rows = [(title, _percent([share[part] for share in shares]), "") for part, title in PARTS.items()]
    rows.append(("together", _percent(totals), _met(statistics.median(totals) < GOAL)))
    print_table(("part", "of the training's CPU time (spread)", f"goal: under {GOAL:.0%}"), rows)


def _shares(cost: dict[str, float]) -> dict[str, float]:
    """What each part took, over what the same job took for training alone, at the same time."""
    inside = ("TensorHook", "ProfilerCallback", "sampler")
    training = cost["job"] - sum(cost[part] for part in inside)
    return {part: cost[part] / training for part in PARTS}


def _spread(files: list[Path], count: int) -> list[Path]:
    """So many of the files, of all classes."""
    return [files[at * len(files) // count] for at in range(count)]


def _channel(folder: Path, root: Path, files: list[Path]) -> Path:
    classes = sorted({file.parent.name for file in files})
    listed = [
        {"path": file.relative_to(root).as_posix(), "label": classes.index(file.parent.name), "sha256": ""}
        for file in files
    ]
    folder.mkdir()
    data = {"format": 1, "root": str(root), "dataset_version": "bench", "classes": classes, "pictures": listed}
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def _job(channels: dict[str, Path], settings: Settings | None) -> dict[str, float]:
    """The seconds of all epochs of one job, its CPU seconds (`job`) and those of each part."""
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-", ignore_cleanup_errors=True) as folder:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SM_") and key != VARIABLE}
        environment |= {"OMP_WAIT_POLICY": "passive", "SM_MODEL_DIR": f"{folder}/model", "SM_OUTPUT_DIR": folder}
        environment |= {f"SM_CHANNEL_{split.upper()}": str(path) for split, path in channels.items()}
        if settings is not None:
            environment[VARIABLE] = settings.to_json()
        arguments = {"mode": "fine_tune", "unfreeze": "last_block", "num_epochs": EPOCHS, "seed": 1}
        command = [sys.executable, "-m", "tests.benchmarks.watched_job"]
        command += [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False
        )
        seconds = [float(value) for value in _SECONDS.findall(done.stdout)]
        costs = [line for line in done.stdout.splitlines() if line.startswith(LINE)]
        if done.returncode or len(seconds) != EPOCHS or not costs:
            raise SystemExit(f"The job failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        cost: dict[str, float] = json.loads(costs[-1].removeprefix(LINE))
        return cost | {"seconds": sum(seconds)}


def _percent(values: list[float]) -> str:
    return f"{statistics.median(values):.2%} ({min(values):.2%} to {max(values):.2%})"


def _range(values: list[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}"


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"


if __name__ == "__main__":
    main()
