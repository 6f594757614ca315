"""The model artifact: what a model folder holds, and model.tar.gz. No torch here.

model.pth   state_dict, read with weights_only=True
model.json  backbone, head, classes, preprocessing, versions, training job
code/       inference.py and what it imports, for an endpoint; AWS's PyTorch container starts there
config.yaml, deployment.py  where AWS's Ray Serve container starts
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from training_scripts.job import JobError, write_text

WEIGHTS_FILE = "model.pth"
CARD_FILE = "model.json"
SERVING_REQUIREMENTS = "numpy\npillow\n"
"""What inference needs besides torch (and torchvision, for its backbones), which AWS's containers have."""
SERVE_CONFIG_FILE, DEPLOYMENT = "config.yaml", "deployment"
_SERVE_CONFIG = f"""applications:
  - name: sagehound
    route_prefix: /
    import_path: {DEPLOYMENT}:app
"""
_SERVING_MODULES = (
    "__init__",
    "artifact",
    "backbones",
    "inference",
    "job",
    "lite0",
    "model",
    "pictures",
    "preprocess",
    "weights",
)
_HERE = Path(__file__).resolve().parent


def write_code(model_dir: Path) -> None:
    """Put the code that serves the model into `model_dir`, with LF line ends whatever the checkout has."""
    code = model_dir / "code"
    for name in _SERVING_MODULES:
        source = (_HERE / f"{name}.py").read_text(encoding="utf-8")
        write_text(code / "training_scripts" / f"{name}.py", source)
        if name == "inference":
            write_text(code / "inference.py", source)
    write_text(code / "requirements.txt", SERVING_REQUIREMENTS)
    write_text(model_dir / f"{DEPLOYMENT}.py", (_HERE / f"{DEPLOYMENT}.py").read_text(encoding="utf-8"))
    write_text(model_dir / SERVE_CONFIG_FILE, _SERVE_CONFIG)


def read_card(model_dir: Path) -> dict[str, Any]:
    """model.json of a model folder.

    Raises:
        JobError: it is missing, damaged or of a later version.
    """
    try:
        card: dict[str, Any] = json.loads((model_dir / CARD_FILE).read_text(encoding="utf-8"))
        if card["format"] != 1:
            raise JobError(f"The model in {model_dir} has format {card['format']}, where 1 is understood.")
        return card
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"The model in {model_dir} cannot be used: {type(error).__name__} {error}.") from error


def package(model_dir: Path, tar_path: Path) -> Path:
    """Make model.tar.gz of a model folder, whole or not at all; the same folder gives the same bytes.

    Nothing is compressed: weights shrink by 7 %, which would cost each trial of a search five times as long as this.
    """
    tar_path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=tar_path.parent, prefix=f".{tar_path.name}-")
    try:
        with (
            os.fdopen(handle, "wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT, bufsize=2**20) as tar,
        ):
            for path in sorted(model_dir.rglob("*")):
                if "__pycache__" not in path.parts:
                    tar.add(path, path.relative_to(model_dir).as_posix(), recursive=False, filter=_plain)
        os.replace(partial, tar_path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return tar_path


def unpack(tar_path: Path, folder: Path) -> Path:
    """Unpack a model.tar.gz into `folder`, which appears whole or not at all; returns it. What was there is replaced.

    Raises:
        JobError: it is no tar, is cut off, or reaches outside the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        inside = Path(place) / "model"
        try:
            with tarfile.open(tar_path, "r:*") as tar:
                extract(tar, inside)
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, OSError) as error:
            raise JobError(f"The model artifact {tar_path} cannot be unpacked: {error}.") from error
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(inside, folder)
    return folder


def extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Extract an archive from outside into `folder` with tar's data filter.

    Python 3.11.2, which Debian 12 has, knows no filters; there only plain files and folders inside `folder` are taken.

    Raises:
        tarfile.TarError: a member is something else, or reaches outside.
    """
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, filter="data")
        return
    root = folder.resolve()
    members = tar.getmembers()
    for member in members:
        target = (root / member.name).resolve()
        if not (member.isfile() or member.isdir()) or not target.is_relative_to(root):
            raise tarfile.ExtractError(f"{member.name} is no plain file inside the archive's folder")
        _plain(member)
    tar.extractall(folder, members=members)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's name, no time of day: only what matters."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if member.isdir() else 0o644
    return member
