"""Pictures read and decoded ahead of a network that is faster than they are: in threads, or in processes.

Threads share one interpreter, which a decoder needs between its calls of Pillow: past a few cores they stand in each
other's way. A GPU waits for them then, so there each core gets a process.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from training_scripts import data
from training_scripts.backbones import Preprocessing
from training_scripts.forking import end_with_parent, forkserver
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.structure import PictureUnreadable
from training_scripts.preprocess import pixels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ReadPicture = tuple[str, "NDArray[np.uint8] | None", str]
"""SHA-256 and pixels of a file; without pixels: why, and the SHA-256 where that will stay so."""

CHUNK = 16
"""Pictures that a process decodes at a time: what it costs to ask and to answer is shared by so many."""

LEAST_PROCESSES = 4
"""With fewer cores threads are as fast, and begin at once."""


def read(preprocessing: Preprocessing, file: Path) -> ReadPicture:
    """Return hash and pixels of a file, from one reading of it."""
    try:
        content = read_file(file)
    except PictureUnreadable as error:
        return "", None, str(error)
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        return sha256, pixels(content, preprocessing), ""
    except PictureUnreadable as error:
        return sha256 if error.lasting else "", None, str(error)


def read_in_threads(
    preprocessing: Preprocessing, files: Sequence[Path], threads: int, ahead: int
) -> Iterator[ReadPicture]:
    """Read files in order, by threads that are at most `ahead` files ahead of the reader."""
    return data.in_threads(partial(read, preprocessing), files, threads, ahead)


def read_in_processes(preprocessing: Preprocessing, files: Sequence[Path], processes: int) -> Iterator[ReadPicture]:
    """Read files in order, by processes that are at most two chunks each ahead of the reader.

    Where one is killed, for want of memory for instance, the rest is read in threads.
    """
    chunks = [files[at : at + CHUNK] for at in range(0, len(files), CHUNK)]
    waiting: deque[Future[list[ReadPicture]]] = deque()
    asked = answered = 0
    with ProcessPoolExecutor(processes, forkserver(__name__), end_with_parent) as pool:
        try:
            while answered < len(chunks):
                while asked < len(chunks) and len(waiting) < 2 * processes:
                    waiting.append(pool.submit(_read_chunk, preprocessing, chunks[asked]))
                    asked += 1
                found = waiting.popleft().result()
                answered += 1
                yield from found
        except BrokenProcessPool:
            print("A process that decodes pictures was ended; the rest is decoded in threads.", flush=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    yield from read_in_threads(preprocessing, files[answered * CHUNK :], processes, 2 * CHUNK)


def _read_chunk(preprocessing: Preprocessing, files: Sequence[Path]) -> list[ReadPicture]:
    return [read(preprocessing, file) for file in files]
