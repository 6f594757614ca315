"""The frozen backbone that all trials of a search share, kept beside them."""

from __future__ import annotations

from pathlib import Path

from training_scripts.durable import same_file, sha256_of
from training_scripts.job import SharedBackbone
from training_scripts.outside import read_json


def keep_backbone(channel: Path, folder: Path) -> SharedBackbone:
    """Keep the backbone of a features channel in a folder, once, on the disk."""
    file = channel / read_json(channel / "features.json")["backbone_state"]
    sha256 = sha256_of(file)
    kept = folder / f"{sha256}.pth"
    if not kept.is_file() or sha256_of(kept) != sha256:
        same_file(file, kept)
    return SharedBackbone(kept, sha256)
