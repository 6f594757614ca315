"""The frozen features of a scanned dataset's pictures, labelled or not, from the store that jobs use too."""

from __future__ import annotations

import hashlib
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.dataset.manifest import Entry, Manifest
from core.dataset.records import Picture, Scan
from core.errors import EngineError
from core.jobs.contract import JobFolder, environment, failure_reason, inherited_environment
from core.paths import ROOT, AppPaths
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.python import script_command
from core.translation import tr
from training_scripts.backbones import DEFAULT_BACKBONE
from training_scripts.data import cores
from training_scripts.feature_store import FeatureSet, read_channel
from training_scripts.job import Interruption, JobError
from training_scripts.pictures.levels import common
from training_scripts.processes import NO_PROCESS, identify
from training_scripts.watchdog import SILENCE_S, Watchdog

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNEL = "pictures"
_SCRIPT = ROOT / "training_scripts" / "features.py"
_PROGRESS = re.compile(r"^features (\d+)/(\d+) ", re.MULTILINE)
_TICK_S = 0.1
_GRACE_S = 10.0
_WORDLESS_S = 1800.0
"""So long the script may compute without a word: a large backbone on few cores converts for minutes."""


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
        on_progress(Progress(0, len(manifest.pictures), tr("Computing features"), "pictures"))
        _compute(folder, channel, output, backbone, paths, on_progress, cancel or CancelToken())
        found = _known(output, manifest)
    if found is None:
        raise EngineError(
            tr("The features could not be computed."), tr("They are damaged on the disk."), tr("Try again.")
        )
    row_of = dict(zip(found.paths, found.rows.tolist(), strict=True))
    of_content = {entry.sha256: row_of[entry.path] for entry in manifest.pictures if entry.path in row_of}
    kept = tuple(picture for picture in scan.pictures if picture.sha256 in of_content)
    matrix = found.matrix[[of_content[picture.sha256] for picture in kept]]
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
    script: Path = _SCRIPT,
    silence_s: float = SILENCE_S,
) -> None:
    arguments = {"backbone": backbone, "store": str(paths.features), "output": str(output)}
    variables = environment("features", folder, script, arguments, {CHANNEL: str(channel)}, cores())
    words = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    for last in (False, True):
        with suppress(FileNotFoundError):
            folder.failure.unlink()
        with folder.log.open("wb") as log:
            process = subprocess.Popen(
                script_command(script, *words),
                env=inherited_environment() | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        finding = _follow(process, folder.log, on_progress, cancel, silence_s)
        if finding and last:
            why = tr("The process that computes them {finding}, for the second time.").format(finding=finding)
            raise EngineError(
                tr("The features could not be computed."), why, tr("{log} says what it was at.").format(log=folder.log)
            )
        if not finding:
            break
        on_progress(
            Progress(
                0, None, tr("The process that computes features {finding} and is started again").format(finding=finding)
            )
        )
    if process.returncode:
        raise EngineError(tr("The features could not be computed."), failure_reason(folder, process.returncode))


def _follow(
    process: subprocess.Popen[bytes], log: Path, on_progress: OnProgress, cancel: CancelToken, silence_s: float
) -> str:
    """Follow the features script to its end; returns why it had to be ended, "" where it was not."""
    watchdog = Watchdog(identify(process.pid) or NO_PROCESS, silence_s, log, _WORDLESS_S)
    try:
        with log.open(encoding="utf-8", errors="replace") as said:
            while process.poll() is None:
                cancel.raise_if_cancelled()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_TICK_S)
                for found in _PROGRESS.finditer(said.read()):
                    on_progress(Progress(int(found[1]), int(found[2]), tr("Computing features"), "pictures"))
                if finding := watchdog.finding:
                    process.kill()
                    return finding
    except BaseException:
        process.terminate()  # it keeps what it has computed
        raise
    finally:
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return ""
