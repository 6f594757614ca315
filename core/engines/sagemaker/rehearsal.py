"""A rehearsal of an endpoint on this machine: the exact archive, unpacked, loaded and asked, before it costs money."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import ModelError
from core.paths import ROOT

TOLERANCE = 1e-4
"""How far two answers of the same weights may be apart, in probability."""

_TIMEOUT_S = 300
_MARK = "rehearsal-answer "
# What AWS's PyTorch handler does with the functions of code/inference.py, in a process that sees nothing else of ours.
_SCRIPT = f"""
import json, sys, time
code, module, folder, picture = sys.argv[1:]
sys.path.insert(0, code)
import importlib
inference = importlib.import_module(module)
began = time.perf_counter()
model = inference.model_fn(folder)
loaded = time.perf_counter()
with open(picture, "rb") as file:
    body = file.read()
data = inference.input_fn(body, "application/x-image")
answer = inference.output_fn(inference.predict_fn(data, model), "application/json")
answer = json.loads(answer[0] if isinstance(answer, tuple) else answer)
times = {{"load": loaded - began, "seconds": time.perf_counter() - loaded}}
print({_MARK!r} + json.dumps({{"answer": answer, **times}}))
"""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the archive answered, the most probable class first, and how long it took in seconds."""

    classes: tuple[tuple[str, float], ...]
    load_s: float
    answer_s: float

    @property
    def label(self) -> str:
        """The most probable class."""
        return self.classes[0][0]


def rehearse(archive: Path, picture: Path) -> Rehearsal:
    """Serve one picture from a model.tar.gz as the container will, and compare with what Sagehound itself answers.

    Raises:
        ModelError: it would not start, not answer, or not answer the same.
    """
    from training_scripts.artifact import unpack
    from training_scripts.job import JobError

    with tempfile.TemporaryDirectory(prefix="sagehound-rehearsal-") as place:
        folder = Path(place) / "model"
        try:
            unpack(archive, folder)
        except JobError as error:
            raise ModelError("The archive cannot be served.", f"{error}", "Train the model again.") from error
        if not (folder / "code" / "inference.py").is_file():
            raise ModelError(
                "The archive cannot be served.", "It has no code/inference.py.", "Train the model with Sagehound."
            )
        codes = ((folder / "code", "inference"), (ROOT, "training_scripts.inference"))
        with ThreadPoolExecutor(len(codes)) as pool:
            served, here = pool.map(lambda code: _ask(code[0], code[1], folder, picture), codes)
    ours, theirs = dict(_classes(here)), dict(_classes(served))
    if ours.keys() != theirs.keys() or any(abs(ours[label] - theirs[label]) > TOLERANCE for label in ours):
        raise ModelError(
            "The archive answers otherwise than the model here.",
            "The code in it is of another version of Sagehound.",
            "Train the model again with this version.",
        )
    return Rehearsal(_classes(served), float(served["load"]), float(served["seconds"]))


def _ask(code: Path, module: str, folder: Path, picture: Path) -> Mapping[str, Any]:
    command = [sys.executable, "-I", "-c", _SCRIPT, str(code), module, str(folder), str(picture)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            cwd=folder,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            "The rehearsal was given up.", f"It took longer than {_TIMEOUT_S} seconds.", "Take a smaller model."
        ) from error
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return found
    last = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "It said nothing.")
    raise ModelError("The archive cannot be served.", f"{last}", "Nothing was deployed; train the model again.")


def _classes(asked: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    return tuple((str(item["label"]), float(item["probability"])) for item in asked["answer"]["predictions"])
