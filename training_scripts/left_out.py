"""Pictures that turned out to be unreadable or replaced: said in the log, counted once, kept with the results."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from training_scripts.durable import write_text

LEFT_OUT_FILE = "left_out.json"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that is not used: its path in the dataset, why, and its content's SHA-256 if the fault is in that."""

    path: str
    reason: str
    sha256: str = ""


def warn_left_out(split: str, picture: LeftOut) -> None:
    """Say that a picture is not used."""
    print(f"Left out of {split}: {picture.path}: {picture.reason}", file=sys.stderr, flush=True)


def count_left_out(split: str, pictures: Sequence[LeftOut], remaining: int) -> None:
    """Say once how many pictures of a split are not used; the line becomes a notice of the job (core/jobs/scraping)."""
    if pictures:
        total = len(pictures) + remaining
        print(
            f"Left out of {split}: {len(pictures)} of {total} pictures cannot be read, {remaining} remain.", flush=True
        )


def count_changed(split: str, changed: int, total: int) -> None:
    """Say once how many pictures of a split were replaced since the scan; a notice of the job as well."""
    if changed:
        sentence = f"{changed} of {total} pictures changed after the scan; they are used as they are now."
        print(f"Changed in {split}: {sentence}", flush=True)


def write_left_out(folder: Path, splits: Mapping[str, Sequence[LeftOut]]) -> None:
    """Write left_out.json: by split the pictures that were not used, as {"path", "reason", "sha256"}."""
    data = {split: [asdict(picture) for picture in pictures] for split, pictures in splits.items() if pictures}
    write_text(folder / LEFT_OUT_FILE, json.dumps(data, indent=1, ensure_ascii=False), flushed=False)


def read_left_out(folder: Path) -> dict[str, tuple[LeftOut, ...]]:
    """Return what `write_left_out` wrote; nothing where there is no such file, or a damaged one."""
    try:
        data = json.loads((folder / LEFT_OUT_FILE).read_text(encoding="utf-8"))
        return {split: tuple(LeftOut(**picture) for picture in pictures) for split, pictures in data.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
