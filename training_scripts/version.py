"""Which code runs: Sagehound's version and a hash of these scripts, as jobs and models keep it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

VERSION = "0.1.0"
"""Sagehound's version, which pyproject.toml reads here: jobs in containers have the scripts and nothing else."""

_DIGITS = 8


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return version and content hash of this folder, as `0.1.0+3f2a91c0`; the same in a container as here."""
    return f"{VERSION}+{content_hash(Path(__file__).resolve().parent)}"


def content_hash(folder: Path) -> str:
    """Return the first 8 hex digits of a SHA-256 over paths and texts of all Python files; line ends do not matter."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        total.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()[:_DIGITS]
