"""Channel folders as labelled samples, and pictures decoded in threads ahead of the network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from training_scripts.job import Interruption, JobError
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.pictures.levels import Levels, common
from training_scripts.pictures.opening import is_picture, read_file
from training_scripts.pictures.reading import levels_in
from training_scripts.pictures.structure import PictureUnreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Samples:
    """The labelled pictures of one channel.

    `paths` are relative to `root`, with forward slashes; `labels` (N,) int64 are positions in `classes`; `hashes` are
    SHA-256 in hexadecimal, "" where the channel does not tell them. `levels` are the dataset's values of black and
    white for pictures with more than 8 bits a channel, None where it has none; `levels_known`: the channel says so.
    """

    root: Path
    classes: tuple[str, ...]
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    hashes: tuple[str, ...]
    dataset_version: str = ""
    levels: Levels | None = None
    levels_known: bool = False

    def __len__(self) -> int:
        return len(self.paths)

    def file(self, index: int) -> Path:
        """Return where the picture is."""
        return self.root / self.paths[index]

    def check_folder(self) -> None:
        """Look whether the dataset is there at all, when one of its pictures cannot be read.

        Raises:
            Interruption: its folder was deleted, renamed or unplugged.
        """
        if not self.root.is_dir():
            raise Interruption(f"The dataset folder {self.root} is not there any more; put it back where it was.")

    def without(self, left_out: Iterable[int]) -> Samples:
        """Return these samples but for some positions."""
        gone = set(left_out)
        if not gone:
            return self
        kept = [index for index in range(len(self)) if index not in gone]
        return replace(
            self,
            paths=tuple(self.paths[index] for index in kept),
            labels=self.labels[kept],
            hashes=tuple(self.hashes[index] for index in kept),
        )


def load_channel(folder: Path) -> Samples:
    """Return the samples of a channel folder: its manifest.json, or else one folder of pictures per class.

    Raises:
        JobError: the folder or the manifest cannot be used.
    """
    if not folder.is_dir():
        raise JobError(f"The channel folder {folder} is not there.")
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return _from_class_folders(folder)
    samples = load_list(manifest)
    samples.check_folder()
    return samples


def load_channels(channels: dict[str, Path]) -> dict[str, Samples]:
    """Return the samples of train, valid and test, as far as there are any, all with the classes of train.

    Raises:
        JobError: train has no pictures or a single class, or another channel has a class that train lacks.
    """
    if "train" not in channels:
        raise JobError("There is no train channel: SM_CHANNEL_TRAIN is not set.")
    train = load_channel(channels["train"])
    if len(train) == 0:
        raise JobError(f"There are no pictures to train on in {channels['train']}.")
    if len(set(train.labels.tolist())) < 2:
        raise JobError("There is nothing to tell apart: the train pictures are all of one class.")
    loaded = {"train": train}
    for split in ("valid", "test"):
        if split in channels:
            samples = load_channel(channels[split])
            if len(samples):
                loaded[split] = _with_classes(samples, train.classes, split)
            else:
                print(f"The {split} channel has no pictures and is left out.", flush=True)
    return loaded


def _with_classes(samples: Samples, classes: tuple[str, ...], split: str) -> Samples:
    if samples.classes == classes:
        return samples
    unknown = [name for name in samples.classes if name not in classes]
    if unknown:
        raise JobError(f"The {split} pictures have classes that no train picture has: {', '.join(unknown[:5])}.")
    position = np.array([classes.index(name) for name in samples.classes], dtype=np.int64)
    return replace(samples, classes=classes, labels=position[samples.labels])


def load_list(file: Path, folder: Path | None = None) -> Samples:
    """Return the samples that a manifest lists, in `folder` or the one that it names, which may lack some or be gone.

    Raises:
        JobError: the manifest cannot be used.
    """
    try:
        data = read_json(file)
    except UNUSABLE as error:
        raise _unusable(file, error) from error
    return samples_in(data, file, folder)


def samples_in(data: Any, file: Path, folder: Path | None = None) -> Samples:
    """Return the samples that the content of a manifest lists; otherwise as `load_list`.

    Raises:
        JobError: the manifest cannot be used.
    """
    try:
        if data["format"] != 1:
            raise JobError(f"The manifest {file} has format {data['format']}, where 1 is understood.")
        classes, pictures = tuple(data["classes"]), data["pictures"]
        labels = np.array([picture["label"] for picture in pictures], dtype=np.int64)
        paths = tuple(picture["path"] for picture in pictures)
        hashes = tuple(picture.get("sha256", "") for picture in pictures)
        root = folder or Path(data["root"])
        levels = data.get("levels")
        scale = None if levels is None else (float(levels[0]), float(levels[1]))
    except UNUSABLE as error:
        raise _unusable(file, error) from error
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        raise JobError(f"The manifest {file} has labels that are not classes.")
    root = root if root.is_absolute() else file.parent / root
    version = str(data.get("dataset_version", ""))
    return Samples(root, classes, paths, labels, hashes, version, scale, "levels" in data)


def _unusable(file: Path, error: Exception) -> JobError:
    return JobError(f"The manifest {file} cannot be read: {type(error).__name__} {error}.")


def _from_class_folders(folder: Path) -> Samples:
    classes = tuple(sorted(item.name for item in folder.iterdir() if item.is_dir() and not item.name.startswith(".")))
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(_pictures_below(folder / name, folder))
        paths += files
        labels += [label] * len(files)
    return Samples(folder, classes, tuple(paths), np.array(labels, dtype=np.int64), ("",) * len(paths))


def _pictures_below(folder: Path, root: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and is_picture(os.path.join(place, name)):
                yield (Path(place) / name).relative_to(root).as_posix()


def cores() -> int:
    """Return how many cores this process may use: SM_NUM_CPUS where set and smaller, else what the system grants."""
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return max(1, min(granted, int(os.environ.get("SM_NUM_CPUS", granted))))
    except ValueError:
        return granted


def in_threads(work: Callable[[T], R], items: Iterable[T], threads: int, ahead: int) -> Iterator[R]:
    """Yield `work` of every item, in order, by `threads` threads that are at most `ahead` items ahead of the reader."""
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def batches(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Return the positions in `order`, cut into batches.

    A last batch of one would break batch norm, so it joins the one before it.
    """
    ends = list(range(batch_size, len(order), batch_size))
    if ends and len(order) - ends[-1] == 1:
        ends.pop()
    return np.split(order, ends)


def levels_of(train: Samples) -> Levels | None:
    """Return black and white of the deep pictures (more than 8 bits a channel) that are trained on; None without any.

    A channel with a manifest says them; of class folders every picture is looked at.
    """
    if train.levels_known:
        return train.levels

    def look(index: int) -> Levels | None:
        try:
            return levels_in(read_file(train.file(index)))
        except PictureUnreadable:
            return None

    found = [levels for levels in in_threads(look, range(len(train)), cores(), 64) if levels is not None]
    return common(found) if found else None
