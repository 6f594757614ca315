"""How the local engine runs jobs: which script, how its processes are started, how patient it is."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.jobs.specs import Spec
from core.paths import ROOT
from core.processors import available_cores
from core.python import child_environment
from core.tuning.wanted_features import choices, over_features
from training_scripts.arguments import DIRECT
from training_scripts.durable import write_text
from training_scripts.watchdog import SILENCE_S, WORDLESS_S

SCRIPTS = ROOT / "training_scripts"

TRAINING = SCRIPTS / "train.py"
"""Our own training script."""

PRELOAD = ("training_scripts.train", "training_scripts.debugger.hook", "training_scripts.profiler.callback")
"""What every trial imports anyway, torch and NumPy among it."""

RUNTIME_FILE = "runtime.json"
"""Where, in a job's folder, its supervisor finds its options."""

StartMethod = Literal["forkserver", "subprocess"]


def _launching() -> StartMethod:
    """Return how trials are started: a fork server saves each the seconds of `import torch`, on POSIX only."""
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "subprocess"


@dataclass(frozen=True, slots=True)
class Runtime:
    """The options of one job's supervisor; it reads them from its folder.

    `features` is the script that computes frozen features; None: this training script has no use for them. `preload`
    are the modules that every trial imports anyway. `grace_s` is how long a script may take to save its model after
    SIGTERM; SageMaker gives 120 s. `silence_s` is how long a process may neither say nor compute anything, before it is
    ended and started once more; `wordless_s` how long the features script may compute without a word. `threads` are
    those of a script's numeric libraries, known once a job is.
    """

    script: Path = TRAINING
    features: Path | None = SCRIPTS / "features.py"
    launching: StartMethod = dataclasses.field(default_factory=_launching)
    preload: tuple[str, ...] = PRELOAD
    grace_s: float = 30.0
    cores: int = 0
    silence_s: float = SILENCE_S
    wordless_s: float = WORDLESS_S
    threads: int = 1

    def save(self, file: Path) -> None:
        """Write the options as JSON."""
        data = dataclasses.asdict(self)
        for key in ("script", "features"):
            data[key] = data[key] and _as_seen_from_root(data[key])
        write_text(file, json.dumps(data))

    @classmethod
    def load(cls, file: Path) -> Runtime:
        """Return the inverse of `save`."""
        data = json.loads(file.read_text(encoding="utf-8"))
        for key in ("script", "features"):
            data[key] = ROOT / data[key] if data[key] else None
        return cls(**{**data, "preload": tuple(data["preload"])})

    def of_job(self, spec: Spec) -> Runtime:
        """Return the options of one job: how many threads each of its scripts has, and what they import besides."""
        preload = self.preload
        if preload == PRELOAD and not _of_light_steps(spec):
            preload = (*preload, "torch._dynamo")  # by torch.optim, at its first step
        return dataclasses.replace(self, threads=self.cores_for(spec.at_once), preload=preload)

    def cores_for(self, parallel: int) -> int:
        """Return how many cores each of `parallel` trials gets."""
        return max(1, (self.cores or available_cores()) // max(1, parallel))


def _of_light_steps(spec: Spec) -> bool:
    """Whether all a job does is train heads over features, step by step (training_scripts/optimizers.py)."""
    drawn = [value for item in getattr(spec, "ranges", ()) if item.name == "optimizer" for value in item.values]
    chosen = drawn or [spec.training.hyperparameters.get("optimizer", "")]
    return DIRECT not in chosen and all(over_features(choice) for choice in choices(spec))


def _as_seen_from_root(script: Path) -> str:
    """Return where a script is now: our own move with the installation, another's stay where they are."""
    return str(script.relative_to(ROOT) if script.is_relative_to(ROOT) else script)


def count_gpus() -> int:
    """Return how many NVIDIA GPUs there are, asked of their driver; importing torch to know would take seconds."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    try:
        answer = subprocess.run(
            [tool, "-L"], capture_output=True, text=True, timeout=10, check=False, env=child_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())
