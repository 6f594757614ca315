"""The SageMaker engine: jobs in an AWS account, followed from here, and found again days later."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.cloud.account import AccountJob, Check, Identity
from core.cloud.hosting import Hosting, Rehearsal
from core.cloud.interface import Cloud, UploadResult
from core.cloud.managed import Answer
from core.cloud.money import Bill, CloudForecast, Price, Use
from core.engine import Capabilities, Endpoint
from core.engines.local.logtail import read_lines
from core.engines.local.recovery import write_record
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.connect import identity
from core.engines.sagemaker.connection.eligibility import Eligibility
from core.engines.sagemaker.connection.preflight import preflight
from core.engines.sagemaker.connection.workspace import Workspace
from core.engines.sagemaker.cost.cloud_forecast import cloud_forecast
from core.engines.sagemaker.cost.pricing import PriceList
from core.engines.sagemaker.cost.running_cost import bill, spent
from core.engines.sagemaker.endpoints.deployer import Deployer
from core.engines.sagemaker.endpoints.endpoints import Endpoints
from core.engines.sagemaker.endpoints.lifetimes import EndpointLifetimes
from core.engines.sagemaker.endpoints.serving import SageMakerServing
from core.engines.sagemaker.jobs.definition import check
from core.engines.sagemaker.jobs.job_creator import JobCreator
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.launch_and_stop import launch, stop
from core.engines.sagemaker.jobs.training_source import Source
from core.engines.sagemaker.jobs.validation import check_cap, check_parents, cloud_of
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking.adopt import adopt, list_jobs
from core.engines.sagemaker.tracking.artifacts import fetch_model, fetch_rule_output, sync_output
from core.engines.sagemaker.tracking.evaluations import evaluating
from core.engines.sagemaker.tracking.logs import job_log_url
from core.engines.sagemaker.tracking.poller import Poller
from core.errors import EngineError, ModelError, SpecError, UserFacingError
from core.jobs.contract import JobFolder
from core.jobs.managed_rules import managed_of
from core.jobs.records import EventBatch, Job, LogChunk, TrainingJob
from core.jobs.specs import CloudResources, Spec, TuningSpec
from core.paths import AppPaths
from core.progress import CancelToken, OnProgress, ignore_progress
from core.store import Store
from core.translation import tr
from core.tuning.search_plan import check_strategy

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest

_logger = logging.getLogger(__name__)


class SageMakerEngine(Cloud):
    """Training and tuning jobs on Amazon SageMaker.

    Nothing is sent, and neither boto3 nor the SDK is imported, before something is asked for. One thread watches what
    is unfinished; records, metrics and logs are kept on this machine, so that what was learnt once is there offline.

    Args:
        paths: where this machine's files are.
        store: the database of results.
        aws: the connection.
        workspace: bucket, prefix and execution role.
        source: the scripts that run in a job; Sagehound's own when None.
        timing: how long the watching waits for what.
        in_background: starts, unless it runs, the process that does what is to be done while no one looks; None: this
            process does it alone.
    """

    name = "sagemaker"
    capabilities = Capabilities(costs_money=True, deploys=True, packs=True, max_parallel_jobs=100)

    def __init__(
        self,
        paths: AppPaths,
        store: Store,
        aws: Aws,
        workspace: Workspace,
        source: Source | None = None,
        timing: Timing = Timing(),  # noqa: B008 - it is frozen
        in_background: Callable[[], None] | None = None,
    ) -> None:
        self._paths, self._store, self.aws, self.workspace = paths, store, aws, workspace
        self._own_source = source
        self.prices = PriceList(aws)
        self.hosted = Endpoints(aws, self.prices)
        self._creator = JobCreator(aws, workspace, paths, source)
        self.eligibility = Eligibility(paths)
        """What AWS said when a job asked for its managed Debugger, by account."""
        self.lifetimes = EndpointLifetimes(paths, aws, self.hosted, timing.delete)
        self._deployer = Deployer(paths, store, workspace, self.hosted, self.lifetimes)
        self.serving = SageMakerServing(aws, self.hosted, self.lifetimes, self._on_endpoint_change)
        self._in_background = in_background
        self._poller = Poller(aws, paths, store, self._creator, self.lifetimes, self.prices, timing, self._attend)

    @property
    def notice(self) -> str:
        """Return a sentence for the user while AWS cannot be asked, else empty."""
        return self._poller.notice

    @property
    def calls(self) -> int:
        """Return how many calls the watching of jobs has made."""
        return self._poller.calls

    @property
    def own_script(self) -> str | None:
        """Return the program of the source that was given."""
        source = self._own_source
        return None if source is None else source.files[source.program].decode("utf-8")

    def stage(
        self, manifest: Manifest, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Mapping[str, str]:
        """Upload what is not in the bucket yet."""
        return self.upload(manifest, on_progress, cancel).channels

    def upload(
        self,
        manifest: Manifest,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        paused: Callable[[], bool] = lambda: False,
    ) -> UploadResult:
        """Upload to the bucket; a login that ends meanwhile is waited for."""
        from core.engines.sagemaker.upload.staging import stage

        return stage(manifest, self.aws, self.workspace, on_progress, cancel, paused)

    def address(self, *parts: str) -> str:
        """Return an s3:// address below the prefix."""
        return self.workspace.uri(*parts)

    def identity(self, again: bool = False) -> Identity:
        """Ask STS."""
        if again:
            self.aws.renew()
        return identity(self.aws)

    def preflight(
        self, resources: CloudResources | None = None, parallel: int = 1, endpoint_type: str = "", jobs: bool = True
    ) -> Iterator[Check]:
        """Check identity, region, role, bucket, permissions, quotas and image."""
        return preflight(self.aws, self.workspace, resources, parallel, endpoint_type, self.eligibility, jobs)

    def managed_answer(self) -> Answer | None:
        """Return what AWS said to this account."""
        return self.eligibility.of(self.aws.account)

    def forget_managed_answer(self) -> None:
        """Let the next job ask again."""
        self.eligibility.forget(self.aws.account)

    def evaluates_rules(self, name: str) -> bool:
        """Whether AWS still evaluates some rule of a job."""
        return evaluating(self._store, name)

    def price(self, instance_type: str, use: Use = "Training") -> Price:
        """Return the price in AWS's list, else in the dated snapshot."""
        return self.prices.price(instance_type, use)

    def start(self, spec: Spec) -> None:
        """Create the job; or the job that computes its frozen features, where these are to be had once for all."""
        from core.debugger.job_rules import check as check_debugger

        if isinstance(spec, TuningSpec):
            check_strategy(spec)
            if not spec.packed:
                check_parents(spec, self._store)
            elif self._own_source is not None:
                raise SpecError(
                    tr("A search as one job runs Sagehound's own script alone."),
                    fix=tr("Leave it out."),
                    field="packed",
                )
        check(spec)
        check_cap(spec, self.prices)
        check_debugger(spec.training.debugger)
        if managed_of(spec) is not None:
            self.eligibility.check(self.aws.account, spec.name)
        try:
            launch(spec, self.aws, self.workspace, self._store, self._paths, self._creator)
        finally:
            self._attend()
            self._poller.wake()

    def has_duties(self) -> bool:
        """Whether something is to be done in this region and account even if no one looks."""
        return self.lifetimes.is_needed(self.aws.region) or any(
            state.cap_usd is not None or (state.features_job and not state.launched)
            for state in map(self.notes, self._poller.unfinished())
        )

    def _on_endpoint_change(self) -> None:
        self._attend()
        self._poller.wake()

    def _attend(self) -> None:
        """Let a process in the background do what is to be done, should this one end before."""
        if self._in_background is None:
            return
        try:
            if self.has_duties():
                self._in_background()
        except (UserFacingError, OSError) as error:  # as long as this process runs, it does it itself
            _logger.warning("no process in the background could be started: %s", error)

    def forecast(self, spec: Spec, manifest: Manifest | None) -> CloudForecast:
        """See `Cloud.forecast`."""
        dated = spec if manifest is None else spec.with_training(dataset_version=manifest.version)
        price = self.prices.price(cloud_of(spec).instance_type)
        key = self._creator.features_key(dated)
        try:
            known = bool(key and self._creator.features_at(key))
        except UserFacingError:
            known = False  # without a bucket that can be read they have to be computed
        return cloud_forecast(dated, manifest, self._store, price, bool(key), known, self.prices.price)

    def bill(self, name: str) -> Bill:
        """See `Cloud.bill`."""
        return bill(self._store, self._paths, self.prices, name)

    def differences(self, name: str) -> Sequence[str]:
        """See `Cloud.differences`."""
        return tuple(self.notes(name).differences)

    def notes(self, name: str) -> CloudJobState:
        """Return what this machine knows of a job on SageMaker besides its record."""
        return CloudJobState.load(self._folder(name).root)

    def stop(self, name: str) -> None:
        """Ask SageMaker to stop a job, a tuning job with its trials, or one trial."""
        if stop(name, self.aws, self._store, self._paths):
            self._poller.wake()

    def resume(self, name: str) -> None:
        """Refuse: SageMaker resumes nothing; a new tuning job can learn from this one."""
        self.job(name)
        raise EngineError(
            tr("{name} cannot be resumed.").format(name=name),
            tr("SageMaker resumes no tuning job."),
            tr("Start another one that warm-starts from it."),
        )

    def delete(self, name: str) -> None:
        """Forget a finished job on this machine; what AWS has of it, in S3 too, stays."""
        job = self._store.job(name)
        if not job.status.is_final:
            raise EngineError(tr("{name} is running.").format(name=name), fix=tr("Stop it first."))
        folders = [self._folder(trial.name).root for trial in self._store.trials(name)]
        self._store.delete_job(name)
        for folder in (*folders, self._folder(name).root):
            shutil.rmtree(folder, ignore_errors=True)

    def set_note(self, name: str, text: str) -> None:
        """Keep the note on this machine."""
        self._store.set_note(name, text)
        self.keep_record(name)

    def keep_record(self, name: str) -> None:
        """See `Engine.keep_record`."""
        write_record(self._store, self._folder(name), name)

    def refresh(self, timeout_s: float = 30.0) -> None:
        """Ask AWS now how the unfinished jobs are."""
        self._poller.refresh(timeout_s)

    def jobs(self) -> Sequence[Job]:
        """See `Engine.jobs`."""
        self._poller.ensure()
        return self._store.jobs(self.name)

    def job(self, name: str) -> Job:
        """Describe one job or trial, as it was at the last look."""
        self._poller.ensure()
        return self._store.job(name)

    def trials(self, tuning_job: str) -> Sequence[TrainingJob]:
        """See `Engine.trials`."""
        self._poller.ensure()
        return self._store.trials(tuning_job)

    def spec(self, name: str) -> Spec:
        """Return the spec a job was started with."""
        return self._store.spec(name)

    def events(self, since: int = 0, job: str | None = None) -> EventBatch:
        """Return what happened after a cursor."""
        self._poller.ensure()
        return self._store.events(since, job)

    def read_log(self, name: str, offset: int = 0) -> LogChunk:
        """Return whole log lines; of a tuning job, what was said while its features were computed."""
        return read_lines(self._folder(name).log, offset, ended=self._store.job(name).status.is_final)

    def fetch_artifact(
        self, name: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Path:
        """Download and unpack model.tar.gz, once."""
        job = self._store.job(name)
        if not isinstance(job, TrainingJob) or job.artifact is None:
            raise ModelError(
                tr("{name} has no model.").format(name=name),
                tr("It has not finished, or it failed."),
                tr("Train it again."),
            )
        return fetch_model(self.aws, name, job.artifact, self._folder(name), on_progress, cancel)

    def job_folder(self, name: str) -> Path | None:
        """Return the job's folder on this machine, with the output that it has put into S3 so far."""
        folder = self._folder(name)
        if not folder.root.is_dir():
            return None
        job, notes = self._store.job(name), self.notes(name)
        if isinstance(job, TrainingJob) and (notes.checkpoints or notes.workspace):
            workspace = Workspace(**notes.workspace) if notes.workspace else self.workspace
            artifact = job.artifact or workspace.uri("jobs", name, "output", "model.tar.gz")
            found = "" if notes.packed else artifact
            sync_output(self.aws, notes.checkpoints, folder, job.status.is_final, found)
        if notes.rule_output:
            final = job.status.is_final and not evaluating(self._store, name)
            try:
                fetch_rule_output(self.aws, notes, folder, final)
            except UserFacingError as error:  # AWS's report is missing then; the rest is there all the same
                _logger.warning("%s: %s", name, error)
        return folder.root

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
        """See `Cloud.deploy`."""
        rehearsal = self._deployer.create(job, name, hosting, picture, on_progress, cancel, trusted)
        self._on_endpoint_change()
        return rehearsal

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
        """See `Cloud.update_endpoint`."""
        rehearsal = self._deployer.update(job, name, hosting, picture, on_progress, cancel, trusted)
        self._on_endpoint_change()
        return rehearsal

    def adopt(self, name: str) -> None:
        """See `Cloud.adopt`."""
        adopt(self.aws, self._store, self._paths, name)
        self._poller.wake()

    def account_jobs(self) -> Sequence[AccountJob]:
        """See `Cloud.account_jobs`."""
        return list_jobs(self.aws, self._store)

    def set_cap(self, name: str, usd: float | None) -> None:
        """Stop a job once its training has cost `usd`, as far as its running time tells; None: never."""
        CloudJobState.change(self._folder(name).root, cap_usd=usd)
        self._attend()

    def spent(self, name: str) -> float | None:
        """See `Cloud.spent`."""
        return spent(self._store, self._paths, self.prices, name)

    def endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints of the region, ours first."""
        return self.serving.endpoints()

    def log_url(self, name: str) -> str:
        """Return the page of a job's log in the AWS console."""
        folder = self._folder(name).root
        notes = CloudJobState.load(folder)
        if notes.packed and (parent := self._store.parent(name)):
            return self.log_url(parent)  # they have one log
        job = notes.features_job if notes.features_job and not notes.launched else name
        return job_log_url(notes.region or self.aws.region, job, folder)

    def close(self) -> None:
        """End the watching, and release connections; jobs continue."""
        self._poller.close()
        self.aws.close()

    def _folder(self, name: str) -> JobFolder:
        return JobFolder(self._paths.jobs / name)
