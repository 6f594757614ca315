"""One trial of a packed search: its folder, its process, and its record, which is on the disk before it is reported.

A trial's folder is in the checkpoint folder, so that what it leaves is in S3 a moment later, and is there again when
a machine that was taken away is replaced by another. It is shaped as the local engine's: model/, output/, log.txt.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from training_scripts.artifact import check, is_head_alone, package
from training_scripts.durable import write_text
from training_scripts.job import SYNCED, JobError, SharedBackbone, hyperparameter_arguments
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.packed.lines import AGAIN, RECORD_FILE, TrialRecord, notice, said_by
from training_scripts.processes import NO_PROCESS, ProcessIdentity, identify
from training_scripts.stopping import Limits, StopTable
from training_scripts.strategies.course import COMPLETED, FAILED, STOPPED
from training_scripts.strategies.objective_curve import ObjectiveCurve
from training_scripts.tail import Tail
from training_scripts.trial_worker import TrialRequest, TrialWorker
from training_scripts.watchdog import SILENCE_S, Watchdog

ARCHIVE, HEAD = "model.tar.gz", "model/"
TRAIN = Path(__file__).resolve().parent.parent / "train.py"


class TrialFolder:
    """The files of one trial."""

    def __init__(self, root: Path) -> None:
        self.root, self.model, self.output = root, root / "model", root / "output"
        self.log, self.checkpoints, self.stop_request = root / "log.txt", root / "checkpoints", root / "stop"

    def create(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.model, self.output / "data", self.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> TrialRecord | None:
        """Return the record; None where there is none that can be read."""
        try:
            return TrialRecord.from_json(read_json(self.root / RECORD_FILE))
        except UNUSABLE:
            return None

    def save(self, record: TrialRecord) -> None:
        """Write the record, whole or not at all."""
        write_text(self.root / RECORD_FILE, record.to_json(), flushed=False)

    def has(self, artifact: str) -> bool:
        """Whether the artifact of its record is there, whole: it may have come to S3 later than the record."""
        if not artifact:
            return True
        try:
            if artifact == HEAD:
                return is_head_alone(self.model)
            check(self.root / artifact)
            return True
        except (JobError, OSError):
            return False

    def pack(self) -> str:
        """Make an archive of a whole model, which takes its folder's place; returns what the trial left."""
        if is_head_alone(self.model):
            return HEAD
        if not any(self.model.iterdir()):
            return ""
        package(self.model, self.root / ARCHIVE, flushed=False)
        shutil.rmtree(self.model, ignore_errors=True)
        self.model.mkdir(exist_ok=True)
        return ARCHIVE

    def variables(
        self,
        name: str,
        hyperparameters: Mapping[str, str],
        channels: Mapping[str, Path],
        cores: int,
        gpu: int | None,
        base: Mapping[str, str] = os.environ,
    ) -> dict[str, str]:
        """Return the job's variables as the trial's own script is to see them; `gpu` is the one that it has."""
        kept = {key: value for key, value in base.items() if not key.startswith(("SM_CHANNEL_", "SM_HP_"))}
        kept.pop(SYNCED, None)  # what it writes is copied to S3 as it is
        return {
            **kept,
            "TRAINING_JOB_NAME": name,
            "SM_BASE_DIR": str(self.root),
            "SM_MODEL_DIR": str(self.model),
            "SM_OUTPUT_DIR": str(self.output),
            "SM_OUTPUT_DATA_DIR": str(self.output / "data"),
            "SM_OUTPUT_FAILURE": str(self.output / "failure"),
            "SM_CHECKPOINT_DIR": str(self.checkpoints),
            "SM_HPS": json.dumps(dict(hyperparameters)),
            "SM_USER_ARGS": json.dumps(hyperparameter_arguments(hyperparameters)),
            "SM_CHANNELS": json.dumps(sorted(channels)),
            **{f"SM_CHANNEL_{channel.upper()}": str(folder) for channel, folder in channels.items()},
            "SM_NUM_CPUS": str(cores),
            "SM_NUM_GPUS": "0" if gpu is None else "1",
            **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": str(gpu)}),
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(cores)),
        }


class TrialProcess(Protocol):
    """What does a trial."""

    identity: ProcessIdentity

    def poll(self) -> int | None:
        """Return the exit status; None while it runs. A process that is gone without one: negative."""

    def terminate(self) -> None:
        """Ask it to save its model and end."""

    def kill(self) -> None:
        """End it at once."""


class WorkerTrial:
    """A trial in a worker, which goes back to `idle` with its end."""

    def __init__(self, worker: TrialWorker, request: TrialRequest, idle: list[TrialWorker]) -> None:
        self._worker, self._idle = worker, idle
        self._code: int | None = None
        self.identity = worker.process.identity
        worker.begin(request)

    def poll(self) -> int | None:
        """See `TrialProcess.poll`."""
        if self._code is None:
            try:
                if (code := self._worker.poll()) is not None:
                    self._idle.append(self._worker)
                    self._code = code
            except EOFError:
                self._worker.close()
                self._code = -1
        return self._code

    def terminate(self) -> None:
        """See `TrialProcess.terminate`."""
        if self._code is None:
            self._worker.process.terminate()

    def kill(self) -> None:
        """See `TrialProcess.kill`."""
        if self._code is None:
            self._worker.process.kill()


