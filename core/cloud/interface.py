"""What the application asks of a cloud. `core.engines.sagemaker` answers; so could a second cloud."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.cloud.account import Account, AccountJob, Bucket, Check, Connection, Identity, Policies, Role
from core.cloud.hosting import Hosting, Rehearsal
from core.cloud.managed import Answer
from core.cloud.money import Bill, CloudForecast, Price, Use
from core.engine import Endpoint, Engine
from core.jobs.specs import CloudResources, Spec
from core.progress import CancelToken, OnProgress, ignore_progress

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.paths import AppPaths
    from core.predict.records import Answer as PictureAnswer
    from core.predict.records import Source
    from core.store import Store


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What an upload did; `channels` maps a channel's name to its address. Files count without manifests."""

    uri: str
    channels: Mapping[str, str]
    files: int
    sent: int
    copied: int
    kept: int
    bytes_sent: int
    seconds: float


class Cloud(Engine):
    """An engine that runs jobs in an account of the user's: they cost money, and so do the models it serves.

    Threads and errors as `Engine` says.
    """

    # Connection

    @abstractmethod
    def identity(self, again: bool = False) -> Identity:
        """Return whose account it is; `again`: with credentials read again, after a login that has ended.

        Raises:
            EngineError: there are no credentials, or the cloud does not take them.
        """

    @abstractmethod
    def preflight(
        self, resources: CloudResources | None = None, parallel: int = 1, endpoint_type: str = "", jobs: bool = True
    ) -> Iterator[Check]:
        """Check what can be checked before anything is billed, one after the other; never raises.

        Args:
            resources: what jobs will run on.
            parallel: how many jobs at once.
            endpoint_type: an instance type to be deployed on, if any.
            jobs: whether jobs are to run; False: only what an endpoint needs.
        """

    @abstractmethod
    def account_jobs(self) -> Sequence[AccountJob]:
        """Return the latest jobs of the account, newest first, known here or not."""

    @abstractmethod
    def adopt(self, name: str) -> None:
        """Take a job of the account into the store, and follow it.

        Raises:
            SpecError: it is known here already, or it is a trial.
            JobNotFound: there is none.
        """

    @abstractmethod
    def managed_answer(self) -> Answer | None:
        """Return what the cloud said when a job of this account asked for its Debugger; None: it was never asked."""

    @abstractmethod
    def forget_managed_answer(self) -> None:
        """Let the next job that wants the cloud's own Debugger ask again."""

    @abstractmethod
    def evaluates_rules(self, name: str) -> bool:
        """Whether the cloud's own Debugger still evaluates a job, as far as is known here."""

    @abstractmethod
    def differences(self, name: str) -> Sequence[str]:
        """Return what the cloud recorded otherwise than it was asked for a job, a sentence each."""

    # Uploads

    @abstractmethod
    def address(self, *parts: str) -> str:
        """Return the address of something that Sagehound keeps in the account, "datasets" for instance."""

    @abstractmethod
    def upload(
        self,
        manifest: Manifest,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        paused: Callable[[], bool] = lambda: False,
    ) -> UploadResult:
        """Put a dataset version where jobs can read it; nothing new is begun while `paused()`.

        Raises:
            EngineError: the cloud refused.
            Cancelled: through `cancel`; what was sent stays, and is not sent again.
        """

    # Money

    @abstractmethod
    def price(self, instance_type: str, use: Use = "Training") -> Price:
        """Return what an instance costs; never raises."""

    @abstractmethod
    def forecast(self, spec: Spec, manifest: Manifest | None) -> CloudForecast:
        """Return what a job will take and cost, before it is started."""

    @abstractmethod
    def spent(self, name: str) -> float | None:
        """Return the dollars that a job has cost so far; None: the price is not known."""

    @abstractmethod
    def bill(self, name: str) -> Bill:
        """Return what a job's finished training jobs were billed."""

    # Endpoints

    serving: Serving
    """The endpoints of the region, and their lifetimes."""

    @abstractmethod
    def deploy(
        self,
        job: str,
        name: str,
        hosting: Hosting,
        picture: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        trusted: bool = False,
    ) -> Rehearsal:
        """Rehearse a job's model archive here, with a picture, then create the endpoint `name` from it.

        Raises:
            StrangersCode: the archive has code that is not Sagehound's, and is not `trusted`.
            ModelError: there is no model, or the rehearsal failed.
            EngineError: the cloud refused.
        """

    @abstractmethod
    def update_endpoint(
        self,
        job: str,
        name: str,
        hosting: Hosting,
        picture: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        trusted: bool = False,
    ) -> Rehearsal:
        """Do the same for the endpoint `name` that is there, which answers meanwhile with the model it has.

        Raises: as `deploy`.
        """


