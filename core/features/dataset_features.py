"""The frozen features of a scanned dataset's pictures, labelled or not, from the store that jobs use too."""

from __future__ import annotations

import hashlib
import queue
import re
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from core.dataset.manifest import Entry, Manifest
from core.dataset.records import Picture, Scan
from core.errors import EngineError
from core.jobs.contract import JobFolder, environment, failure_reason, inherited_environment
from core.paths import ROOT, AppPaths
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.python import script_command
from training_scripts.backbones import DEFAULT_BACKBONE
from training_scripts.data import cores
from training_scripts.feature_store import FeatureSet, read_channel
from training_scripts.job import Interruption, JobError
from training_scripts.pictures.levels import common

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNEL = "pictures"
_SCRIPT = ROOT / "training_scripts" / "features.py"
_PROGRESS = re.compile(r"features (\d+)/(\d+)")
_TICK_S = 0.1
_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class PictureFeatures:
    """Features of pictures: row i of `matrix` (N, dim), of length 1, belongs to `pictures[i]`.

    Pictures that cannot be decoded are not among them.
    """

    pictures: tuple[Picture, ...]
    matrix: NDArray[np.float32]
    backbone: str

    def __len__(self) -> int:
        return len(self.pictures)


def dataset_features(
    scan: Scan,
    paths: AppPaths,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    backbone: str = DEFAULT_BACKBONE,
) -> PictureFeatures:
    """Return the features of every picture of a scan; what no job has computed before is computed now.

    Raises:
        EngineError: they could not be computed; says why.
        Cancelled: through `cancel`; what was computed so far is kept.
    """
    manifest = _manifest(scan)
    key = hashlib.sha256(f"{scan.root}\0{backbone}".encode()).hexdigest()[:16]
    folder = JobFolder(paths.datasets / "features" / key).create()
    channel, output = folder.data / CHANNEL, folder.output_data
    manifest.write_channel("train", channel)
    found = _known(output, manifest)
    if found is None:
        on_progress(Progress(0, len(manifest.pictures), "Computing features", "pictures"))
        _compute(folder, channel, output, backbone, paths, on_progress, cancel or CancelToken())
        found = _known(output, manifest)
    if found is None:
        raise EngineError("The features could not be computed.", "They are damaged on the disk.", "Try again.")
    row_of = dict(zip(found.paths, found.rows.tolist(), strict=True))
    of_content = {entry.sha256: row_of[entry.path] for entry in manifest.pictures if entry.path in row_of}
    kept = tuple(picture for picture in scan.pictures if picture.sha256 in of_content)
    matrix = np.asarray(found.matrix[[of_content[picture.sha256] for picture in kept]], dtype=np.float32)
    matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return PictureFeatures(kept, matrix, backbone)


def _manifest(scan: Scan) -> Manifest:
    """Return one entry for each content, all in one channel and one class, for features know nothing of labels."""
    first = {picture.sha256: picture.path for picture in reversed(scan.pictures)}
    levels = [picture.levels for picture in scan.pictures if picture.levels]
    entries = (Entry(path, 0, "train", sha256) for sha256, path in first.items())
    return Manifest.build(scan.root, (CHANNEL,), entries, levels=common(levels) if levels else None)


def _known(output: Path, manifest: Manifest) -> FeatureSet | None:
    """Return the features where they were computed for exactly these pictures and are whole."""
    with suppress(JobError, Interruption, OSError):
        channel = read_channel(output)
        if channel.dataset_version == manifest.version:
            return channel.sets[CHANNEL]
    return None


def _compute(
    folder: JobFolder,
    channel: Path,
    output: Path,
    backbone: str,
    paths: AppPaths,
    on_progress: OnProgress,
    cancel: CancelToken,
) -> None:
    arguments = {"backbone": backbone, "store": str(paths.features), "output": str(output)}
    variables = environment("features", folder, _SCRIPT, arguments, {CHANNEL: str(channel)}, cores())
    words = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    with suppress(FileNotFoundError):
        folder.failure.unlink()
    process = subprocess.Popen(
        script_command(_SCRIPT, *words),
        env=inherited_environment() | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(process.stdout, lines), name="features", daemon=True).start()
    said: list[str] = []
    try:
        while True:
            cancel.raise_if_cancelled()
            try:
                line = lines.get(timeout=_TICK_S)
            except queue.Empty:
                continue
            if line is None:
                break
            said.append(line)
            if found := _PROGRESS.match(line):
                on_progress(Progress(int(found[1]), int(found[2]), "Computing features", "pictures"))
    except BaseException:
        process.terminate()  # it keeps what it has computed
        raise
    finally:
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.returncode:
        folder.log.write_text("".join(said[-200:]), encoding="utf-8")
        raise EngineError("The features could not be computed.", failure_reason(folder, process.returncode))


def _read_lines(stream: IO[str], lines: queue.SimpleQueue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)