class ScriptTrial:
    """A trial in a process of its own: one that trains on pictures."""

    def __init__(self, request: TrialRequest, script: Path = TRAIN) -> None:
        with open(request.log, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(script), *request.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=request.cwd,
                env=dict(request.variables),
            )
        self.identity = identify(self._process.pid) or NO_PROCESS

    def poll(self) -> int | None:
        """See `TrialProcess.poll`."""
        return self._process.poll()

    def terminate(self) -> None:
        """See `TrialProcess.terminate`."""
        self._process.terminate()

    def kill(self) -> None:
        """See `TrialProcess.kill`."""
        self._process.kill()


class RunningTrial:
    """A trial at work: its log is passed on to the job's, its end becomes its record.

    One that stands still is ended and started once more.

    Args:
        record: as it begins.
        folder: its files; what an earlier run of it left of its log is read first.
        regex: finds the objective in a line.
        maximize: whether more is better.
        limits: after which epoch it is too bad to continue.
        silence_s: how long it may neither say nor compute anything.
    """

    def __init__(
        self,
        record: TrialRecord,
        folder: TrialFolder,
        regex: str,
        maximize: bool,
        limits: Limits,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.record, self.folder, self._silence_s = record, folder, silence_s
        self._table = StopTable(limits, regex, maximize)
        self._curve = ObjectiveCurve(regex, maximize, limits)
        self._tail = Tail(folder.log)
        for line in self._tail.new_lines():
            self._curve.read(line)
        self._process: TrialProcess | None = None
        self._stopping = self._why = self._finding = ""
        self._again = False
        self.gpu: int | None = None

    def request(
        self,
        hyperparameters: Mapping[str, str],
        channels: Mapping[str, Path],
        cores: int,
        gpu: int | None,
        shared: SharedBackbone | None,
    ) -> TrialRequest:
        """Return the run of train.py that it is."""
        self.gpu = gpu
        variables = self.folder.variables(self.record.name, hyperparameters, channels, cores, gpu)
        variables |= self._table.to_environment()
        if shared is not None:
            variables |= shared.to_environment()
        arguments = hyperparameter_arguments(hyperparameters)
        return TrialRequest(arguments, variables, str(self.folder.root), str(self.folder.log))

    def begin(self, start: Callable[[], TrialProcess]) -> None:
        """Start its process, and follow it; the record says so, and the job's log."""
        self.record = replace(self.record, started=time.time())
        self._start = start
        self._start_process()

    def _start_process(self) -> None:
        self._process = self._start()
        self._finding = ""
        self._watchdog = Watchdog(self._process.identity, self._silence_s, self.folder.log)
        self.folder.save(self.record)
        print(self.record.to_line(), flush=True)

    def _start_again(self) -> None:
        said = notice(f"The process of {self.record.name} {self._finding}; {AGAIN}")
        print(said, said_by(self.record.number, said), sep="\n", flush=True)
        self._again = True
        self._start_process()

    def stop(self, secondary_status: str = "Stopped", reason: str = "") -> None:
        """Ask it to save its model and end."""
        if not self._stopping and self._process is not None:
            self._stopping, self._why = secondary_status, reason
            self._process.terminate()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()

    def look(self) -> bool:
        """Pass on what it said; True once it has ended, its record written and reported."""
        assert self._process is not None
        code = self._process.poll()
        for line in self._tail.new_lines(ended=code is not None):
            self._curve.read(line)
            print(said_by(self.record.number, line), flush=True)
        if code is None:
            if self._curve.is_beyond:
                self.stop("EarlyStopped")
            elif self.folder.stop_request.exists():  # a rule asked for it
                self.stop(reason=self.folder.stop_request.read_text(encoding="utf-8").strip())
            if (finding := self._watchdog.finding) and not self._finding:
                self._finding = finding
                self._process.kill()
            return False
        if code and self._finding and not (self._again or self._stopping or self._curve.is_beyond):
            self._start_again()
            return False
        self._end(code)
        return True

    def _end(self, code: int) -> None:
        status, secondary, reason = self._judge(code)
        self.record = replace(
            self.record,
            status=status,
            secondary_status=secondary,
            reason=reason,
            objective=self._curve.objective,
            curve=tuple(self._curve.points),
            artifact=self.folder.pack(),
            ended=time.time(),
        )
        shutil.rmtree(self.folder.checkpoints, ignore_errors=True)
        self.folder.save(self.record)

    def _judge(self, code: int) -> tuple[str, str, str]:
        if self._stopping or self._curve.is_beyond:
            return STOPPED, self._stopping or "EarlyStopped", self._why
        if code and self._finding:
            return FAILED, "Failed", f"Its process {self._finding}, for the second time."
        if code < 0:
            return FAILED, "Failed", "Its process ended without a word, perhaps for want of memory."
        if code:
            return FAILED, "Failed", self._failure() or f"The training script ended with exit status {code}."
        if not self._curve.points:
            return FAILED, "Failed", "The objective was never found: its regex matches no line of the log."
        return COMPLETED, "Completed", ""

    def _failure(self) -> str:
        try:
            return (self.folder.output / "failure").read_text(encoding="utf-8", errors="replace")[:1024].strip()
        except OSError:
            return ""
