"""Compute the frozen features of a dataset once.

`python features.py --backbone NAME [--weights default|none|FILE] [--store FOLDER] [--output FOLDER]`

Reads the train, valid and test channels (SM_CHANNEL_*) and writes a features channel to `output` (SM_OUTPUT_DATA_DIR
by default). The features themselves are appended to a store that all jobs share; only pictures that no job has seen
before are computed. Prints `features 120/2000 (34.5 pictures/s)`.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    _HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(_HERE.parent)] + [entry for entry in sys.path if Path(entry or ".").resolve() != _HERE]

import hashlib
import json
import math
import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from training_scripts import arguments, data, runtime
from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE, FRAMES, RGB, VIEWS, Preprocessing, channels_from
from training_scripts.data import Samples
from training_scripts.durable import is_whole, write_text
from training_scripts.extraction import BACKBONE_STATE, REFUSED, Row, extractor_of
from training_scripts.feature_store import LAYOUT, MATRIX_FILE, FeatureStore, relative, write_channel
from training_scripts.job import JobError, JobFolders, StopRequest, report_failure
from training_scripts.left_out import LeftOut, count_changed, count_left_out, warn_left_out, write_left_out
from training_scripts.metrics import write_whole_lines
from training_scripts.pictures.opening import read_file
from training_scripts.pictures.structure import PictureUnreadable
from training_scripts.processes import ProcessIdentity, identify
from training_scripts.watchdog import SILENCE_S, Watchdog, end_at_once
from training_scripts.weights import Weights, find

if TYPE_CHECKING:
    from numpy.typing import NDArray

REPORT_SECONDS = 0.5
FLUSH_SECONDS = 2.0
PICTURES = "pictures"
"""The channel of pictures that need no labels, in place of train, valid and test."""


class Stopped(Exception):
    """SIGTERM came; what was computed is in the store."""


def get_args_parser() -> ArgumentParser:
    """Return the arguments of features.py; those of train.py that do not matter here are ignored."""
    parser = arguments.Parser(prog="features.py", add_help=False, allow_abbrev=False, description=__doc__)
    parser.add_argument("--help", action="help", help="show this and exit")
    arguments.choice(parser, "backbone", tuple(BACKBONES), DEFAULT_BACKBONE, "the frozen network")
    arguments.option(parser, "weights", arguments.text, "default", "default, none (untrained) or a file")
    arguments.preprocessing(parser)
    arguments.option(parser, "seed", arguments.whole(0), 0, "of untrained weights")
    arguments.option(parser, "num_workers", arguments.whole(0), 0, "threads; 0: one per core")
    arguments.choice(
        parser,
        "runtime",
        ("auto", runtime.BFLOAT16, "openvino", "torch"),
        "auto",
        "what computes; $SAGEHOUND_RUNTIME counts too",
    )
    arguments.option(
        parser, "store", arguments.text, None, "folder of all stores; $SAGEHOUND_FEATURES_DIR, or inside the output"
    )
    arguments.option(
        parser, "output", arguments.text, None, "where the features channel is written; SM_OUTPUT_DATA_DIR"
    )
    arguments.option(
        parser,
        "patience_s",
        arguments.number(0, above=True),
        SILENCE_S,
        "how long another job may stand still",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Compute what is missing and write the channel; 0, or 1 after a failure file."""
    folders = JobFolders.from_environment()
    try:
        args, _ = get_args_parser().parse_known_args(list(sys.argv[1:] if argv is None else argv))
        output = Path(args.output) if args.output else folders.output_data
        make_channel(args, folders, output, StopRequest().listen())
    except Stopped:
        print("Stopped; the features computed so far are kept.", flush=True)
    except BaseException as error:
        return report_failure(error, folders)
    return 0


def make_channel(args: Namespace, folders: JobFolders, output: Path, stop: StopRequest) -> None:
    """Write the features channel of the job's dataset to `output`.

    Raises:
        JobError: there is nothing to compute from.
        Stopped: SIGTERM came.
    """
    splits, left_out = {}, {}
    for split, samples in _loaded(folders.channels).items():
        splits[split], left_out[split] = _hashed(split, samples)
    first = next(iter(splits))
    preprocessing = preprocessing_for(args, splits[first])
    weights = find(args.backbone, args.weights, args.seed, folders.channels)
    stores = Path(getattr(args, "store", None) or os.environ.get("SAGEHOUND_FEATURES_DIR") or output / "stores")
    store, name, computed = fill_store(args, preprocessing, weights, stores, splits, stop)
    kept = {}
    for split, samples in splits.items():
        kept[split], unreadable = _resolved(split, samples, computed)
        left_out[split] += unreadable
        count_left_out(split, left_out[split], len(kept[split]))
    if first == "train":
        check_classes(kept[first])
    about = identity(args.backbone, preprocessing, weights, name) | about_samples(kept[first])
    write_left_out(output, left_out)
    write_channel(output, store, kept, about | {"backbone_state": relative(store.folder / BACKBONE_STATE, output)})


