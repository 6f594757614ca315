"""Frozen features on disk: append-only, indexed by the pictures' content, shared by all jobs. No torch here.

A store is one folder per backbone, weights, preprocessing and numeric runtime:
`features.f32` holds rows of `dim` little-endian float32, `index.sha256` the 32-byte SHA-256 of each row's picture in
the same order. Rows are written and flushed before their hashes, so whatever is in the index is whole; a tail that was
torn off by a crash is cut at the next opening for writing and never read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training_scripts.data import Samples
from training_scripts.job import JobError, write_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

MATRIX_FILE = "features.f32"
HASH_BYTES = 32
_FLOAT = np.dtype("<f4")


class FeatureStore:
    """The rows of one store folder. Writers hold the folder's lock (`features.py`); readers need none."""

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder, self.dim = folder, dim
        self.matrix_file, self.index_file = folder / MATRIX_FILE, folder / "index.sha256"
        self._rows: dict[bytes, int] = {}
        self.reload()

    def reload(self) -> None:
        """Read the index again."""
        count = self._whole_rows()
        hashes = self.index_file.read_bytes()[: count * HASH_BYTES] if count else b""
        self._rows = {hashes[row * HASH_BYTES : (row + 1) * HASH_BYTES]: row for row in range(count)}

    def row(self, sha256: str) -> int | None:
        """The row of the picture with this hash (hexadecimal); None when it is not there yet."""
        return self._rows.get(bytes.fromhex(sha256)) if sha256 else None

    def __len__(self) -> int:
        return self._whole_rows()

    def repair(self) -> None:
        """Cut what a crash left behind whole rows. Only with the lock held."""
        self.folder.mkdir(parents=True, exist_ok=True)
        count = self._whole_rows()
        for file, size in (
            (self.matrix_file, count * self.dim * _FLOAT.itemsize),
            (self.index_file, count * HASH_BYTES),
        ):
            if file.exists() and file.stat().st_size > size:
                os.truncate(file, size)

    def append(self, hashes: Sequence[str], features: NDArray[np.float32]) -> None:
        """Add rows: `features` (N, dim) of the pictures with these hashes. Only with the lock held.

        Raises:
            OSError: the disk is full; nothing of this call is in the index then.
        """
        start = self._whole_rows()
        digests = [bytes.fromhex(value) for value in hashes]
        _write(self.matrix_file, np.ascontiguousarray(features, dtype=_FLOAT).tobytes())
        _write(self.index_file, b"".join(digests))
        self._rows.update({digest: start + position for position, digest in enumerate(digests)})

    def _whole_rows(self) -> int:
        def size(file: Path) -> int:
            return file.stat().st_size if file.exists() else 0

        return min(size(self.index_file) // HASH_BYTES, size(self.matrix_file) // (self.dim * _FLOAT.itemsize))


def _write(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The frozen features of one split: row `rows[i]` of `matrix` (R, dim) belongs to `labels[i]` and `paths[i]`."""

    matrix: NDArray[np.float32]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    paths: tuple[str, ...]
    root: str


@dataclass(frozen=True, slots=True)
class FeaturesChannel:
    """What a features channel says: see ARCHITECTURE.md. `backbone_state` is the frozen backbone's state_dict file."""

    backbone: str
    weights: str
    classes: tuple[str, ...]
    dataset_version: str
    dim: int
    backbone_state: Path
    sets: dict[str, FeatureSet]


def write_channel(folder: Path, store: FeatureStore, splits: dict[str, Samples], about: dict[str, Any]) -> None:
    """Write the channel folder of `splits`, whose pictures are all in the store; `about` goes into features.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, samples in splits.items():
        rows = np.array([store.row(value) for value in samples.hashes], dtype=np.int64)
        _save_array(folder / f"{split}.rows.npy", rows)
        _save_array(folder / f"{split}.labels.npy", samples.labels)
        pictures = {"root": str(samples.root), "paths": list(samples.paths)}
        write_text(folder / f"{split}.pictures.json", json.dumps(pictures, ensure_ascii=False))
    data = {
        "format": 1,
        "dim": store.dim,
        "dtype": "float32",
        "matrix": relative(store.matrix_file, folder),
        "splits": {split: len(samples) for split, samples in splits.items()},
        **about,
    }
    write_text(folder / "features.json", json.dumps(data, indent=1, ensure_ascii=False))


def read_channel(folder: Path) -> FeaturesChannel:
    """Read a features channel; the matrix is memory-mapped, nothing is copied.

    Raises:
        JobError: it is not there, not whole, or the matrix is gone.
    """
    try:
        about = json.loads((folder / "features.json").read_text(encoding="utf-8"))
        dim, file = int(about["dim"]), folder / about["matrix"]
        count = file.stat().st_size // (dim * _FLOAT.itemsize)
        # Copy on write, not read-only: torch warns about arrays that cannot be written.
        matrix = np.memmap(file, dtype=_FLOAT, mode="c", shape=(count, dim))
        sets = {split: _read_set(folder, split, matrix) for split in about["splits"]}
        return FeaturesChannel(
            about["backbone"],
            about["weights"],
            tuple(about["classes"]),
            about["dataset_version"],
            dim,
            folder / about["backbone_state"],
            sets,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"The frozen features in {folder} cannot be used: {error}") from error


def _read_set(folder: Path, split: str, matrix: NDArray[np.float32]) -> FeatureSet:
    rows = np.load(folder / f"{split}.rows.npy", allow_pickle=False)
    labels = np.load(folder / f"{split}.labels.npy", allow_pickle=False)
    pictures = json.loads((folder / f"{split}.pictures.json").read_text(encoding="utf-8"))
    if not len(rows) == len(labels) == len(pictures["paths"]) or (len(rows) and rows.max() >= len(matrix)):
        raise ValueError(f"the files of {split} do not fit together")
    return FeatureSet(matrix, rows, labels, tuple(pictures["paths"]), pictures["root"])


def relative(file: Path, folder: Path) -> str:
    """`file` as seen from `folder` if it lies inside it, so that the folder can be moved; else absolute."""
    try:
        return file.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return str(file.resolve())


def _save_array(file: Path, array: NDArray[np.int64]) -> None:
    partial = file.with_name(f".{file.name}-{os.getpid()}")
    with partial.open("wb") as opened:
        np.save(opened, array, allow_pickle=False)
    os.replace(partial, file)
