"""From a job's model to an endpoint: rehearsed here, brought to the bucket where it is not there yet, then created."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core.cloud.hosting import Container, EndpointBusy, Hosting, Rehearsal
from core.engines.sagemaker.connection.connect import role_arn
from core.engines.sagemaker.connection.workspace import Workspace
from core.engines.sagemaker.endpoints.endpoints import Endpoints
from core.engines.sagemaker.endpoints.lifetimes import EndpointLifetimes, Watched
from core.engines.sagemaker.endpoints.model_archive import Archive, fit_for, upload_archive, with_our_code
from core.engines.sagemaker.endpoints.rehearsal import rehearse
from core.engines.sagemaker.jobs.creation import OutcomeUnknown
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.tracking.artifacts import fetch_model
from core.errors import ModelError
from core.jobs.contract import JobFolder
from core.jobs.head_models import write_archive
from core.jobs.records import TrainingJob
from core.models.threshold import moved_to
from core.paths import AppPaths
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.store import Store
from core.translation import tr

_Start = Callable[[str, str], None]


class Deployer:
    """Deploys jobs of the store, wherever they were trained."""

    def __init__(
        self, paths: AppPaths, store: Store, workspace: Workspace, hosted: Endpoints, lifetimes: EndpointLifetimes
    ) -> None:
        self._paths, self._store, self._workspace = paths, store, workspace
        self._hosted, self._lifetimes, self._aws = hosted, lifetimes, hosted.aws

    def create(
        self,
        job: str,
        name: str,
        hosting: Hosting,
        picture: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        trusted: bool = False,
    ) -> Rehearsal:
        """Create the endpoint `name`, which serves the model of a training job.

        `trusted`: also with code that is not Sagehound's, of a job that was adopted.

        Raises:
            StrangersCode: it has such code, and cannot be served without it.
            ModelError: the job has no model, or the rehearsal failed; nothing was created.
            EngineError: AWS refused; nothing was created.
            Cancelled: through `cancel`; nothing was created.
        """

        def start(uri: str, role: str) -> None:
            if hosting.lifetime_s is not None:
                self._lifetimes.remember(name, time.time() + hosting.lifetime_s)
            with self._kept(name, Watched()):
                self._hosted.create(name, job, uri, role, self._as_moved(job, hosting))

        return self._prepare(job, hosting.runs_in, picture, start, on_progress, cancel, trusted)

    def update(
        self,
        job: str,
        name: str,
        hosting: Hosting,
        picture: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        trusted: bool = False,
    ) -> Rehearsal:
        """Put the model of another training job behind the endpoint `name`, which keeps answering meanwhile.

        Raises:
            EndpointBusy: it is being created or updated.
            ModelError: the job has no model, or the rehearsal failed; nothing has changed.
            EngineError: AWS refused; nothing has changed.
            Cancelled: through `cancel`; nothing has changed.
        """
        if self._lifetimes.watched(name).update is not None:
            self._lifetimes.run_due(time.time())  # the last one may be over
        if self._lifetimes.watched(name).update is not None:
            raise EndpointBusy(
                tr("The endpoint {name} is still being updated.").format(name=name),
                "",
                tr("Try again when it is in service."),
            )

        def start(uri: str, role: str) -> None:
            with self._kept(name, self._lifetimes.watched(name)):
                self._hosted.update(name, job, uri, role, self._as_moved(job, hosting), self._lifetimes.follow)

        return self._prepare(job, hosting.runs_in, picture, start, on_progress, cancel, trusted)

    def _as_moved(self, job: str, hosting: Hosting) -> Hosting:
        """Return the hosting with the threshold as the user has moved it: the archive holds the training's own."""
        return replace(hosting, unknown_threshold=moved_to(self._paths.jobs / job))

    @contextmanager
    def _kept(self, name: str, before: Watched) -> Iterator[None]:
        """Watch an endpoint as it was before, should AWS refuse what is asked for; what may be there is watched on."""
        try:
            yield
        except OutcomeUnknown:
            raise
        except Exception:
            self._lifetimes.restore(name, before)
            raise

    def _prepare(
        self,
        job: str,
        container: Container,
        picture: Path,
        start: _Start,
        on_progress: OnProgress,
        cancel: CancelToken | None,
        trusted: bool,
    ) -> Rehearsal:
        cancel = cancel or CancelToken()
        archive = self._archive(job, on_progress, cancel)
        with tempfile.TemporaryDirectory(prefix="sagehound-deploy-") as place:
            if not trusted and self._is_of_others(job):
                archive = with_our_code(archive, Path(place) / "checked")
            archive = fit_for(container, archive, Path(place))
            on_progress(Progress(0, None, tr("Rehearsing the archive on this computer")))
            rehearsal = rehearse(archive.file, picture, container)
            cancel.raise_if_cancelled()
            uri = archive.uri or upload_archive(self._aws, self._workspace, archive, on_progress, cancel)
        on_progress(Progress(0, None, tr("Asking AWS for the endpoint")))
        start(uri, role_arn(self._aws, self._workspace.role))
        return rehearsal

    def _is_of_others(self, job: str) -> bool:
        """Whether a job, or the search that it is a trial of, was not started from this installation."""
        record = self._store.job(job)
        parent = record.tuning_job if isinstance(record, TrainingJob) else None
        return any(CloudJobState.load(self._paths.jobs / name).adopted for name in (job, parent) if name)

    def _archive(self, job: str, on_progress: OnProgress, cancel: CancelToken) -> Archive:
        """Return a job's archive, on this machine."""
        record = self._store.job(job)
        if not isinstance(record, TrainingJob) or record.artifact is None:
            raise ModelError(
                tr("{job} has no model.").format(job=job),
                tr("It has not finished, or it failed."),
                tr("Train it again."),
            )
        folder = JobFolder(self._paths.jobs / job)
        if record.artifact.startswith("s3://"):
            fetch_model(self._aws, job, record.artifact, folder, on_progress, cancel)
            # A trial of a packed search has its head there alone; the whole is made here.
            return Archive(job, folder.artifact, "" if record.artifact.endswith("/") else record.artifact)
        file = Path(record.artifact)
        if not file.is_file():  # it is made of head and backbone when something asks for it
            file = write_archive(JobFolder(file.parent))
        if not file.is_file():
            raise ModelError(
                tr("{job} has no model.").format(job=job),
                tr("{file} is not there any more.").format(file=file),
                tr("Train it again."),
            )
        return Archive(job, file)