def fill_store(
    args: Namespace,
    preprocessing: Preprocessing,
    weights: Weights,
    stores: Path,
    splits: Mapping[str, Samples],
    stop: StopRequest,
    recover: Callable[[FeatureStore], None] | None = None,
) -> tuple[FeatureStore, str, dict[str, Row]]:
    """Compute what is missing of the samples' features, after `recover` has put rows there that are known elsewhere.

    Returns:
        The store that has them, the runtime that computed them, and what became of each hash that was missing.

    Raises:
        JobError: the runtime that was asked for does not compute this network.
        Stopped: SIGTERM came.
    """
    threads = args.num_workers or data.cores()
    wanted = getattr(args, "runtime", "auto")
    for name in runtime.for_features(wanted, BACKBONES[args.backbone].bfloat16):
        folder = stores / store_key(args.backbone, preprocessing, weights, name)
        with _locked(folder, stop, getattr(args, "patience_s", SILENCE_S)):
            if (folder / REFUSED).exists():
                continue
            store = FeatureStore(folder, BACKBONES[args.backbone].dim)
            store.repair()
            if recover is not None:
                recover(store)
            if damaged := store.drop_damaged(value for samples in splits.values() for value in samples.hashes):
                print(f"{damaged} rows were damaged on the disk and are computed again.", flush=True)
            missing = {
                samples.hashes[index]: samples.file(index)
                for samples in splits.values()
                for index in range(len(samples))
                if store.row(samples.hashes[index]) is None
            }
            rows: Iterable[Row] = ()
            if missing or not is_whole(folder, [BACKBONE_STATE]):
                extractor = extractor_of(args.backbone, preprocessing, weights, name, folder, threads)
                if extractor is None:
                    continue
                rows = extractor(list(missing.values()))
            return store, name, _compute(missing, rows, store, stop)
    title = BACKBONES[args.backbone].title
    raise JobError(f"{wanted} does not compute {title} as torch does: leave the runtime at auto.")


def check_classes(train: Samples) -> None:
    """Raise `JobError` where all train pictures that can be read are of one class."""
    if len(set(train.labels.tolist())) < 2:
        raise JobError("There is nothing to tell apart: the readable train pictures are all of one class.")


def _loaded(channels: Mapping[str, Path]) -> dict[str, Samples]:
    """Return the samples of each split, train first; or those of the channel PICTURES, whose labels do not matter.

    Raises:
        JobError: there are none, or too few to tell anything apart.
    """
    if PICTURES in channels:
        return {PICTURES: data.load_channel(channels[PICTURES])}
    return data.load_channels(dict(channels))


def preprocessing_for(args: Namespace, train: Samples) -> Preprocessing:
    """Return how the pictures of a job become its network's inputs."""
    return replace(
        BACKBONES[args.backbone].preprocessing,
        framing=args.preprocessing,
        levels=data.levels_of(train),
        views=getattr(args, "views", VIEWS[0]),
        frame=getattr(args, "frame", FRAMES[0]),
        channels=channels_from(getattr(args, "channels", RGB)),
    )


def store_key(backbone: str, preprocessing: Preprocessing, weights: Weights, name: str) -> str:
    """Return the name of a store's folder: all that the numbers depend on."""
    identity = {
        "backbone": backbone,
        "weights": weights.identity,
        "preprocessing": preprocessing.to_json(),
        "runtime": runtime.version(name),
        "layout": LAYOUT,
    }
    return f"{backbone}-{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"


