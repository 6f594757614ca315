"""Frozen features in one file or in several, as one matrix; and how much of it may be in memory. No torch here."""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training_scripts.durable import sha256_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMORY_MB = "SAGEHOUND_FEATURES_MEMORY_MB"
"""Set where less of the features than half of the memory may be in it at once."""
FLOAT, CHECK = np.dtype("<f4"), np.dtype("<u4")
_CHECKED = 65_536
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class MatrixFile:
    """One file of a matrix, as features.json lists it: the first `rows` rows of it are rows `start` and on.

    `file` is as seen from the channel's folder. `sha256` is that of the whole file, which has no other rows then; ""
    where rows may be added to it, as in a store.
    """

    file: str
    start: int
    rows: int
    sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as features.json has it."""
        known = {"sha256": self.sha256} if self.sha256 else {}
        return {"file": self.file, "start": self.start, "rows": self.rows, **known}


def files_in(about: Mapping[str, Any]) -> list[MatrixFile]:
    """Return the files that a features.json lists; earlier versions named one alone, of which every row counts.

    Raises:
        KeyError, TypeError, ValueError: they are not one matrix.
    """
    if "matrices" not in about:
        return [MatrixFile(str(about["matrix"]), 0, -1)]
    listed = about["matrices"]
    found = [
        MatrixFile(str(item["file"]), int(item["start"]), int(item["rows"]), str(item.get("sha256", "")))
        for item in listed
    ]
    if not found or any(item.rows < 0 for item in found):
        raise ValueError("the matrices have no rows")
    if [item.start for item in found] != [0, *accumulate(item.rows for item in found)][:-1]:
        raise ValueError("the matrices' rows do not follow each other")
    return found


class RowMatrix:
    """The rows of files, one after another, as one matrix of float32, (rows, dim).

    The files are memory-mapped: what is asked for is copied, and nothing else. Index it with the numbers of rows.
    """

    def __init__(self, folder: Path, files: Sequence[MatrixFile], dim: int) -> None:
        self.files, self.dim = tuple(files), dim
        self.paths = [folder / item.file for item in files]
        self._mapped = [_mapped(*pair, dim) for pair in zip(self.paths, files, strict=True)]
        self.parts = [part.view(np.ndarray) for part in self._mapped]
        self._starts = np.array([item.start for item in files], dtype=np.int64)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, rows: NDArray[np.int64] | Sequence[int]) -> NDArray[np.float32]:
        wanted = np.asarray(rows, dtype=np.int64)
        if len(self.parts) == 1:
            return np.take(self.parts[0], wanted, axis=0)
        found = np.empty((len(wanted), self.dim), dtype=FLOAT)
        for number, chosen in self._by_file(wanted):
            found[chosen] = np.take(self.parts[number], wanted[chosen] - self._starts[number], axis=0)
        return found

    def checks_of(self, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the CRC-32 of each of these rows as they are now."""
        found = np.zeros(len(rows), dtype=CHECK)
        for number, chosen in self._by_file(rows):
            found[chosen] = self._checks(number, rows[chosen] - self._starts[number])
        return found

    def damaged(self, rows: NDArray[np.int64], expected: NDArray[np.uint32]) -> int:
        """Return how many of these rows, which had these CRC-32 once, are in files without an SHA-256 and differ."""
        wrong = 0
        for number, chosen in self._by_file(rows):
            if not self.files[number].sha256:
                local = rows[chosen] - self._starts[number]
                wrong += int((self._checks(number, local) != expected[chosen]).sum())
        return wrong

    def _checks(self, number: int, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the CRC-32 of rows of one file, of which no more than some are in memory at once."""
        found = []
        for first in range(0, len(rows), _CHECKED):
            found.append(checks_of(self.parts[number], rows[first : first + _CHECKED]))
            self.forget()
        return np.concatenate(found) if found else np.zeros(0, dtype=CHECK)

    def changed_files(self) -> list[Path]:
        """Return the files that are not what their SHA-256 says."""
        pairs = zip(self.paths, self.files, strict=True)
        return [path for path, item in pairs if item.sha256 and sha256_of(path) != item.sha256]

    def forget(self) -> None:
        """Give back the memory of what was read: it is read again when it is asked for."""
        for part in self._mapped:
            if isinstance(part.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                part.base.madvise(mmap.MADV_DONTNEED)

    def _by_file(self, rows: NDArray[np.int64]) -> list[tuple[int, NDArray[np.bool_]]]:
        """Return the numbers of the files that have some of `rows`, and which of them."""
        number = np.searchsorted(self._starts, rows, side="right") - 1
        # A file without rows starts where the next one does: the search passes over it.
        return [(int(found), number == found) for found in np.unique(number)]


def checks_of(matrix: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return the CRC-32 of each of these rows of `matrix` (R, dim) as they are now."""
    if not len(rows):
        return np.zeros(0, dtype=CHECK)
    size, content = matrix.shape[1] * FLOAT.itemsize, memoryview(matrix).cast("B")  # type: ignore[arg-type]
    return np.array([zlib.crc32(content[row * size : (row + 1) * size]) for row in rows.tolist()], dtype=CHECK)


def memory_for_features() -> int:
    """Return how many bytes of features may be in memory at once: half of what the system or a container has."""
    with suppress(ValueError):
        return int(float(os.environ.get(MEMORY_MB, "")) * 1e6)
    limits = [2**63]
    with suppress(ValueError, OSError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in _CGROUPS:
        with suppress(OSError, ValueError):
            limits.append(int(Path(file).read_text(encoding="ascii")))
    return min(limits) // 2


def _mapped(path: Path, item: MatrixFile, dim: int) -> NDArray[np.float32]:
    if not item.rows:
        return np.zeros((0, dim), dtype=FLOAT)  # an empty file cannot be mapped
    size, row = path.stat().st_size, dim * FLOAT.itemsize
    if (item.sha256 and size != item.rows * row) or size < item.rows * row:
        raise ValueError(f"{path} has {size} bytes, where {item.rows} rows take {item.rows * row}")
    count = size // row if item.rows < 0 else item.rows
    # Copy on write, not read-only: torch warns about arrays that cannot be written.
    return np.memmap(path, dtype=FLOAT, mode="c", shape=(count, dim))
