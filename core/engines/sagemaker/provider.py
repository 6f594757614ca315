"""SageMaker as a cloud: what is asked of an account before there is an engine, and the engine itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from core.cloud.account import Account, Bucket, Check, Connection, Policies, Role
from core.cloud.interface import CloudProvider, Serving, UploadResult
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.workspace import Workspace
from core.errors import EngineError
from core.jobs.specs import CloudResources, Spec
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.engines.sagemaker.engine import SageMakerEngine
    from core.paths import AppPaths
    from core.store import Store


class SageMaker(CloudProvider):
    """Amazon SageMaker. boto3 is imported with the first call that needs it."""

    name = "sagemaker"

    def open(self, connection: Connection, paths: AppPaths, store: Store) -> SageMakerEngine:
        """Return the engine; what has to be done when no one looks is left to a process of its own."""
        return open_engine(connection, paths, store)

    def check(self, spec: Spec) -> None:
        """Raise `SpecError` where SageMaker cannot do what a spec asks for."""
        from core.engines.sagemaker.jobs.definition import check

        check(spec)

    @contextmanager
    def serving(self, connection: Connection, paths: AppPaths) -> Iterator[Serving]:
        """Give the endpoints of the region."""
        from core.engines.sagemaker.cost.pricing import PriceList
        from core.engines.sagemaker.endpoints.endpoints import Endpoints
        from core.engines.sagemaker.endpoints.lifetimes import EndpointLifetimes
        from core.engines.sagemaker.endpoints.serving import SageMakerServing

        with _aws(connection) as aws:
            hosted = Endpoints(aws, PriceList(aws))
            yield SageMakerServing(aws, hosted, EndpointLifetimes(paths, aws, hosted))

    def account(
        self, connection: Connection, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Account:
        """Ask STS, S3 and IAM."""
        from core.engines.sagemaker.connection.inventory import look_around

        with _aws(connection) as aws:
            return look_around(aws, on_progress, cancel)

    def buckets(self, connection: Connection) -> Sequence[Bucket]:
        """List the buckets of the region."""
        from core.engines.sagemaker.connection.connect import buckets

        with _aws(connection) as aws:
            return buckets(aws)

    def roles(self, connection: Connection) -> Sequence[Role]:
        """List the roles that trust SageMaker."""
        from core.engines.sagemaker.connection.connect import execution_roles

        with _aws(connection) as aws:
            return execution_roles(aws)

    def create_bucket(self, connection: Connection, name: str) -> Bucket:
        """Create it in the region of the connection."""
        from core.engines.sagemaker.connection.connect import create_bucket

        with _aws(connection) as aws:
            return create_bucket(aws, name)

    def policies(self, connection: Connection, account: str = "") -> Policies:
        """Fill in account, bucket, role and key; an account that is not given is asked for."""
        from core.engines.sagemaker.connection import connect

        with _aws(connection) as aws:
            account = account or aws.account
            bucket = connection.bucket or connect.suggested_bucket(account, aws.region)
        role = connection.role
        arn = role if role.startswith("arn:") or not role else f"arn:aws:iam::{account}:role/{role}"
        key = connection.kms_key
        return Policies(
            connect.user_policy(account, bucket, arn, key),
            connect.role_policy(account, bucket, key),
            connect.role_policy(account, bucket, key, vpc=True),
            connect.trust_policy(account),
        )

    def preflight(
        self,
        connection: Connection,
        paths: AppPaths,
        resources: CloudResources | None = None,
        parallel: int = 1,
        endpoint_type: str = "",
    ) -> Iterator[Check]:
        """Check identity, region, role, bucket, permissions, quotas and image."""
        from core.engines.sagemaker.connection.eligibility import Eligibility
        from core.engines.sagemaker.connection.preflight import preflight

        with _aws(connection) as aws:
            yield from preflight(aws, workspace_of(connection), resources, parallel, endpoint_type, Eligibility(paths))

    def forget_managed_answer(self, connection: Connection, paths: AppPaths) -> None:
        """Forget what AWS said of its Debugger to this account."""
        from core.engines.sagemaker.connection.eligibility import Eligibility

        with _aws(connection) as aws:
            Eligibility(paths).forget(aws.account)

    def send(
        self,
        manifest: Manifest,
        connection: Connection,
        address: str,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> UploadResult:
        """Upload below an s3:// address."""
        from core.engines.sagemaker.connection.bucket_layout import join, split_uri
        from core.engines.sagemaker.upload.staging import send

        bucket, prefix = split_uri(address)
        with _aws(connection) as aws:
            return send(manifest, aws, bucket, join(prefix), connection.kms_key, on_progress, cancel)


def workspace_of(connection: Connection) -> Workspace:
    """Return where jobs of a connection run and their files are."""
    return Workspace(
        **{name: value for name, value in asdict(connection).items() if name in Workspace.__dataclass_fields__}
    )


def open_engine(connection: Connection, paths: AppPaths, store: Store, background: bool = True) -> SageMakerEngine:
    """Return the engine of a connection; nothing is sent yet.

    `background`: what has to be done when no one looks is left to a process of its own.

    Raises:
        EngineError: bucket or role are not chosen.
    """
    from core.engines.sagemaker.engine import SageMakerEngine

    for name, value, option in (("bucket", connection.bucket, "--bucket"), ("role", connection.role, "--role")):
        if not value:
            raise EngineError(
                tr("No {name} is chosen for SageMaker.").format(name=name),
                tr("Jobs there read from and write to a bucket of yours, with the rights of an execution role."),
                tr("Give {option}; `sagehound preflight --{name}s` lists what there is.").format(
                    option=option, name=name
                ),
            )
    aws = Aws(connection.profile, connection.region)
    if not background:
        return SageMakerEngine(paths, store, aws, workspace_of(connection))
    from core.engines.sagemaker.tracking.background import starter

    return SageMakerEngine(paths, store, aws, workspace_of(connection), in_background=starter(paths, connection))


def _aws(connection: Connection) -> closing[Aws]:
    return closing(Aws(connection.profile, connection.region))