@contextmanager
def _locked(folder: Path, stop: StopRequest, patience_s: float) -> Iterator[None]:
    """Hold the store's lock; waits for a job that has it as long as that one works, but not past a stop.

    The system takes the lock from a process that dies; from one that stands still it is taken here, by ending it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, holder = FileLock(folder / "lock"), _Holder(folder, patience_s)
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            if stop.requested:
                raise Stopped from None
            holder.look()
    try:
        holder.sign()
        yield
    finally:
        lock.release()


class _Holder:
    """The process that has a store's lock, as those see it that wait. It says in a file who it is."""

    def __init__(self, folder: Path, patience_s: float) -> None:
        self._file, self._matrix = folder / "holder.json", folder / MATRIX_FILE
        self._patience_s = patience_s
        self._seen: ProcessIdentity | None = None
        self._watchdog: Watchdog | None = None
        self._told = -math.inf

    def sign(self) -> None:
        """Say that it is this process."""
        me = identify(os.getpid())
        write_text(self._file, json.dumps({"pid": os.getpid(), "started": me.started if me else ""}))

    def look(self) -> None:
        """Say now and then that it is waited for, and end it when it stands still: what it computed is in the store."""
        if time.monotonic() - self._told > self._patience_s / 4:  # often enough to count as a sign of life
            self._told = time.monotonic()
            print("Waiting for another job that computes features of this backbone.", flush=True)
        try:
            holder = ProcessIdentity(**json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return
        if holder != self._seen or self._watchdog is None:
            self._seen, self._watchdog = holder, Watchdog(holder, self._patience_s, self._matrix)
        elif (finding := self._watchdog.finding) and holder.is_alive:
            end_at_once(holder)
            print(f"That job {finding} and was ended.", flush=True)


def _hashed(split: str, samples: Samples) -> tuple[Samples, list[LeftOut]]:
    """Return `samples` with every hash known, and the files that cannot be read and are left out."""
    unknown = [index for index, value in enumerate(samples.hashes) if not value]
    if not unknown:
        return samples, []

    def digest(index: int) -> tuple[int, str, str]:
        try:
            return index, hashlib.sha256(read_file(samples.file(index))).hexdigest(), ""
        except PictureUnreadable as error:
            return index, "", str(error)

    hashes, failed = list(samples.hashes), {}
    for index, value, reason in data.in_threads(digest, unknown, data.cores(), 64):
        hashes[index] = value
        if not value:
            failed[index] = LeftOut(samples.paths[index], reason)
            warn_left_out(split, failed[index])
    return replace(samples, hashes=tuple(hashes)).without(failed), list(failed.values())


def _compute(missing: dict[str, Path], rows: Iterable[Row], store: FeatureStore, stop: StopRequest) -> dict[str, Row]:
    """Append the rows of the missing pictures to the store; returns each asked-for hash's row, its features dropped."""
    total, computed, started = len(missing), {}, time.monotonic()
    pending: dict[str, NDArray[np.float32]] = {}
    printed = flushed = started

    def flush() -> None:
        if pending:
            store.append(list(pending), np.stack(list(pending.values())))
            pending.clear()

    try:
        for done, (asked, row) in enumerate(zip(missing, rows, strict=False), start=1):
            computed[asked] = Row(row.sha256, None, row.reason)
            if row.features is not None and store.row(row.sha256) is None:
                pending[row.sha256] = row.features
            now = time.monotonic()
            if now - flushed > FLUSH_SECONDS:
                flush()
                flushed = now
            if done == total or now - printed > REPORT_SECONDS:
                print(f"features {done}/{total} ({done / (now - started):.1f} pictures/s)", flush=True)
                printed = now
            if stop.requested:
                raise Stopped
    finally:
        flush()
    if not total:
        print("features: all of them are known already", flush=True)
    return computed


def _resolved(split: str, samples: Samples, computed: dict[str, Row]) -> tuple[Samples, list[LeftOut]]:
    """Return `samples` under the hashes that their files really have, and those that cannot be read."""
    failed = {
        index: LeftOut(samples.paths[index], computed[value].reason, computed[value].sha256)
        for index, value in enumerate(samples.hashes)
        if value in computed and computed[value].reason
    }
    if failed:
        samples.check_folder()
    for picture in failed.values():
        warn_left_out(split, picture)
    hashes = tuple(computed[value].sha256 if value in computed else value for value in samples.hashes)
    changed = {index for index, now in enumerate(hashes) if now != samples.hashes[index]} - failed.keys()
    count_changed(split, len(changed), len(samples))
    return replace(samples, hashes=hashes).without(failed), list(failed.values())


def identity(backbone: str, preprocessing: Preprocessing, weights: Weights, name: str) -> dict[str, Any]:
    """Return what the numbers depend on, as features.json says it."""
    return {
        "backbone": backbone,
        "weights": weights.identity,
        "preprocessing": preprocessing.to_json(),
        "runtime": runtime.version(name),
    }


def about_samples(train: Samples) -> dict[str, Any]:
    """Return what features.json says of the dataset."""
    return {"classes": list(train.classes), "dataset_version": train.dataset_version}


if __name__ == "__main__":
    write_whole_lines()
    sys.exit(main())
