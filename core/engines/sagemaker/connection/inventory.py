"""What there is in an AWS account to choose from: one look, which says what it may not see instead of failing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from core.cloud.account import Account, Bucket, Role
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.connect import buckets, execution_roles, identity, suggested_bucket
from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

T = TypeVar("T", Bucket, Role)


def look_around(aws: Aws, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None) -> Account:
    """Ask who the credentials belong to, and list the buckets and execution roles.

    Raises:
        EngineError: AWS does not take the credentials, or cannot be reached.
        Cancelled: through `cancel`.
    """
    notes: list[str] = []

    def listed(message: str, ask: Callable[[Aws], list[T]]) -> tuple[T, ...]:
        if cancel is not None:
            cancel.raise_if_cancelled()
        on_progress(Progress(0, None, message))
        try:
            return tuple(ask(aws))
        except UserFacingError as error:
            notes.append(f"{error.what} {error.why}".strip())
            return ()

    on_progress(Progress(0, None, tr("Asking AWS who you are")))
    who = identity(aws)
    found = listed(tr("Listing the buckets"), buckets)
    roles = listed(tr("Listing the roles"), execution_roles)
    return Account(who, found, roles, suggested_bucket(who.account, who.region), tuple(notes))
