"""The scripts that run in a job, as the archive that SageMaker's containers unpack: the same bytes on every machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from core.paths import ROOT

PROGRAM = "train.py"
FEATURES_PROGRAM = "features.py"
_REQUIREMENTS = "requirements.txt"

_TRAIN = """\
import sys

from training_scripts.train import main

sys.exit(main())
"""
# What a job writes to its checkpoint folder arrives in S3 as plain files, which is what a channel is made of.
_FEATURES = """\
import os
import sys

from training_scripts.features import main

folder = os.environ.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints")
sys.exit(main([*sys.argv[1:], "--output", folder]))
"""


@dataclass(frozen=True)
class Source:
    """Files by their path in the archive, and the programs among them; no `features`: jobs train on the pictures."""

    files: Mapping[str, bytes]
    program: str = PROGRAM
    features: str = FEATURES_PROGRAM

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
        return Source(kept, self.program, self.features)


def training_source() -> Source:
    """Return training_scripts with the two programs that start them. Line ends are LF, whatever the checkout has."""
    folder = ROOT / "training_scripts"
    files = {
        f"training_scripts/{path.relative_to(folder).as_posix()}": _text(path.read_bytes())
        for path in sorted(folder.rglob("*.py"))
    }
    files[_REQUIREMENTS] = _text((folder / _REQUIREMENTS).read_bytes())
    return Source({**files, PROGRAM: _TRAIN.encode(), FEATURES_PROGRAM: _FEATURES.encode()})


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
