"""Frozen features on disk: append-only, indexed by the pictures' content, shared by all jobs. No torch here.

A store is one folder per backbone, weights, preprocessing and numeric runtime:
`features.f32` holds rows of `dim` little-endian float32; `rows.index` in the same order the 32-byte SHA-256 of each
row's picture and the CRC-32 of the row. Rows are flushed before they are in the index; a tail that was torn off by a
crash is cut at the next opening for writing and never read. A row that is damaged later is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from training_scripts.backbones import Preprocessing
from training_scripts.data import Samples
from training_scripts.durable import is_whole, replacing, same_file, seal, write_text
from training_scripts.job import Interruption, JobError
from training_scripts.left_out import LeftOut, read_left_out
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.row_matrix import CHECK, FLOAT, MatrixFile, RowMatrix, checks_of, files_in
from training_scripts.unknown import (
    KNOWN_FILE,
    MOST_POINTS,
    Known,
    learn_known,
    read_known,
    some_of_each,
    write_known,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

MATRIX_FILE = "features.f32"
KEPT_KNOWN = 8
"""How many files about known pictures a store keeps, of as many sets of training pictures."""
LAYOUT = 3
"""Of the store's files, and of how pictures are read: another one is computed again."""
HASH_BYTES, CHECK_BYTES = 32, 4
_RECORD_BYTES = HASH_BYTES + CHECK_BYTES
_COPIED = 16_384
"""Rows of another store that are in memory at once."""


