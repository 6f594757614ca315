"""What a training could not decode is marked in every scan from then on."""

from __future__ import annotations

from pathlib import Path

from training_scripts.left_out import read_left_out


def mark_left_out(results: Path, scans: Path) -> None:
    """Mark in the scan cache `scans` the pictures that the job whose results are in a folder could not decode.

    Those whose file was gone, or may be readable another time, are not marked.
    """
    found = [picture for pictures in read_left_out(results).values() for picture in pictures]
    if reasons := {picture.sha256: picture.reason for picture in found if picture.sha256}:
        from core.dataset.cache import ScanCache  # it brings numpy and Pillow, which a supervisor does not need

        ScanCache(scans).mark(reasons)
