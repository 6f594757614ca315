"""What watching a training costs: fine_tune epochs of the sample with and without hook, rules, sampler and step trace.

The goal is under 5 % of an epoch's time. Both kinds run in turn, as real jobs of `train.py` with the default settings;
the rules are evaluated in a process of their own beside the job, on the same cores.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from core.paths import ROOT
from tests.benchmarks.harness import print_table
from training_scripts.debugger.settings import VARIABLE, Settings

RUNS, EPOCHS = 3, 3
GOAL = 1.05
_SAMPLE = ROOT / "resources" / "sample" / "clipart"
_SECONDS = re.compile(r"^epoch=(\d+)/.* seconds=([0-9.]+)", re.MULTILINE)


def main() -> None:
    """Run the pairs and print their ratio."""
    watched: list[float] = []
    plain: list[float] = []
    for _ in range(RUNS):
        plain.append(_epoch(None))
        watched.append(_epoch(Settings(watch=True)))
    ratios = [with_it / without for with_it, without in zip(watched, plain, strict=True)]
    ratio = statistics.median(ratios)
    print(
        f"Median epoch of {EPOCHS} (the first left out), fine_tune of the last block, sample dataset, {RUNS} pairs.\n"
    )
    print_table(
        ("seconds per epoch, plain", "watched", "ratio (spread)", f"goal: under {GOAL:.2f}"),
        [
            (
                f"{statistics.median(plain):.2f}",
                f"{statistics.median(watched):.2f}",
                f"{ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
                "met" if ratio < GOAL else "NOT MET",
            )
        ],
    )


def _epoch(settings: Settings | None) -> float:
    """The median seconds of an epoch of one job, its first epoch (warming up) left out."""
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SM_") and key != VARIABLE}
        environment |= {
            "SM_MODEL_DIR": str(root / "model"),
            "SM_OUTPUT_DIR": str(root / "output"),
            "SM_OUTPUT_DATA_DIR": str(root / "output" / "data"),
            "SM_CHANNEL_TRAIN": str(_SAMPLE / "train"),
            "SM_CHANNEL_VALID": str(_SAMPLE / "valid"),
            "SM_CHECKPOINT_DIR": str(root / "checkpoints"),
        }
        if settings is not None:
            environment[VARIABLE] = settings.to_json()
        arguments = {"mode": "fine_tune", "unfreeze": "last_block", "num_epochs": EPOCHS, "batch_size": 16, "seed": 1}
        command = [sys.executable, str(ROOT / "training_scripts" / "train.py")]
        command += [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
        done = subprocess.run(
            command, env=environment, cwd=root, capture_output=True, text=True, timeout=1200, check=False
        )
        seconds = [float(value) for number, value in _SECONDS.findall(done.stdout) if number != "1"]
        if done.returncode or not seconds:
            raise SystemExit(f"The job failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return statistics.median(seconds)


if __name__ == "__main__":
    main()
