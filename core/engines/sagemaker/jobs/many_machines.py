"""Frozen features by several machines: each computes its share, and what they leave becomes one channel.

The machines say nothing to each other. Afterwards what is said of their matrices is read, never the matrices: sizes and
SHA-256 of the files, and which row belongs to which picture. What lacks is left to one more job over it alone.

    features/<key>/<first job>/parts/<job>/output/model/<host>/   what a machine left (training_scripts/parts.py)
    features/<key>/<first job>/features.json …                    the channel that names all of them
    checkpoints/features/<key>/<job>/<host>/                      rows while they are computed
    lists/<sha256>/<split>.json, known.json                       the channel `manifest`
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.engines.sagemaker.connection.bucket_layout import CHANNEL_FILE, join, split_uri
from core.engines.sagemaker.connection.bucket_objects import BucketObjects
from core.engines.sagemaker.connection.workspace import Workspace
from core.engines.sagemaker.jobs.definition import MAX_VOLUME_GB, MIN_VOLUME_GB
from core.errors import EngineError, SpecError
from core.translation import plural, tr
from training_scripts.data import Samples, samples_in
from training_scripts.durable import SEAL_FILE
from training_scripts.extraction import BACKBONE_STATE
from training_scripts.feature_store import MATRIX_FILE, read_index, write_lists
from training_scripts.features import about_samples, check_classes
from training_scripts.job import JobError
from training_scripts.left_out import LeftOut, write_left_out
from training_scripts.outside import UNUSABLE, parse_json
from training_scripts.parts import INDEX_FILE, KNOWN_LIST, KNOWN_ROWS, PART_FILE, Part
from training_scripts.row_matrix import MatrixFile, files_in
from training_scripts.unknown import MOST_POINTS, learn_known, some_of_each

SPLITS = ("train", "valid", "test")
FEATURES_FILE = "features.json"
_logger = logging.getLogger(__name__)

Lists = Mapping[str, Mapping[str, Any]]
"""The manifests of the picture channels, by split."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A part that is whole: its folder as seen from the channel, what it says, and its rows' SHA-256 and CRC-32."""

    folder: str
    part: Part
    hashes: Sequence[str]
    checks: Any
    known: Any


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of the parts: the channel's address, or the SHA-256 of the pictures that lack.

    `whole`: how many parts one more job can be put beside; none where some were computed in another way, for that job
    might be computed in another way too. `changed`: how many pictures are not what the list says. `picture`: the path
    of one that lacks.
    """

    uri: str
    lacking: frozenset[str] = frozenset()
    whole: int = 0
    changed: int = 0
    picture: str = ""


def pictures_in(lists: Lists) -> int:
    """Return how many different pictures are listed."""
    return len(_listed(lists))


def machines_for(lacking: int, listed: int, machines: int) -> int:
    """Return how many machines compute what lacks in about the time that all of them would have taken."""
    return max(1, math.ceil(machines * lacking / max(1, listed)))


def volume_for_features(pictures: int, dim: int) -> int:
    """Return the GB of a disk for lists, rows of the job before, and a machine's own twice; no picture lies on it."""
    return min(MAX_VOLUME_GB, max(MIN_VOLUME_GB, 10 + math.ceil(3 * pictures * (4 * dim + 500) / 1e9)))


def spread(request: Mapping[str, Any], splits: Collection[str]) -> dict[str, Any]:
    """Return the request of a features job so that each machine reads its share of the pictures as it needs them."""
    machines = request["ResourceConfig"]["InstanceCount"]
    channels = []
    for channel in request["InputDataConfig"]:
        if channel["ChannelName"] in splits:
            source = channel["DataSource"]["S3DataSource"]
            # One machine has all of them under either word; this one lets it look for a key without a listing.
            divided = "ShardedByS3Key" if machines > 1 else "FullyReplicated"
            source = {"S3DataSource": {**source, "S3DataDistributionType": divided}}
            channel = {**channel, "DataSource": source, "InputMode": "FastFile"}
        channels.append(channel)
    output = {**request["OutputDataConfig"], "CompressionType": "NONE"}
    return {**request, "InputDataConfig": channels, "OutputDataConfig": output}


