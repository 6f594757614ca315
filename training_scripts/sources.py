"""Where a training's batches come from: frozen features, or pictures decoded on the way."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training_scripts.backbones import Preprocessing
from training_scripts.data import Samples, batches, in_threads
from training_scripts.feature_store import FeatureSet
from training_scripts.job import JobError
from training_scripts.left_out import LeftOut, warn_left_out
from training_scripts.network import normalise
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.structure import PictureUnreadable
from training_scripts.preprocess import Augmentation, augmented, pixels
from training_scripts.row_matrix import FLOAT, memory_for_features

EVALUATION_ROWS = 4096
"""Rows of frozen features that one evaluation step takes: as many as do not burden the memory."""
BLOCK_ROWS = 2048
"""Rows that are read together where features are more than fit into memory: 10 MB, as a disk likes it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """`inputs` (N, dim) or (N, 3, H, W) float32, `labels` (N,) int64, `positions` (N,) in the source."""

    inputs: Tensor
    labels: Tensor
    positions: NDArray[np.int64]


class Source(ABC):
    """The labelled data of one split. `labels` (N,) int64 and `paths` are by position; `root` is the paths' folder.

    `hashes` are the SHA-256 that the scan found, by position; "" where it did not say.
    """

    labels: NDArray[np.int64]
    paths: Sequence[str]
    hashes: Sequence[str] = ()
    root: str

    @property
    @abstractmethod
    def left_out(self) -> Sequence[LeftOut]:
        """Return the pictures of the split that could not be read, as far as this process has met them."""

    @property
    def changed(self) -> Sequence[str]:
        """Return the paths of the pictures that are not those of the scan, as far as this process has read them."""
        return ()

    def __len__(self) -> int:
        return len(self.paths)

    @abstractmethod
    def training_batches(self, order: NDArray[np.int64], batch_size: int, epoch: int) -> Iterator[Batch]:
        """Return batches of the positions in `order`, augmented where that was asked for."""

    @abstractmethod
    def evaluation_batches(self, batch_size: int, positions: NDArray[np.int64] | None = None) -> Iterator[Batch]:
        """Return everything once, or the pictures at `positions`, in order, unchanged."""


