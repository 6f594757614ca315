"""The interface between what people ask for and who does it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.jobs.records import EventBatch, Job, LogChunk, TrainingJob
from core.jobs.specs import Spec, Strategy
from core.progress import CancelToken, OnProgress, ignore_progress

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; the window shows and hides by it, never by the engine's class."""

    costs_money: bool = False
    deploys: bool = False
    warm_start: bool = True
    resumes: bool = False
    packs: bool = False
    strategies: tuple[Strategy, ...] = tuple(Strategy)
    grid_takes_integers: bool = False
    max_parallel_jobs: int = 10


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A deployed model. `hourly_usd` and `expires` (Unix seconds) are None where they do not apply.

    `container` is what answers there, "" where that is not known; `log_url` the page of its log. `deletion_pending`:
    it is deleted as soon as the cloud lets it. `notice` says what became of its last update, where that failed.
    """

    name: str
    status: str
    created: float
    model_job: str = ""
    instance_type: str = ""
    hourly_usd: float | None = None
    expires: float | None = None
    ours: bool = True
    failure_reason: str = ""
    container: str = ""
    log_url: str = ""
    deletion_pending: bool = False
    notice: str = ""


class Engine(ABC):
    """Runs training jobs and tuning jobs, and tells what became of them.

    Threads: every method may be called from any thread and from several at once, except the UI thread: each may
    touch disk or network. Records handed out are frozen and never change afterwards.

    States: a job goes InProgress → Completed | Failed | Stopped, by way of Stopping when it was asked to stop. A
    final status never changes, except through `resume`. Jobs belong to no one's process: they continue when the caller
    ends, and any later process with the same store sees them.

    Errors: `UserFacingError` and its kinds only; anything else is a defect.
    """

    name: str
    capabilities: Capabilities

    @property
    def notice(self) -> str:
        """Return a sentence for the user while the engine cannot do its work (a login has ended, say), else empty."""
        return ""

    @property
    def own_script(self) -> str | None:
        """Return the source of the user's own training script; None where jobs run Sagehound's."""
        return None

    @abstractmethod
    def stage(
        self, manifest: Manifest, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Mapping[str, str]:
        """Put a dataset version where jobs can read it; returns a spec's `channels`. Idempotent.

        Raises:
            Cancelled: through `cancel`; what was staged stays and is not staged again.
        """

    @abstractmethod
    def start(self, spec: Spec) -> None:
        """Start a job and return at once.

        Raises:
            SpecError: the name is taken or the spec asks for what this engine cannot do.
        """

    @abstractmethod
    def stop(self, name: str) -> None:
        """Ask a job (with all its trials) to stop; finished trials and their models stay. Idempotent."""

    @abstractmethod
    def resume(self, name: str) -> None:
        """Let a tuning job that was interrupted or stopped continue with the trials it still has.

        Raises:
            EngineError: it is running, it has done all its trials, or this engine cannot (`capabilities.resumes`).
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Forget a finished job and remove its files.

        Raises:
            EngineError: the job is running.
        """

    @abstractmethod
    def set_note(self, name: str, text: str) -> None:
        """Keep the user's note on a job or trial, in any state; it is the record's `note` from then on.

        Raises:
            JobNotFound: there is none of that name.
        """

    @abstractmethod
    def keep_record(self, name: str) -> None:
        """Write the job's own record again, where there is one: what the user calls it has changed, or where it stands.

        Raises:
            JobNotFound: there is none of that name.
        """

    @abstractmethod
    def jobs(self) -> Sequence[Job]:
        """Return tuning jobs and single training jobs (no trials), newest first."""

    @abstractmethod
    def job(self, name: str) -> Job:
        """Describe one job or trial.

        Raises:
            JobNotFound: there is none of that name.
        """

    @abstractmethod
    def trials(self, tuning_job: str) -> Sequence[TrainingJob]:
        """Return the trials of a tuning job, in the order they were started."""

    @abstractmethod
    def spec(self, name: str) -> Spec:
        """Return the spec a job was started with; a trial's own, ready to be trained again under another name."""

    @abstractmethod
    def events(self, since: int = 0, job: str | None = None) -> EventBatch:
        """Return what happened after the cursor `since`, of all jobs or of one (with its trials).

        At most 20,000 events.
        """

    def latest_cursor(self) -> int:
        """Return the cursor after everything recorded so far: `events` from there on tells only what is new."""
        batch = self.events()
        while batch.events:
            batch = self.events(batch.cursor)
        return batch.cursor

    @abstractmethod
    def read_log(self, name: str, offset: int = 0) -> LogChunk:
        """Return whole log lines of a training job from a byte offset on, at most 1 MiB; empty when nothing is new."""

    @abstractmethod
    def fetch_artifact(
        self, name: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Path:
        """Return the folder that model.tar.gz of a finished training job unpacks to, on this machine.

        Raises:
            ModelError: the job has no model.
        """

    def job_folder(self, name: str) -> Path | None:
        """Return where this job's output (tensors, profiler files) can be read on this machine; None if nowhere yet."""
        return None

    def log_url(self, name: str) -> str:
        """Return the page on which the whole log of a job can be read in a browser; "" where there is none."""
        return ""

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the endpoints there are; none on an engine that cannot deploy."""
        return ()

    def refresh(self, timeout_s: float = 30.0) -> None:  # noqa: B027 - most engines know at once
        """Learn how unfinished jobs are, for a caller that asks once and ends; may take up to `timeout_s` seconds."""

    def close(self) -> None:  # noqa: B027 - most engines hold nothing open
        """Release connections and threads; jobs continue."""
