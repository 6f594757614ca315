"""A rehearsal of an endpoint on this machine: the exact archive, unpacked, loaded and asked, before it costs money."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from core.cloud.hosting import Container, Rehearsal
from core.errors import ModelError, PictureError
from core.paths import ROOT
from core.python import child_environment, code_command
from core.translation import tr
from training_scripts.pictures.structure import PictureUnreadable

TOLERANCE = 1e-4
"""How far two answers of the same weights may be apart, in probability."""

_TIMEOUT_S = 300
_MARK = "rehearsal-answer "
# What AWS's PyTorch handler does with the functions of code/inference.py, in a process that sees nothing else of ours.
_FUNCTIONS = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
inference = importlib.import_module(sys.argv[2])
def load(folder):
    return inference.model_fn(folder)
def ask(model, body):
    data = inference.input_fn(body, "application/x-image")
    answer = inference.output_fn(inference.predict_fn(data, model), "application/json")
    return answer[0] if isinstance(answer, tuple) else answer
"""
# What Ray Serve does with the application that config.yaml names: its class is made and called. Ray and Starlette are
# not needed for that, nor are they on most computers: a few lines stand in for them.
_APPLICATION = """
import asyncio, importlib, pathlib, re, sys, types
def deployment(**options):
    def decorate(decorated):
        decorated.bind = classmethod(lambda cls: cls)
        return decorated
    return decorate
class Response:
    def __init__(self, content, status_code=200, media_type=""):
        self.content, self.status = content, status_code
for name, inside in (
    ("ray", {"serve": types.SimpleNamespace(deployment=deployment)}),
    ("starlette", {}),
    ("starlette.requests", {"Request": object}),
    ("starlette.responses", {"Response": Response}),
):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(inside)
def load(folder):
    sys.path.insert(0, folder)
    config = (pathlib.Path(folder) / "config.yaml").read_text(encoding="utf-8")
    module, name = re.search("import_path: *([^:]+):(.+)", config).groups()
    return getattr(importlib.import_module(module), name.strip())()
def ask(model, body):
    async def read():
        return body
    headers = {"content-type": "application/x-image", "accept": "application/json"}
    answer = asyncio.run(model(types.SimpleNamespace(body=read, headers=headers)))
    if answer.status != 200:
        sys.exit(answer.content)
    return answer.content
"""
_TIMED = f"""
import json, sys, time
began = time.perf_counter()
model = load(sys.argv[3])
loaded = time.perf_counter()
with open(sys.argv[4], "rb") as file:
    answer = json.loads(ask(model, file.read()))
times = {{"load": loaded - began, "seconds": time.perf_counter() - loaded}}
print({_MARK!r} + json.dumps({{"answer": answer, **times}}))
"""


def rehearse(archive: Path, picture: Path, container: Container = Container.PYTORCH) -> Rehearsal:
    """Serve one picture from a model.tar.gz as the container will, and compare with what Sagehound itself answers.

    Raises:
        PictureError: the picture cannot be read.
        ModelError: it would not start, not answer, or not answer the same.
    """
    from training_scripts.artifact import unpack
    from training_scripts.job import JobError
    from training_scripts.pictures.reading import open_picture

    try:
        open_picture(picture)
    except PictureUnreadable as error:
        raise PictureError(
            tr("There is no rehearsal with {name}.").format(name=picture.name),
            str(error),
            tr("Nothing was deployed; choose another picture."),
        ) from error
    with tempfile.TemporaryDirectory(prefix="sagehound-rehearsal-") as place:
        folder = Path(place) / "model"
        try:
            unpack(archive, folder)
        except JobError as error:
            raise ModelError(tr("The archive cannot be served."), f"{error}", tr("Train the model again.")) from error
        if not (folder / "code" / "inference.py").is_file():
            raise ModelError(
                tr("The archive cannot be served."),
                tr("It has no code/inference.py."),
                tr("Train the model with Sagehound."),
            )
        way = _APPLICATION if container is Container.RAY_SERVE else _FUNCTIONS
        with ThreadPoolExecutor(2) as pool:
            there = pool.submit(_ask, way, folder / "code", "inference", folder, picture)
            here = _ask(_FUNCTIONS, ROOT, "training_scripts.inference", folder, picture)
            served = there.result()
    ours, theirs = dict(_classes(here)), dict(_classes(served))
    if ours.keys() != theirs.keys() or any(abs(ours[label] - theirs[label]) > TOLERANCE for label in ours):
        raise ModelError(
            tr("The archive answers otherwise than the model here."),
            tr("The code in it is of another version of Sagehound."),
            tr("Train the model again with this version."),
        )
    return Rehearsal(_classes(served), float(served["load"]), float(served["seconds"]))


def _ask(way: str, code: Path, module: str, folder: Path, picture: Path) -> Mapping[str, Any]:
    command = code_command(way + _TIMED, str(code), module, str(folder), str(picture), isolated=True)
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
            env=child_environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            tr("The rehearsal was given up."),
            tr("It took longer than {timeout_s} seconds.").format(timeout_s=_TIMEOUT_S),
            tr("Take a smaller model."),
        ) from error
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            found: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return found
    last = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), tr("It said nothing."))
    raise ModelError(tr("The archive cannot be served."), f"{last}", tr("Nothing was deployed; train the model again."))


def _classes(asked: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    return tuple((str(item["label"]), float(item["probability"])) for item in asked["answer"]["predictions"])