class FeatureParts:
    """Reads and writes what the machines of features jobs need and leave, in the bucket of a workspace."""

    def __init__(self, objects: BucketObjects, workspace: Workspace) -> None:
        self._objects, self._workspace = objects, workspace

    def lists(self, channels: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Return the manifests of picture channels.

        Raises:
            SpecError: a channel has none, or it does not say what the pictures contain.
        """
        found: dict[str, dict[str, Any]] = {}
        for split in SPLITS:
            if split not in channels:
                continue
            bucket, prefix = split_uri(channels[split])
            text = self._objects.get(join(prefix, CHANNEL_FILE), bucket)
            try:
                data: Any = None if text is None else parse_json(text)
                whole = data is not None and all(item["sha256"] and item["path"] for item in data["pictures"])
                if not whole or "levels" not in data or (len(data["pictures"]) and not data["classes"]):
                    raise ValueError
            except UNUSABLE:
                raise SpecError(
                    tr("Several machines cannot compute the features of {place}.").format(place=channels[split]),
                    tr("They divide the pictures by the list that an upload by Sagehound writes beside them."),
                    tr("Upload the dataset, or choose one machine."),
                    field="feature_machines",
                ) from None
            if data["pictures"]:
                found[split] = data
        return found

    def put_lists(self, lists: Lists, only: Collection[str] | None = None) -> str:
        """Put the channel that lists the pictures, or `only` some of them, into S3; returns its address."""
        shown = _shown(lists["train"]) if "train" in lists else []
        files = {KNOWN_LIST: json.dumps({"sha256": shown})}
        for split, data in lists.items():
            kept = [item for item in data["pictures"] if only is None or item["sha256"] in only]
            if kept:
                files[f"{split}.json"] = json.dumps({**data, "pictures": kept}, ensure_ascii=False)
        digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
        for name, text in files.items():
            self._objects.put_once(self._workspace.key("lists", digest, name), text.encode("utf-8"))
        return self._workspace.uri("lists", digest)

    def parts_uri(self, key: str, first: str) -> str:
        """Return where jobs that compute the features of a key leave their parts; `first` names the first of them."""
        return self._workspace.uri("features", key, first, "parts")

    def checkpoints(self, key: str) -> str:
        """Return the checkpoint prefix of all jobs that compute the features of a key."""
        return f"{self._workspace.uri('checkpoints', 'features', key)}/"

    def has_begun(self, key: str, job: str) -> bool:
        """Whether a job has kept rows in its checkpoints."""
        prefix = self._workspace.key("checkpoints", "features", key, job)
        return any(name.endswith(f"/{INDEX_FILE}") for name in self._objects.sizes(f"{prefix}/"))

    def has_matrices(self, folder: str) -> bool:
        """Whether a channel of features in S3 has its list, and all files that it names with the sizes that it says."""
        text = self._objects.get(f"{folder}/{FEATURES_FILE}")
        if text is None:
            return False
        try:
            about = parse_json(text)
            matrices = files_in(about) if "matrices" in about else []  # earlier versions say no sizes
            row = 4 * int(about["dim"]) if matrices else 0
            network = str(about["backbone_state"])
        except UNUSABLE:
            return False
        sizes = self._objects.sizes(f"{folder}/")
        has_network = network.startswith("/") or sizes.get(network, 0) > 0
        return has_network and all(
            size == item.rows * row if item.sha256 else size >= item.rows * row
            for item in matrices
            if not item.file.startswith("/")
            for size in [sizes.get(item.file, -1)]
        )

    def join(self, lists: Lists, key: str, first: str, last: bool = False) -> Joined:
        """Make one channel of the parts that are there, if nothing lacks.

        Args:
            last: no more job follows: pictures are left out although the fault may have been in the reading alone.

        Raises:
            EngineError: there is nothing to tell apart, or S3 refused.
        """
        base = self._workspace.key("features", key, first)
        found = self._whole_parts(f"{base}/")
        parts = self._alike(found)
        lacking = _lacking(lists, parts, last)
        if not any(BACKBONE_STATE in found.part.files for found in parts):
            lacking = lacking or {next(iter(_listed(lists)))}  # whoever computes it leaves the network too
        if lacking:
            picture = next(path for value, path in _listed(lists).items() if value in lacking)
            whole = len(parts) if len(parts) == len(found) else 0
            return Joined("", frozenset(lacking), whole, picture=picture)
        with tempfile.TemporaryDirectory(prefix="sagehound-features-") as place:
            folder = Path(place)
            try:
                _write(folder, lists, parts)
            except JobError as error:
                raise EngineError(str(error)) from error
            # What says that the others are there comes last.
            of_all = (SEAL_FILE, FEATURES_FILE)
            for file in sorted(folder.iterdir(), key=lambda file: (file.name in of_all, file.name)):
                self._objects.put(join(base, file.name), file.read_bytes())
        changed = len(_listed(lists).keys() & {value for found in parts for value in found.part.changed})
        return Joined(self._workspace.uri("features", key, first), whole=len(parts), changed=changed)

    def _whole_parts(self, base: str) -> list[_Found]:
        """Return the parts below a prefix whose files have the sizes, and as far as they are read the SHA-256, told."""
        sizes = self._objects.sizes(base)
        found = []
        for name in sorted(sizes):
            if not name.endswith(f"/{PART_FILE}"):
                continue
            folder = name.removesuffix(f"/{PART_FILE}")
            try:
                part = Part.from_json(self._objects.get(f"{base}{name}") or b"")
                wrong = [item for item, told in part.files.items() if sizes.get(f"{folder}/{item}") != told.bytes]
                index = self._checked(f"{base}{folder}", INDEX_FILE, part)
                known = self._checked(f"{base}{folder}", KNOWN_ROWS, part)
                hashes, checks = read_index(index)
                if wrong or MATRIX_FILE not in part.files or len(hashes) != part.rows:
                    raise ValueError(f"{', '.join(wrong) or INDEX_FILE} is not whole")
                shown = np.frombuffer(known, "<f4").reshape(len(part.known), part.dim)
            except UNUSABLE as error:
                _logger.warning("%s%s is left out: %s", base, folder, error)
                continue
            found.append(_Found(folder, part, hashes, checks, shown))
        return found

    def _checked(self, folder: str, name: str, part: Part) -> bytes:
        content = self._objects.get(f"{folder}/{name}") or b""
        if hashlib.sha256(content).hexdigest() != part.files[name].sha256:
            raise ValueError(f"{name} is not what it was")
        return content

    @staticmethod
    def _alike(parts: list[_Found]) -> list[_Found]:
        """Return the parts whose numbers depend on the same as most rows do."""
        rows: Counter[str] = Counter()
        for found in parts:
            rows[_basis(found.part)] += found.part.rows
        most = max(rows, key=lambda basis: rows[basis], default="")
        kept = [found for found in parts if not found.part.rows or _basis(found.part) == most]
        if len(kept) < len(parts):
            _logger.warning("%d parts were computed in another way and are left out", len(parts) - len(kept))
        return kept


def lacking_text(joined: Joined) -> str:
    """Return the sentences about pictures that are left without features after the last job."""
    return plural(
        "The machines left {count:,} picture without features: {picture}. Start it again: what was computed is kept "
        "where it fits.",
        "The machines left {count:,} pictures without features, {picture} among them. Start it again: what was "
        "computed is kept where it fits.",
        len(joined.lacking),
        picture=joined.picture,
    )


def changed_text(count: int) -> str:
    """Return the sentence about pictures whose content is not the one that is listed."""
    return plural(
        "{count:,} picture changed after the scan; it is used as it is now.",
        "{count:,} pictures changed after the scan; they are used as they are now.",
        count,
    )


def _listed(lists: Lists) -> dict[str, str]:
    """Return the SHA-256 of all pictures, each once, in order, with a path."""
    return {str(item["sha256"]): str(item["path"]) for data in lists.values() for item in data["pictures"]}


def _shown(train: Mapping[str, Any]) -> list[str]:
    """Return the SHA-256 of the pictures that show what known ones look like: the same as on one machine."""
    labels = np.array([item["label"] for item in train["pictures"]], dtype=np.int64)
    return [train["pictures"][place]["sha256"] for place in some_of_each(labels, MOST_POINTS).tolist()]


def _basis(part: Part) -> str:
    return json.dumps(part.about, sort_keys=True)


def _lacking(lists: Lists, parts: Sequence[_Found], last: bool) -> set[str]:
    there = {value for found in parts for value in found.hashes}
    for found in parts:
        there |= {asked for asked, now in found.part.changed.items() if now in there}
        # What could not be read once, as from a mount that dropped, may be read by another job.
        there |= {asked for asked, failure in found.part.failures.items() if last or failure.sha256}
    return set(_listed(lists)) - there


def _write(folder: Path, lists: Lists, parts: Sequence[_Found]) -> None:
    """Write a channel's files but for its matrices, which it names.

    Raises:
        JobError: the train pictures that can be read are of one class.
    """
    row_of: dict[str, int] = {}
    changed: dict[str, str] = {}
    failures = {asked: failure for found in parts for asked, failure in found.part.failures.items()}
    matrices: list[MatrixFile] = []
    start = 0
    for found in parts:
        file = found.part.files[MATRIX_FILE]
        matrices.append(MatrixFile(f"{found.folder}/{MATRIX_FILE}", start, found.part.rows, file.sha256))
        row_of |= {value: start + row for row, value in enumerate(found.hashes)}
        changed |= found.part.changed
        start += found.part.rows
    checks = np.concatenate([found.checks for found in parts])
    splits: dict[str, Samples] = {}
    rows: dict[str, tuple[Any, Any]] = {}
    left_out: dict[str, list[LeftOut]] = {}
    for split, data in lists.items():
        channel = Path(f"/opt/ml/input/data/{split}")  # as a job sees it
        samples = samples_in(data, channel / CHANNEL_FILE, channel)
        now = [changed.get(value, value) for value in samples.hashes]
        gone = {
            at: LeftOut(samples.paths[at], failures[value].reason, failures[value].sha256)
            for at, value in enumerate(samples.hashes)
            if now[at] not in row_of and value in failures
        }
        numbers = np.array([row_of[value] for at, value in enumerate(now) if at not in gone], dtype=np.int64)
        left_out[split], rows[split] = list(gone.values()), (numbers, checks[numbers])
        splits[split] = samples.without(gone)
    if "train" in splits:
        check_classes(splits["train"])
    first = next(iter(splits.values()))
    about = next((found.part.about for found in parts if found.part.rows), parts[0].part.about)
    state = next(found for found in parts if BACKBONE_STATE in found.part.files)
    write_left_out(folder, left_out)
    dim = parts[0].part.dim
    whole = {**about, **about_samples(first), "backbone_state": f"{state.folder}/{BACKBONE_STATE}"}
    write_lists(folder, matrices, dim, splits, rows, _known(lists, parts, dim), whole)


def _known(lists: Lists, parts: Sequence[_Found], dim: int) -> Any:
    """Return what known pictures look like, by the rows that the machines left of some."""
    if "train" not in lists:
        return None
    rows = {value: row for found in parts for value, row in zip(found.part.known, found.known, strict=True)}
    wanted = [value for value in _shown(lists["train"]) if value in rows]
    features = np.stack([rows[value] for value in wanted]) if wanted else np.zeros((0, dim), np.float32)
    return learn_known(features, wanted)
