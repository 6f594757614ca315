"""The frozen features of a packed search, computed by features.py in a process that is watched."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from training_scripts.job import JobError, StopRequest, hyperparameter_arguments
from training_scripts.watchdog import SILENCE_S, WORDLESS_S
from training_scripts.watched_script import WatchedScript

FEATURES = Path(__file__).resolve().parent.parent / "features.py"
_PROCESS = "The process that computes the frozen features"
_FAILED = "The frozen features could not be computed."


def compute_features(
    choice: Mapping[str, str],
    folder: Path,
    output: Path,
    stop: StopRequest,
    silence_s: float = SILENCE_S,
    script: Path = FEATURES,
) -> Path:
    """Run features.py to its end, and return the channel's folder.

    Args:
        choice: the hyperparameters that decide on the features.
        folder: where the channel is written.
        output: SM_OUTPUT_DIR, where it says why it failed.
        stop: the request to stop, which ends it.
        silence_s: how long it may neither say nor compute anything.
        script: what computes them.

    Raises:
        JobError: they could not be computed; says why.
    """
    command = [sys.executable, str(script), *hyperparameter_arguments(choice), "--output", str(folder)]
    run = WatchedScript(_PROCESS, command, folder.with_suffix(".log"), stop, silence_s, WORDLESS_S)
    try:
        code = run.run()
    except JobError as error:
        raise JobError(f"{_FAILED} {error}") from error
    if code or not (folder / "features.json").is_file():
        failure = output / "failure"
        said = failure.read_text(encoding="utf-8").partition("\n\n")[0] if failure.is_file() else ""
        raise JobError(f"{_FAILED} {said}".strip())
    return folder