class FeatureSource(Source):
    """Frozen features: a batch is a gather from the memory-mapped matrices.

    Where they are more than `memory` bytes they are shuffled and read by blocks, so that no more of them is in memory;
    else every picture may come after every other.
    """

    def __init__(self, features: FeatureSet, left_out: Sequence[LeftOut] = (), memory: int | None = None) -> None:
        self.labels, self.paths, self.root = features.labels, features.paths, features.root
        self._left_out = tuple(left_out)
        self._matrix, self._rows = features.matrix, features.rows
        row_bytes = features.matrix.dim * FLOAT.itemsize
        self._memory = memory_for_features() if memory is None else memory
        self._at_once = max(BLOCK_ROWS, self._memory // (2 * row_bytes))
        self._bytes = len(self) * row_bytes
        self.fits = self._bytes <= self._memory

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """See `Source`; the features job met them."""
        return self._left_out

    @property
    def everything(self) -> Batch:
        """Return all of it at once; see `check_at_once`."""
        return self._batch(np.arange(len(self)))

    @property
    def contents(self) -> NDArray[np.int64]:
        """Return a number for each picture, (N,), the same for pictures of the same content, in all splits."""
        return self._rows

    def training_batches(self, order: NDArray[np.int64], batch_size: int, epoch: int) -> Iterator[Batch]:
        """See `Source`."""
        if self.fits:
            return map(self._batch, batches(order, batch_size))
        in_blocks = by_blocks(order, self._rows, BLOCK_ROWS, self._at_once)
        return self._forgetting(batches(in_blocks, batch_size))

    def evaluation_batches(self, batch_size: int, positions: NDArray[np.int64] | None = None) -> Iterator[Batch]:
        """See `Source`; larger steps than `batch_size`, as no gradients are kept."""
        wanted = np.arange(len(self)) if positions is None else positions
        cut = batches(wanted, max(batch_size, EVALUATION_ROWS))
        return map(self._batch, cut) if self.fits else self._forgetting(cut)

    def _forgetting(self, cut: Sequence[NDArray[np.int64]]) -> Iterator[Batch]:
        """Yield batches, and give back what was read each time that it is as much as may be in memory."""
        read = 0
        for positions in cut:
            yield self._batch(positions)
            read += len(positions)
            if read >= self._at_once:
                self._matrix.forget()
                read = 0

    def _batch(self, positions: NDArray[np.int64]) -> Batch:
        features = torch.from_numpy(self._matrix[self._rows[positions]])
        return Batch(features, torch.from_numpy(self.labels[positions]), positions)


def check_at_once(sources: Sequence[FeatureSource]) -> None:
    """Check that a head can be fitted at once to sources, which takes the memory of their features up to three times.

    Raises:
        JobError: together they are more than a quarter of the memory.
    """
    if sum(source._bytes for source in sources) > min(source._memory for source in sources) // 2:
        raise JobError(
            f"The frozen features of {sum(map(len, sources)):,} pictures take more than a quarter of the memory, and a "
            "head that is fitted at once needs them several times: choose an optimizer that goes by steps, which reads "
            "them by blocks, or a machine with more memory."
        )


def by_blocks(order: NDArray[np.int64], rows: NDArray[np.int64], block: int, at_once: int) -> NDArray[np.int64]:
    """Return positions in an order that reads the rows nearly as they are on the disk, and still differs as `order`.

    Neighbours of `block` rows stay together; the blocks come in a new order, and of as many of them as make `at_once`
    rows the positions are mixed.

    Args:
        order: a permutation of the positions, from which the new one follows.
        rows: the row of each position.
        block: how many rows are read together.
        at_once: how many rows may be in memory.
    """
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    blocks = np.array_split(np.argsort(rows, kind="stable"), max(1, -(-len(order) // block)))
    blocks.sort(key=lambda positions: int(place[positions[0]]))
    together = max(1, at_once // block)
    mixed = []
    for first in range(0, len(blocks), together):
        some = np.concatenate(blocks[first : first + together])
        mixed.append(some[np.argsort(place[some])])
    return np.concatenate(mixed) if mixed else order


class PictureSource(Source):
    """Pictures, decoded by threads ahead of the network and moved to its device.

    A picture that cannot be read is left out and said once. Augmentation depends on seed, epoch and picture alone, not
    on threads. `share` is (rank, number of processes) where several divide each batch among themselves.
    """

    def __init__(
        self,
        split: str,
        samples: Samples,
        preprocessing: Preprocessing,
        *,
        device: torch.device,
        threads: int,
        augmentation: Augmentation = "none",
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self.labels, self.paths, self.root = samples.labels, samples.paths, str(samples.root)
        self.hashes = samples.hashes
        self._split, self._preprocessing, self._device, self._threads = split, preprocessing, device, threads
        self._augmentation: Augmentation = augmentation
        self._seed, self._share = seed, share
        self._unreadable: dict[int, LeftOut] = {}
        self._check_folder = samples.check_folder
        self._hashes = dict(enumerate(samples.hashes))  # of the scan; each is compared once
        self._changed: set[str] = set()
        self._lock = threading.Lock()

    @property
    def changed(self) -> Sequence[str]:
        """See `Source`."""
        with self._lock:
            return sorted(self._changed)

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """See `Source`."""
        with self._lock:
            return [picture for _, picture in sorted(self._unreadable.items())]

    def training_batches(self, order: NDArray[np.int64], batch_size: int, epoch: int) -> Iterator[Batch]:
        """See `Source`."""
        return self._batches(order, batch_size, epoch)

    def evaluation_batches(self, batch_size: int, positions: NDArray[np.int64] | None = None) -> Iterator[Batch]:
        """See `Source`."""
        return self._batches(np.arange(len(self)) if positions is None else positions, batch_size, None)

    def _batches(self, order: NDArray[np.int64], batch_size: int, epoch: int | None) -> Iterator[Batch]:
        """Yield this process's share of every batch, which may be empty. A picture that cannot be read leaves a gap."""
        rank, size = self._share
        cut = [positions[rank::size] for positions in batches(order, batch_size)]
        mine = [position for positions in cut for position in positions.tolist()]
        decoded = in_threads(partial(self._decode, epoch), mine, self._threads, 2 * batch_size)
        for positions in cut:
            pictures = list(islice(decoded, len(positions)))
            kept = [place for place, picture in enumerate(pictures) if picture is not None]
            yield self._batch([pictures[place] for place in kept], positions[kept])

    def _decode(self, epoch: int | None, position: int) -> NDArray[np.uint8] | None:
        if position in self._unreadable:
            return None
        content = b""
        try:
            content = read_file(Path(self.root) / self.paths[position])
            self._compare(position, content)
            if epoch is None:
                return pixels(content, self._preprocessing)
            random = np.random.default_rng([self._seed, epoch, position])
            return augmented(content, self._preprocessing, self._augmentation, random)
        except PictureUnreadable as error:
            self._check_folder()
            sha256 = hashlib.sha256(content).hexdigest() if content and error.lasting else ""
            picture = LeftOut(self.paths[position], str(error), sha256)
            with self._lock:
                self._unreadable[position] = picture
            warn_left_out(self._split, picture)
            return None

    def _compare(self, position: int, content: bytes) -> None:
        scanned = self._hashes.pop(position, "")
        if scanned and hashlib.sha256(content).hexdigest() != scanned:
            with self._lock:
                self._changed.add(self.paths[position])

    def _batch(self, pictures: Sequence[NDArray[np.uint8] | None], positions: NDArray[np.int64]) -> Batch:
        readable = [picture for picture in pictures if picture is not None]
        none = np.zeros((0, *self._preprocessing.shape), np.uint8)
        stacked = torch.from_numpy(np.stack(readable) if readable else none)
        inputs = normalise(stacked.to(self._device), self._preprocessing)
        labels = torch.from_numpy(self.labels[positions]).to(self._device)
        return Batch(inputs, labels, positions)
