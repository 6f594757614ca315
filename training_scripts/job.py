"""The job's side of SageMaker's container contract: the `SM_*` variables, the failure file, the request to stop."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from training_scripts.durable import is_no_room, write_text

SYNCED = "SAGEHOUND_SYNCED"
"""Set in a job on SageMaker, where the checkpoint folder, if there is one, is copied to S3 while it runs: "job" if it
is this job's alone, "trials" if all trials of a tuning job share it, and each fetches all that is there."""

SHARED_BACKBONE = "SAGEHOUND_SHARED_BACKBONE"
"""Set in a trial that may leave its head alone: `<SHA-256> <file>` of the state_dict of its frozen backbone."""

MONITORED = "monitored"
"""The folder in SM_OUTPUT_DATA_DIR that a trial on SageMaker is watched in."""

FAILURE_REASON_LENGTH = 1024
"""Of the failure file SageMaker shows this many characters."""


EXIT_FAILED, EXIT_INTERRUPTED = 1, 75
"""How a script ends that cannot continue: for good, or (EX_TEMPFAIL of sysexits.h) until it is mended."""


def hyperparameter_arguments(hyperparameters: Mapping[str, str]) -> list[str]:
    """Return the arguments of the script: `--name value …`, sorted by name as the containers do it."""
    return [part for name in sorted(hyperparameters) for part in (f"--{name}", hyperparameters[name])]


class JobError(Exception):
    """The job cannot continue; the message is one plain sentence for the one who started it."""


class Interruption(JobError):
    """Something outside the job keeps it from continuing: once that is mended, the same job can be done."""


@dataclass(frozen=True, slots=True)
class SharedBackbone:
    """The file with the state_dict of the backbone that all trials of a search have, and its SHA-256."""

    file: Path
    sha256: str

    def to_environment(self) -> dict[str, str]:
        """Return the variable that tells a trial of it."""
        return {SHARED_BACKBONE: f"{self.sha256} {self.file}"}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> SharedBackbone | None:
        """Read the variable; None where a job is to leave a whole model."""
        sha256, _, file = environ.get(SHARED_BACKBONE, "").partition(" ")
        return cls(Path(file), sha256) if file else None


@dataclass(frozen=True, slots=True)
class JobFolders:
    """Where a job reads and writes: `SM_*` where set, else the places of a container.

    `channels` maps the names of the channels that exist (train, valid, test, features, weights) to their folders;
    `checkpoints` is None where the job has no such folder. `monitored` is where tensors and profiler files are written;
    `synced` is the value of `SYNCED`.
    """

    channels: Mapping[str, Path]
    model: Path
    output: Path
    output_data: Path
    checkpoints: Path | None
    synced: str = ""

    @property
    def monitored(self) -> Path:
        """Return SM_OUTPUT_DIR; on SageMaker what goes to S3: while a single job runs, or at the end of a trial."""
        if self.synced == "job" and self.checkpoints is not None:
            return self.checkpoints / "output"
        return self.output_data / MONITORED if self.synced else self.output

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> JobFolders:
        """Read the `SM_*` variables."""
        output = Path(environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
        checkpoints = Path(environ.get("SM_CHECKPOINT_DIR", "/opt/ml/checkpoints"))
        synced = environ.get(SYNCED, "")
        if synced and checkpoints.is_dir():
            checkpoints /= environ.get("TRAINING_JOB_NAME", "job")
            checkpoints.mkdir(exist_ok=True)
        channels = {
            name.removeprefix("SM_CHANNEL_").lower(): Path(folder)
            for name, folder in environ.items()
            if name.startswith("SM_CHANNEL_") and folder
        }
        return cls(
            channels=channels,
            model=Path(environ.get("SM_MODEL_DIR", "/opt/ml/model")),
            output=output,
            output_data=Path(environ.get("SM_OUTPUT_DATA_DIR", output / "data")),
            checkpoints=checkpoints if checkpoints.is_dir() else None,
            synced=synced,
        )


class StopRequest:
    """SIGTERM as a flag that the training looks at after every step."""

    def __init__(self) -> None:
        self.requested = False

    def listen(self) -> StopRequest:
        """Take SIGTERM; only the main thread can, elsewhere nothing changes. Returns itself."""
        try:
            signal.signal(signal.SIGTERM, self._on_signal)
        except ValueError:
            return self
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True


def report_failure(error: BaseException, folders: JobFolders) -> int:
    """Write the failure file: one sentence, then the end of the traceback; also on stderr. Never raises.

    Returns the exit status: `EXIT_INTERRUPTED` where the job can be done once something outside it is mended.
    """
    if is_no_room(error):
        error = Interruption(no_room(error)).with_traceback(error.__traceback__)
    if isinstance(error, JobError):
        sentence = str(error)
    elif isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        sentence = "The memory was not enough; a smaller batch_size needs less."
    elif isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        sentence = f"{error.strerror}{place}."
    else:
        sentence = f"{type(error).__name__}: {' '.join(str(error).split())[:400] or 'no message'}"
    trace = "".join(traceback.format_exception(error))
    try:
        print(trace, file=sys.stderr)
        print(f"The job failed: {sentence}", file=sys.stderr, flush=True)
    except OSError:
        _silence()
    try:
        folders.output.mkdir(parents=True, exist_ok=True)
        room = max(FAILURE_REASON_LENGTH - len(sentence) - 2, 0)
        frames = "".join(traceback.format_tb(error.__traceback__))  # the message itself is in the sentence
        tail = "" if isinstance(error, JobError) or room == 0 else frames[-room:]
        write_text(folders.output / "failure", f"{sentence}\n\n{tail}".rstrip() + "\n", flushed=False)
    except OSError as problem:
        with suppress(OSError):
            print(f"The failure file could not be written: {problem}", file=sys.stderr, flush=True)
    return EXIT_INTERRUPTED if isinstance(error, Interruption) else EXIT_FAILED


def _silence() -> None:
    """Write no log any more: it is on the full disk, and what waits for it would change the exit status."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def no_room(error: BaseException) -> str:
    """Return the sentence about an error of a full disk (`durable.is_no_room`)."""
    while not isinstance(error, OSError) and (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    return f"The disk is full{place}."
