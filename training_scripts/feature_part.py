"""Compute one machine's share of the frozen features of a dataset.

`python feature_part.py` with the arguments of features.py, on each machine of a job. No machine speaks to another.

The channel `manifest` lists the pictures of each split, the same on every machine; the picture channels hold this
machine's share of the files. What is listed and lies in the share is computed. `<SM_MODEL_DIR>/<host>/` has then a
matrix, its index and part.json (parts.py), of which one features channel is made. Rows are kept in the checkpoint
folder while they are computed: a job that is interrupted, or another one for the same features, begins with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    _HERE = Path(__file__).resolve().parent
    sys.path[:] = [str(_HERE.parent)] + [entry for entry in sys.path if Path(entry or ".").resolve() != _HERE]

import json
import os
import shutil
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial

from training_scripts import runtime
from training_scripts.data import Samples, cores, load_list
from training_scripts.durable import replacing
from training_scripts.extraction import BACKBONE_STATE, Row
from training_scripts.feature_store import MATRIX_FILE, FeatureStore
from training_scripts.features import Stopped, fill_store, get_args_parser, identity, preprocessing_for
from training_scripts.job import JobError, JobFolders, StopRequest, report_failure
from training_scripts.metrics import write_whole_lines
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.parts import INDEX_FILE, KNOWN_LIST, KNOWN_ROWS, MANIFEST, Failure, Part, write_part
from training_scripts.weights import find

READERS = 4
"""Threads for each core: a picture that is read as it is needed comes from S3, and mostly they wait for it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Compute this machine's part; 0, or 1 after a failure file."""
    folders = JobFolders.from_environment()
    try:
        args, _ = get_args_parser().parse_known_args(list(sys.argv[1:] if argv is None else argv))
        hosts = json.loads(os.environ.get("SM_HOSTS", '["algo-1"]'))
        make_part(args, folders, os.environ.get("SM_CURRENT_HOST", hosts[0]), hosts, StopRequest().listen())
    except Stopped:
        print("Stopped; the features computed so far are kept.", flush=True)
    except BaseException as error:
        return report_failure(error, folders)
    return 0


def make_part(args: Namespace, folders: JobFolders, host: str, hosts: Sequence[str], stop: StopRequest) -> None:
    """Write `<SM_MODEL_DIR>/<host>/`.

    Raises:
        JobError: there is nothing to go by, or it cannot be computed.
        Stopped: SIGTERM came.
    """
    lists, shown = _lists(folders)
    preprocessing = preprocessing_for(args, next(iter(lists.values())))
    weights = find(args.backbone, args.weights, args.seed, folders.channels)
    mine = {split: _in_share(samples, len(hosts)) for split, samples in lists.items()}
    wanted = {value for samples in mine.values() for value in samples.hashes}
    print(f"{host}: {len(wanted)} pictures of {sum(map(len, lists.values()))} are computed here.", flush=True)
    stores = (folders.checkpoints or folders.output) / host
    recover = partial(_recover, folders.checkpoints.parent, wanted) if folders.checkpoints is not None else None
    if not args.num_workers and not runtime.has_gpu():
        args.num_workers = READERS * cores()
    store, name, computed = fill_store(args, preprocessing, weights, stores, mine, stop, recover)
    failures, changed = _differing(computed)
    for samples in mine.values():
        if not failures.keys().isdisjoint(samples.hashes):
            samples.check_folder()
    place = folders.model / host
    files = [MATRIX_FILE, INDEX_FILE, *([BACKBONE_STATE] if host == hosts[0] else [])]
    for file in files:
        with replacing(place / file, flushed=False) as unfinished:
            _copy(store.folder / file, unfinished)
    known = [value for value in shown if value in wanted and store.row(value) is not None]
    with replacing(place / KNOWN_ROWS, flushed=False) as unfinished:
        store.matrix[[store.row(value) or 0 for value in known]].tofile(unfinished)
    about = identity(args.backbone, preprocessing, weights, name)
    write_part(place, Part(host, len(store), store.dim, about, tuple(known), failures, changed), [*files, KNOWN_ROWS])


def _lists(folders: JobFolders) -> tuple[dict[str, Samples], list[str]]:
    """Return the pictures that are listed, by split, and the SHA-256 of those that show what known ones look like."""
    channel = folders.channels.get(MANIFEST)
    if channel is None:
        raise JobError("There is no list of pictures: SM_CHANNEL_MANIFEST is not set.")
    splits = [split for split in ("train", "valid", "test") if (channel / f"{split}.json").is_file()]
    if not splits:
        raise JobError(f"There is no list of pictures in {channel}.")
    try:
        shown = [str(value) for value in read_json(channel / KNOWN_LIST)["sha256"]]
    except UNUSABLE as error:
        raise JobError(f"{channel / KNOWN_LIST} cannot be read: {error}.") from error
    return {split: load_list(channel / f"{split}.json", _folder(folders, split)) for split in splits}, shown


def _folder(folders: JobFolders, split: str) -> Path:
    if split not in folders.channels:
        raise JobError(f"There is no channel of the {split} pictures, which are listed.")
    return folders.channels[split]


def _in_share(samples: Samples, machines: int) -> Samples:
    """Return the samples whose files this machine has; a machine that is alone has all, or says why not.

    A folder that is not there is a share without pictures, as of a split that has fewer than there are machines.
    """
    if machines == 1:
        samples.check_folder()
        return samples
    root = str(samples.root)
    here = {
        os.path.relpath(os.path.join(place, name), root).replace(os.sep, "/")
        for place, _, names in os.walk(root)
        for name in names
    }
    return samples.without(index for index, path in enumerate(samples.paths) if path not in here)


def _recover(checkpoints: Path, wanted: set[str], store: FeatureStore) -> None:
    """Copy what this share lacks from other machines' and earlier jobs' stores of that name, as far as it is sound."""
    others = [index.parent for index in sorted(checkpoints.glob(f"*/*/{store.folder.name}/{INDEX_FILE}"))]
    others = [other for other in others if other != store.folder]
    found = sum(store.take_from(FeatureStore(other, store.dim), sorted(wanted)) for other in others)
    if found:
        counted = "1 picture was" if found == 1 else f"{found} pictures were"
        print(f"{counted} computed before and not again.", flush=True)


def _differing(computed: Mapping[str, Row]) -> tuple[dict[str, Failure], dict[str, str]]:
    """Return the pictures that cannot be read, and those whose content is not the one that is listed."""
    failures = {asked: Failure(row.reason, row.sha256) for asked, row in computed.items() if row.reason}
    changed = {asked: row.sha256 for asked, row in computed.items() if not row.reason and row.sha256 != asked}
    return failures, changed


def _copy(source: Path, target: Path) -> None:
    """Copy a file's content; one that is not there, as the matrix of no rows, becomes an empty one."""
    if not source.exists():
        target.touch()
        return
    shutil.copyfile(source, target)


if __name__ == "__main__":
    write_whole_lines()
    sys.exit(main())
