"""The scripts that run in a job, as the archive that SageMaker's containers unpack: the same bytes on every machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from core.paths import ROOT

PROGRAM = "train.py"
FEATURES_PROGRAM = "features.py"
PART_PROGRAM = "feature_part.py"
SEARCH_PROGRAM = "packed_search.py"
_REQUIREMENTS = "requirements.txt"

_TRAIN = """\
import sys

from training_scripts.watched_script import run_job

sys.exit(run_job("train.py", sys.argv[1:]))
"""
# What a job writes to its checkpoint folder arrives in S3 as plain files, which is what a channel is made of.
_FEATURES = """\
import os
import sys

from training_scripts.watched_script import run_job

folder = os.environ.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints")
sys.exit(run_job("features.py", [*sys.argv[1:], "--output", folder]))
"""
_PART = """\
import sys

from training_scripts.watched_script import run_job

sys.exit(run_job("feature_part.py", sys.argv[1:]))
"""
# Guarded: processes that do trials import it again.
_SEARCH = """\
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "offline"))

from training_scripts.packed_search import main

if __name__ == "__main__":
    sys.exit(main())
"""
_SEARCH_PACKAGES = ("optuna", "colorlog", "tqdm")
"""What a search imports besides what AWS's image has; plain Python."""


@dataclass(frozen=True)
class Source:
    """Files by their path in the archive, and the programs among them; no `features`: jobs train on the pictures."""

    files: Mapping[str, bytes]
    program: str = PROGRAM
    features: str = FEATURES_PROGRAM
    search: str = SEARCH_PROGRAM
    part: str = PART_PROGRAM

    @cached_property
    def archive(self) -> bytes:
        """Return sourcedir.tar.gz; the same files give the same bytes."""
        return pack(self.files)

    @cached_property
    def digest(self) -> str:
        """Return 16 hex digits over the files, on which the archive's key depends."""
        return hashlib.sha256(self.archive).hexdigest()[:16]

    def offline(self) -> Source:
        """Return an environment without what a container would install from the network."""
        kept = {path: content for path, content in self.files.items() if path != _REQUIREMENTS}
        return replace(self, files=kept)

    def with_search(self) -> Source:
        """Add what a packed search imports: installed by the container, or sent along where it installs nothing."""
        if _REQUIREMENTS in self.files:
            wanted = self.files[_REQUIREMENTS] + f"optuna=={version('optuna')}\n".encode()
            return replace(self, files={**self.files, _REQUIREMENTS: wanted})
        sent = {}
        for package in _SEARCH_PACKAGES:
            root = Path(str(files(package)))
            for path in sorted(root.rglob("*.py")):
                sent[f"offline/{package}/{path.relative_to(root).as_posix()}"] = path.read_bytes()
        return replace(self, files={**self.files, **sent})


def training_source() -> Source:
    """Return training_scripts with the programs that start them. Line ends are LF, whatever the checkout has."""
    folder = ROOT / "training_scripts"
    files = {
        f"training_scripts/{path.relative_to(folder).as_posix()}": _text(path.read_bytes())
        for path in sorted(folder.rglob("*.py"))
    }
    files[_REQUIREMENTS] = _text((folder / _REQUIREMENTS).read_bytes())
    programs = {PROGRAM: _TRAIN, FEATURES_PROGRAM: _FEATURES, PART_PROGRAM: _PART, SEARCH_PROGRAM: _SEARCH}
    return Source({**files, **{name: text.encode() for name, text in programs.items()}})


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a tar.gz of `files`, sorted, without names or times of anybody."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", fileobj=buffer, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(files[path]), 0o644
            tar.addfile(member, io.BytesIO(files[path]))
    return buffer.getvalue()


def _text(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")
