"""Two engines as one: jobs start on the chosen one, and every job is looked after by the engine that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.engine import Endpoint, Engine
from core.errors import JobNotFound
from core.jobs.records import EventBatch, Job, LogChunk, TrainingJob
from core.jobs.specs import Spec
from core.progress import CancelToken, OnProgress, ignore_progress
from core.store import Store

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest


class RoutingEngine(Engine):
    """The `chosen` engine for new jobs, and `others` for the jobs that they run.

    All of them share `store`, whose records say which engine a job belongs to.
    """

    def __init__(self, chosen: Engine, others: Sequence[Engine], store: Store) -> None:
        self.chosen, self._store = chosen, store
        self._engines = {engine.name: engine for engine in (chosen, *others)}
        self.name, self.capabilities = chosen.name, chosen.capabilities

    def engine(self, name: str) -> Engine | None:
        """Return one of the engines by its name."""
        return self._engines.get(name)

    @property
    def notice(self) -> str:
        """Return what the engines have to say."""
        return " ".join(engine.notice for engine in self._engines.values() if engine.notice)

    @property
    def own_script(self) -> str | None:
        """Ask the chosen engine."""
        return self.chosen.own_script

    def stage(
        self, manifest: Manifest, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Mapping[str, str]:
        """Ask the chosen engine."""
        return self.chosen.stage(manifest, on_progress, cancel)

    def start(self, spec: Spec) -> None:
        """Ask the chosen engine."""
        self.chosen.start(spec)

    def stop(self, name: str) -> None:
        """Ask the job's engine."""
        self._of(name).stop(name)

    def resume(self, name: str) -> None:
        """Ask the job's engine."""
        self._of(name).resume(name)

    def delete(self, name: str) -> None:
        """Ask the job's engine."""
        self._of(name).delete(name)

    def set_note(self, name: str, text: str) -> None:
        """Ask the job's engine."""
        self._of(name).set_note(name, text)

    def keep_record(self, name: str) -> None:
        """Ask the job's engine."""
        self._of(name).keep_record(name)

    def refresh(self, timeout_s: float = 30.0) -> None:
        """Ask all engines."""
        for engine in self._engines.values():
            engine.refresh(timeout_s)

    def jobs(self) -> Sequence[Job]:
        """Return the jobs of all engines, newest first."""
        found = [job for engine in self._engines.values() for job in engine.jobs()]
        return sorted(found, key=lambda job: job.created, reverse=True)

    def job(self, name: str) -> Job:
        """Ask the job's engine."""
        return self._of(name).job(name)

    def trials(self, tuning_job: str) -> Sequence[TrainingJob]:
        """Ask the job's engine."""
        return self._of(tuning_job).trials(tuning_job)

    def spec(self, name: str) -> Spec:
        """Ask the job's engine."""
        return self._of(name).spec(name)

    def events(self, since: int = 0, job: str | None = None) -> EventBatch:
        """Ask all engines, which share one store; some of them look at their jobs only then."""
        for engine in self._engines.values():
            if engine is not self.chosen:
                engine.events(self._store.latest_cursor(), job)  # what there is, is read once
        return self.chosen.events(since, job)

    def read_log(self, name: str, offset: int = 0) -> LogChunk:
        """Ask the job's engine."""
        return self._of(name).read_log(name, offset)

    def fetch_artifact(
        self, name: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Path:
        """Ask the job's engine."""
        return self._of(name).fetch_artifact(name, on_progress, cancel)

    def job_folder(self, name: str) -> Path | None:
        """Ask the job's engine; a job that is gone has none."""
        try:
            return self._of(name).job_folder(name)
        except JobNotFound:
            return None

    def log_url(self, name: str) -> str:
        """Ask the job's engine."""
        return self._of(name).log_url(name)

    def endpoints(self) -> Sequence[Endpoint]:
        """Return those of all engines."""
        return [endpoint for engine in self._engines.values() for endpoint in engine.endpoints()]

    def close(self) -> None:
        """Close all of them."""
        for engine in self._engines.values():
            engine.close()

    def _of(self, name: str) -> Engine:
        return self._engines.get(self._store.engine_of(name), self.chosen)