class Serving(ABC):
    """The endpoints of a region, which cost money as long as they are there. Thread-safe."""

    @abstractmethod
    def endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints of the region, ours first."""

    @abstractmethod
    def endpoint(self, name: str) -> Endpoint | None:
        """Return one endpoint; None: there is none of that name."""

    @abstractmethod
    def is_settled(self, name: str) -> bool:
        """Whether nothing is under way at an endpoint; what is over is finished by this call."""

    @abstractmethod
    def hosting(self, name: str) -> Hosting:
        """Return how an endpoint is served now, its remaining lifetime included.

        Raises:
            EngineError: there is none, or it is not ours.
        """

    @abstractmethod
    def log(self, name: str) -> tuple[str, ...]:
        """Return the last lines of an endpoint's log, the oldest first; empty when it has written nothing yet."""

    @abstractmethod
    def ask(
        self,
        endpoint: Endpoint,
        sources: Sequence[Source],
        top_k: int | None = 5,
        thumbnail: int = 0,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        on_answer: Callable[[int, PictureAnswer], None] | None = None,
    ) -> tuple[list[PictureAnswer], str]:
        """Ask an endpoint about pictures; returns answers in their order, and what is to be said about them.

        Args:
            endpoint: one that is in service.
            sources: the pictures.
            top_k: how many classes an answer has; None: all.
            thumbnail: a small JPEG comes with each answer, its longer side at most that many pixels; 0: none.
            on_progress: called as pictures are answered.
            cancel: asks for an end.
            on_answer: called with a picture's number and its answer as they come.

        Raises:
            EngineError: the endpoint did not answer.
            Cancelled: through `cancel`.
        """

    @abstractmethod
    def delete(
        self,
        name: str,
        others_too: bool = False,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        wait_s: float = 0.0,
    ) -> None:
        """Delete an endpoint, its configuration and its model; one that Sagehound did not make with `others_too` only.

        Raises:
            EndpointBusy: the cloud does not let it yet, after `wait_s` seconds; it is deleted later.
            Cancelled: through `cancel`; it is deleted later, but for `keep`.
            EngineError: there is none, it is not ours, or the cloud refused.
        """

    @abstractmethod
    def keep(self, name: str) -> bool:
        """Keep an endpoint after all whose deletion waits; False: it was not to be deleted."""

    @abstractmethod
    def run_due(self, expired_too: bool = True) -> list[str]:
        """Do what is due: deletions that waited, ends of updates and of lives; returns the names of those deleted.

        `expired_too`: also those whose life ended and which another computer deployed.
        """


class CloudProvider(ABC):
    """A cloud before there is a connection that jobs can run with. Nothing is kept between calls."""

    name: str

    @abstractmethod
    def open(self, connection: Connection, paths: AppPaths, store: Store) -> Cloud:
        """Return the engine of a connection; nothing is sent yet.

        Raises:
            EngineError: bucket or role are not chosen.
        """

    @abstractmethod
    def check(self, spec: Spec) -> None:
        """Raise `SpecError` where the cloud cannot do what a spec asks for; its `field` is the one at fault."""

    @abstractmethod
    def serving(self, connection: Connection, paths: AppPaths) -> AbstractContextManager[Serving]:
        """Give the endpoints of a connection's region; neither bucket nor role are needed."""

    @abstractmethod
    def account(
        self, connection: Connection, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Account:
        """Ask who the credentials belong to, and list the buckets and roles.

        Raises:
            EngineError: the cloud does not take the credentials, or cannot be reached.
            Cancelled: through `cancel`.
        """

    @abstractmethod
    def buckets(self, connection: Connection) -> Sequence[Bucket]:
        """Return the buckets of the account that are in the region in use."""

    @abstractmethod
    def roles(self, connection: Connection) -> Sequence[Role]:
        """Return the roles that jobs can run as, by name."""

    @abstractmethod
    def create_bucket(self, connection: Connection, name: str) -> Bucket:
        """Create a bucket in the region in use: private and encrypted. Idempotent for one's own.

        Raises:
            EngineError: the name is taken by someone else, or the right is missing.
        """

    @abstractmethod
    def policies(self, connection: Connection, account: str = "") -> Policies:
        """Return the policies that allow what Sagehound does; `account`: its number, if that is known."""

    @abstractmethod
    def preflight(
        self,
        connection: Connection,
        paths: AppPaths,
        resources: CloudResources | None = None,
        parallel: int = 1,
        endpoint_type: str = "",
    ) -> Iterator[Check]:
        """Check a connection as `Cloud.preflight` does."""

    @abstractmethod
    def forget_managed_answer(self, connection: Connection, paths: AppPaths) -> None:
        """Let the next job that wants the cloud's own Debugger ask again."""

    @abstractmethod
    def send(
        self,
        manifest: Manifest,
        connection: Connection,
        address: str,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> UploadResult:
        """Upload a dataset version to any address of the cloud's storage.

        Raises: as `Cloud.upload`.
        """