class FeatureStore:
    """The rows of one store folder. Writers hold the folder's lock (`features.py`); readers need none."""

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder, self.dim = folder, dim
        self.matrix_file, self.index_file = folder / MATRIX_FILE, folder / "rows.index"
        self._rows: dict[bytes, int] = {}
        self._checks: NDArray[np.uint32] = np.zeros(0, CHECK)
        self.reload()

    def reload(self) -> None:
        """Read the index again."""
        count = self._whole_rows()
        records = _records(self.index_file.read_bytes()[: count * _RECORD_BYTES] if count else b"")
        # Of a picture that is there twice, the later row counts: the earlier one was damaged.
        self._rows = {digest.tobytes(): row for row, digest in enumerate(records["sha256"])}
        self._checks = records["crc32"].copy()

    @property
    def hashes(self) -> list[str]:
        """Return the SHA-256 of the pictures that have a row, in hexadecimal."""
        return [digest.hex() for digest in self._rows]

    def take_from(self, other: FeatureStore, wanted: Iterable[str]) -> int:
        """Copy the rows of those wanted pictures that `other` has and this store has not; returns how many.

        Only with the lock held. Rows that are damaged are left.
        """
        new = [value for value in wanted if self.row(value) is None and other.row(value) is not None]
        found, taken = other.matrix, 0
        for first in range(0, len(new), _COPIED):
            some = new[first : first + _COPIED]
            rows = np.array([other.row(value) for value in some], dtype=np.int64)
            sound = found.checks_of(rows) == other.checks(rows)
            self.append([value for value, good in zip(some, sound, strict=True) if good], found[rows[sound]])
            taken += int(sound.sum())
        return taken

    def row(self, sha256: str) -> int | None:
        """Return the row of the picture with this hash (hexadecimal); None when it is not there yet."""
        return self._rows.get(_digest(sha256)) if sha256 else None

    def checks(self, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the CRC-32 that each of these rows had when it was written."""
        return self._checks[rows]

    def drop_damaged(self, hashes: Iterable[str]) -> int:
        """Forget those of these pictures' rows that are not as they were written; returns how many.

        They are computed again, into new rows.
        """
        wanted = {_digest(value): row for value in hashes if (row := self.row(value)) is not None}
        rows = np.array(list(wanted.values()), dtype=np.int64)
        if not len(rows):
            return 0
        wrong = self.matrix.checks_of(rows) != self.checks(rows)
        for digest, bad in zip(wanted, wrong, strict=True):
            if bad:
                del self._rows[digest]
        return int(wrong.sum())

    def __len__(self) -> int:
        return self._whole_rows()

    @property
    def matrix(self) -> RowMatrix:
        """Return the rows that are there now."""
        return RowMatrix(self.folder, [MatrixFile(MATRIX_FILE, 0, len(self))], self.dim)

    def repair(self) -> None:
        """Cut what a crash left behind whole rows. Only with the lock held."""
        self.folder.mkdir(parents=True, exist_ok=True)
        count = self._whole_rows()
        for file, size in (
            (self.matrix_file, count * self.dim * FLOAT.itemsize),
            (self.index_file, count * _RECORD_BYTES),
        ):
            if file.exists() and file.stat().st_size > size:
                os.truncate(file, size)

    def append(self, hashes: Sequence[str], features: NDArray[np.float32]) -> None:
        """Add rows: `features` (N, dim) of the pictures with these hashes. Only with the lock held.

        Raises:
            OSError: the disk is full; nothing of this call is in the index then.
        """
        start = self._whole_rows()
        digests = [_digest(value) for value in hashes]
        rows = np.ascontiguousarray(features, dtype=FLOAT)
        checks = checks_of(rows, np.arange(len(rows)))
        _append(self.matrix_file, rows.tobytes())
        _append(self.index_file, b"".join(d + c.tobytes() for d, c in zip(digests, checks, strict=True)))
        self._rows.update({digest: start + position for position, digest in enumerate(digests)})
        self._checks = np.concatenate([self._checks, checks])

    def _whole_rows(self) -> int:
        def size(file: Path) -> int:
            return file.stat().st_size if file.exists() else 0

        return min(size(self.index_file) // _RECORD_BYTES, size(self.matrix_file) // (self.dim * FLOAT.itemsize))


def read_index(content: bytes) -> tuple[list[str], NDArray[np.uint32]]:
    """Return the SHA-256 (hexadecimal) and the CRC-32 of each row of a store's index.

    Raises:
        ValueError: it is torn.
    """
    records = _records(content)
    return [digest.tobytes().hex() for digest in records["sha256"]], records["crc32"].copy()


def _records(content: bytes) -> NDArray[Any]:
    return np.frombuffer(content, np.dtype([("sha256", f"V{HASH_BYTES}"), ("crc32", CHECK)]))


def _digest(sha256: str) -> bytes:
    return bytes.fromhex(sha256)


def _append(file: Path, data: bytes) -> None:
    with file.open("ab") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The frozen features of one split: row `rows[i]` of `matrix` (R, dim) belongs to `labels[i]` and `paths[i]`."""

    matrix: RowMatrix
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    paths: tuple[str, ...]
    root: str


@dataclass(frozen=True, slots=True)
class FeaturesChannel:
    """What a features channel says: see ARCHITECTURE.md. `backbone_state` is the frozen backbone's state_dict file.

    `left_out` are, by split, the pictures that could not be read; `known_file` is what known pictures look like
    (unknown.py), None where there are too few to say.
    """

    backbone: str
    weights: str
    classes: tuple[str, ...]
    dataset_version: str
    dim: int
    backbone_state: Path
    sets: dict[str, FeatureSet]
    preprocessing: Preprocessing
    left_out: dict[str, tuple[LeftOut, ...]]
    known_file: Path | None = None


def write_channel(folder: Path, store: FeatureStore, splits: dict[str, Samples], about: dict[str, Any]) -> None:
    """Write the channel folder of `splits`, whose pictures are all in the store; `about` goes into features.json."""
    rows = {
        split: np.array([store.row(value) for value in samples.hashes], dtype=np.int64)
        for split, samples in splits.items()
    }
    matrix = MatrixFile(relative(store.matrix_file, folder), 0, len(store))
    found = {split: (numbers, store.checks(numbers)) for split, numbers in rows.items()}
    # Another job on this store could remove the file before it has its second name. The store's own lock would make
    # this wait for all that such a job computes.
    with FileLock(store.folder / "known.lock"):
        known = _known_in(store, splits["train"], rows["train"]) if "train" in splits else None
        write_lists(folder, [matrix], store.dim, splits, found, known, about)


def _known_in(store: FeatureStore, train: Samples, rows: NDArray[np.int64]) -> Path | None:
    """Return the file that the store keeps of what these pictures look like: to learn it takes longer than all else."""
    places = known_places(train)
    hashes = [train.hashes[place] for place in places]
    kept = store.folder / "known" / f"{hashlib.sha256(''.join(hashes).encode()).hexdigest()[:24]}.npz"
    try:
        read_known(kept)
        os.utime(kept)  # those that were used last stay
    except (OSError, ValueError):
        known = learn_known(store.matrix[rows[places]], hashes)
        if known is None:
            return None
        for old in sorted(kept.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)[: 1 - KEPT_KNOWN]:
            old.unlink(missing_ok=True)
        write_known(known, kept)
    return kept


def known_places(train: Samples) -> NDArray[np.int64]:
    """Return the positions of the pictures that show what known ones look like."""
    return some_of_each(train.labels, MOST_POINTS)


def write_lists(
    folder: Path,
    matrices: Sequence[MatrixFile],
    dim: int,
    splits: dict[str, Samples],
    found: Mapping[str, tuple[NDArray[np.int64], NDArray[np.uint32]]],
    known: Known | Path | None,
    about: dict[str, Any],
) -> None:
    """Write all of a channel but its matrices, which it lists; `found`: each picture's row and the row's CRC-32.

    `known` may be a file that holds it, which then has a second name here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split, samples in splits.items():
        rows, checks = found[split]
        _save_array(folder / f"{split}.rows.npy", rows)
        _save_array(folder / f"{split}.crc32.npy", checks)
        _save_array(folder / f"{split}.labels.npy", samples.labels)
        pictures = {"root": str(samples.root), "paths": list(samples.paths)}
        write_text(folder / f"{split}.pictures.json", json.dumps(pictures, ensure_ascii=False), flushed=False)
    data = {
        "format": 1,
        "dim": dim,
        "dtype": "float32",
        "matrices": [matrix.to_json() for matrix in matrices],
        "splits": {split: len(samples) for split, samples in splits.items()},
        **about,
    }
    write_text(folder / "features.json", json.dumps(data, indent=1, ensure_ascii=False), flushed=False)
    parts = [f"{split}.{part}" for split in splits for part in ("rows.npy", "crc32.npy", "labels.npy", "pictures.json")]
    (folder / KNOWN_FILE).unlink(missing_ok=True)
    if isinstance(known, Path):
        same_file(known, folder / KNOWN_FILE, flushed=False)
    elif known is not None:
        write_known(known, folder / KNOWN_FILE)
    if known is not None:
        parts.append(KNOWN_FILE)
    seal(folder, ["features.json", *parts])


def read_channel(folder: Path) -> FeaturesChannel:
    """Read a features channel; its matrices are memory-mapped, nothing is copied.

    Raises:
        JobError: it is not there, not whole, or a matrix is gone.
    """
    try:
        about = read_json(folder / "features.json")
        dim = int(about["dim"])
        matrix = RowMatrix(folder, files_in(about), dim)
        sets = {split: _read_set(folder, split, matrix) for split in about["splits"]}
        _check(folder, sets, matrix)
        return FeaturesChannel(
            about["backbone"],
            about["weights"],
            tuple(about["classes"]),
            about["dataset_version"],
            dim,
            folder / about["backbone_state"],
            sets,
            Preprocessing.from_json(about["preprocessing"]),
            read_left_out(folder),
            folder / KNOWN_FILE if (folder / KNOWN_FILE).is_file() else None,
        )
    except UNUSABLE as error:
        raise JobError(f"The frozen features in {folder} cannot be used: {error}") from error


def _read_set(folder: Path, split: str, matrix: RowMatrix) -> FeatureSet:
    rows = np.load(folder / f"{split}.rows.npy", allow_pickle=False)
    labels = np.load(folder / f"{split}.labels.npy", allow_pickle=False)
    pictures = read_json(folder / f"{split}.pictures.json")
    if not len(rows) == len(labels) == len(pictures["paths"]) or (
        len(rows) and not 0 <= rows.min() <= rows.max() < len(matrix)
    ):
        raise ValueError(f"the files of {split} do not fit together")
    return FeatureSet(matrix, rows, labels, tuple(pictures["paths"]), pictures["root"])


def _check(folder: Path, sets: dict[str, FeatureSet], matrix: RowMatrix) -> None:
    """See to it that the channel's files and its rows are what they were when they were written.

    Raises:
        Interruption: they are not; with the features computed again the job can be done.
    """
    place = ""
    if not is_whole(folder):
        place = f"Files in {folder}"
    elif changed := matrix.changed_files():
        place = ", ".join(map(str, changed))
    else:
        checks = {split: np.load(folder / f"{split}.crc32.npy", allow_pickle=False) for split in sets}
        if wrong := sum(matrix.damaged(found.rows, checks[split]) for split, found in sets.items()):
            place = f"{wrong} rows of {', '.join(map(str, matrix.paths))}"
    matrix.forget()
    if place:
        raise Interruption(f"The frozen features are damaged on the disk ({place}); starting again computes them.")


def relative(file: Path, folder: Path) -> str:
    """Return `file` as seen from `folder` if it is inside it, so that the folder can be moved; else absolute."""
    try:
        return file.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return str(file.resolve())


def _save_array(file: Path, array: NDArray[Any]) -> None:
    with replacing(file, flushed=False) as partial, partial.open("wb") as opened:
        np.save(opened, array, allow_pickle=False)
